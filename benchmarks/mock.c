/* A mock provider that is never the bottleneck: HTTP/1.1 keep-alive, one thread, epoll, no dependencies.
 *
 *   mock PORT        0 lets the system choose; "port N" is printed when it listens
 *
 * What it answers follows from the end of the path:
 *   …/chat/completions                            OpenAI's JSON, or its events if the body says "stream":true
 *   …/messages                                    Anthropic's
 *   …:generateContent  …:streamGenerateContent    Google's
 * How it answers follows from what stands before:
 *   /burst/100/      streams have 100 pieces of text, written at once (also the default)
 *   /paced/50/20ms/  50 pieces, one every 20 ms, each with the time of its writing: "@@" and 20 digits, in ns
 *   /hold/           one piece, and then silence until the client goes
 *   /fail/529/       an error of that status
 *
 * It trusts its clients: requests come one at a time, and are well-formed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { FDS_MAX = 65536, READ_MAX = 1 << 18, PIECES_MAX = 100000, LOOK_BYTES = 4096, STAMP_DIGITS = 20 };
enum dialect { CHAT, ANTHROPIC, GOOGLE, DIALECTS };
enum mode { BURST, PACED, HOLD, FAIL };

typedef struct {
    char *at;
    size_t len, room;
} buffer;

typedef struct {
    int fd;
    buffer in, out; /* out: what the socket did not take yet */
    enum dialect dialect;
    int left;          /* pieces of a paced stream still to come */
    uint64_t every_ns; /* its pace */
    uint64_t due_ns;   /* the next one */
    int place;         /* in the heap; -1 for none */
} connection;

typedef struct {
    enum dialect dialect;
    enum mode mode;
    int pieces, status;
    uint64_t every_ns;
    int streams, known;
} order;

static connection *connections[FDS_MAX];
static connection *heap[FDS_MAX];
static int heap_len, poller, timer;

/* --- small things ------------------------------------------------------------------------------------------------- */

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void reserve(buffer *b, size_t more) {
    if (b->len + more <= b->room) return;
    b->room = (b->len + more) * 2;
    b->at = realloc(b->at, b->room);
    if (!b->at) die("realloc");
}

static void append(buffer *b, const void *data, size_t len) {
    reserve(b, len);
    memcpy(b->at + b->len, data, len);
    b->len += len;
}

static void append_text(buffer *b, const char *text) { append(b, text, strlen(text)); }

/* One chunk of a chunked body. */
static void append_chunk(buffer *b, const char *text) {
    char size[24];
    snprintf(size, sizeof size, "%zx\r\n", strlen(text));
    append_text(b, size);
    append_text(b, text);
    append_text(b, "\r\n");
}

static void append_answer(buffer *b, int status, const char *body) {
    char head[160];
    snprintf(head, sizeof head, "HTTP/1.1 %d Mock\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n",
             status, strlen(body));
    append_text(b, head);
    append_text(b, body);
}

/* --- what the providers say --------------------------------------------------------------------------------------- */

#define PROSE                                                                                                          \
    "Benchmark answer. A gateway stands between a client and a provider; what it adds to a call should be small "      \
    "beside what the provider takes, and known. This text is long enough to make the answer about as large as a "      \
    "short real one, and it is the same every time, so that two systems measured one after the other do the same work."

static const char *const ANSWERS[DIALECTS] = {
    [CHAT] =
        "{\"id\":\"chatcmpl-BENCH0000000000000000000001\",\"object\":\"chat.completion\",\"created\":1760000000,"
        "\"model\":\"bench-1\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" PROSE
        "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{"
        "\"prompt_tokens\":210,\"completion_tokens\":64,\"total_tokens\":274,\"prompt_tokens_details\":{"
        "\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,"
        "\"audio_tokens\":0}},\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"}",
    [ANTHROPIC] =
        "{\"id\":\"msg_BENCH000000000000000001\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench-1\","
        "\"content\":[{\"type\":\"text\",\"text\":\"" PROSE "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,"
        "\"usage\":{\"input_tokens\":210,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
        "\"output_tokens\":64,\"service_tier\":\"standard\"}}",
    [GOOGLE] =
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" PROSE "\"}],\"role\":\"model\"},\"finishReason\":"
        "\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":210,\"candidatesTokenCount\":64,"
        "\"totalTokenCount\":274,\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":210}]},"
        "\"modelVersion\":\"bench-1\",\"responseId\":\"BENCH00000000000000001\"}",
};

static const char *const ERRORS[DIALECTS] = {
    [CHAT] = "{\"error\":{\"message\":\"told to fail\",\"type\":\"server_error\",\"param\":null,\"code\":null}}",
    [ANTHROPIC] = "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"told to fail\"}}",
    [GOOGLE] = "{\"error\":{\"code\":500,\"message\":\"told to fail\",\"status\":\"INTERNAL\"}}",
};

#define CHAT_EVENT(delta, finish)                                                                                      \
    "data: {\"id\":\"chatcmpl-BENCH0000000000000000000001\",\"object\":\"chat.completion.chunk\",\"created\":"         \
    "1760000000,\"model\":\"bench-1\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\",\"choices\":[{" \
    "\"index\":0,\"delta\":" delta ",\"logprobs\":null,\"finish_reason\":" finish "}]}\n\n"

#define GOOGLE_EVENT(text, finish)                                                                                     \
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"" text "\"}],\"role\": \"model\"}," finish        \
    "\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 210,\"candidatesTokenCount\": 64,"                       \
    "\"totalTokenCount\": 274},\"modelVersion\": \"bench-1\",\"responseId\": \"BENCH00000000000000001\"}\r\n\r\n"

/* "%s" is the piece of text. The lists end with NULL. */
static const char *const PIECES[DIALECTS] = {
    [CHAT] = CHAT_EVENT("{\"content\":\"%s\"}", "null"),
    [ANTHROPIC] = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
                  "\"type\":\"text_delta\",\"text\":\"%s\"}}\n\n",
    [GOOGLE] = GOOGLE_EVENT("%s", ""),
};

static const char *const OPENINGS[DIALECTS][4] = {
    [CHAT] = {CHAT_EVENT("{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", "null")},
    [ANTHROPIC] =
        {"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_BENCH000000000000000001\","
         "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench-1\",\"content\":[],\"stop_reason\":null,"
         "\"stop_sequence\":null,\"usage\":{\"input_tokens\":210,\"cache_creation_input_tokens\":0,"
         "\"cache_read_input_tokens\":0,\"output_tokens\":1}}}\n\n",
         "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{"
         "\"type\":\"text\",\"text\":\"\"}}\n\n",
         "event: ping\ndata: {\"type\": \"ping\"}\n\n"},
};

static const char *const ENDINGS[DIALECTS][4] = {
    [CHAT] = {CHAT_EVENT("{}", "\"stop\""),
              "data: {\"id\":\"chatcmpl-BENCH0000000000000000000001\",\"object\":\"chat.completion.chunk\",\"created\":"
              "1760000000,\"model\":\"bench-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":210,"
              "\"completion_tokens\":64,\"total_tokens\":274}}\n\n",
              "data: [DONE]\n\n"},
    [ANTHROPIC] = {"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
                   "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
                   "\"stop_sequence\":null},\"usage\":{\"output_tokens\":64}}\n\n",
                   "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"},
    [GOOGLE] = {GOOGLE_EVENT("", "\"finishReason\": \"STOP\",")},
};

static void append_events(buffer *b, const char *const *events) {
    for (; *events; events++) append_chunk(b, *events);
}

static void append_opening(buffer *b, enum dialect dialect) {
    append_text(b, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    append_events(b, OPENINGS[dialect]);
}

static void append_piece(buffer *b, enum dialect dialect, const char *text) {
    char event[1024];
    snprintf(event, sizeof event, PIECES[dialect], text);
    append_chunk(b, event);
}

static void append_stamped(buffer *b, enum dialect dialect) {
    char text[2 + STAMP_DIGITS + 1];
    snprintf(text, sizeof text, "@@%0*" PRIu64, STAMP_DIGITS, now_ns());
    append_piece(b, dialect, text);
}

static void append_ending(buffer *b, enum dialect dialect) {
    append_events(b, ENDINGS[dialect]);
    append_text(b, "0\r\n\r\n");
}

/* A whole stream, made once for each dialect and length. */
static const buffer *burst(enum dialect dialect, int pieces) {
    static buffer made[DIALECTS];
    static int made_pieces[DIALECTS];
    buffer *b = &made[dialect];
    if (made_pieces[dialect] == pieces) return b;
    made_pieces[dialect] = pieces;
    b->len = 0;
    append_opening(b, dialect);
    for (int i = 0; i < pieces; i++) append_piece(b, dialect, i % 2 ? " and so on," : " measured");
    append_ending(b, dialect);
    return b;
}

/* --- the clock of paced streams: a heap by due time --------------------------------------------------------------- */

static void put(int place, connection *c) {
    heap[place] = c;
    c->place = place;
}

static void sift(connection *c, int place) {
    while (place > 0 && heap[(place - 1) / 2]->due_ns > c->due_ns) {
        put(place, heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        int child = 2 * place + 1;
        if (child >= heap_len) break;
        if (child + 1 < heap_len && heap[child + 1]->due_ns < heap[child]->due_ns) child++;
        if (heap[child]->due_ns >= c->due_ns) break;
        put(place, heap[child]);
        place = child;
    }
    put(place, c);
}

static void schedule(connection *c) { sift(c, c->place < 0 ? heap_len++ : c->place); }

static void unschedule(connection *c) {
    int place = c->place;
    if (place < 0) return;
    c->place = -1;
    connection *last = heap[--heap_len];
    if (last != c) sift(last, place);
}

static void set_timer(void) {
    static uint64_t set_for;
    uint64_t due = heap_len ? heap[0]->due_ns : 0;
    if (due == set_for) return;
    set_for = due;
    struct itimerspec when = {.it_value = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

static void drop(connection *c) {
    unschedule(c);
    connections[c->fd] = NULL;
    close(c->fd);
    free(c->in.at);
    free(c->out.at);
    free(c);
}

static void watch(connection *c, uint32_t events) {
    struct epoll_event e = {.events = events, .data.fd = c->fd};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e) < 0) die("epoll_ctl");
}

/* Writes what the socket takes and keeps the rest. A client that is gone shows at the next read. */
static void emit(connection *c, const char *data, size_t len) {
    if (!c->out.len) {
        ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) return;
        if (n > 0) data += n, len -= (size_t)n;
        if (!len) return;
        watch(c, EPOLLIN | EPOLLOUT);
    }
    append(&c->out, data, len);
}

static void flush_out(connection *c) {
    ssize_t n = send(c->fd, c->out.at, c->out.len, MSG_NOSIGNAL);
    if (n < 0) return;
    c->out.len -= (size_t)n;
    memmove(c->out.at, c->out.at + n, c->out.len);
    if (!c->out.len) watch(c, EPOLLIN);
}

static void next_piece(connection *c) {
    static buffer b;
    b.len = 0;
    append_stamped(&b, c->dialect);
    c->left--;
    c->due_ns += c->every_ns;
    if (c->left) {
        schedule(c);
    } else {
        unschedule(c);
        append_ending(&b, c->dialect);
    }
    emit(c, b.at, b.len);
}

static void begin_slowly(connection *c, const order *o) {
    static buffer b;
    b.len = 0;
    append_opening(&b, o->dialect);
    append_stamped(&b, o->dialect);
    c->dialect = o->dialect;
    c->left = o->mode == PACED ? o->pieces - 1 : 0;
    c->every_ns = o->every_ns;
    c->due_ns = now_ns() + o->every_ns;
    if (c->left)
        schedule(c);
    else if (o->mode == PACED)
        append_ending(&b, o->dialect);
    emit(c, b.at, b.len);
}

static void answer(connection *c, const order *o) {
    static buffer b;
    if (o->known && o->mode != FAIL && o->streams && o->mode == BURST) {
        const buffer *whole = burst(o->dialect, o->pieces);
        emit(c, whole->at, whole->len);
    } else if (o->known && o->mode != FAIL && o->streams) {
        begin_slowly(c, o);
    } else {
        b.len = 0;
        if (!o->known)
            append_answer(&b, 200, "{\"object\":\"list\",\"data\":[]}");
        else if (o->mode == FAIL)
            append_answer(&b, o->status, ERRORS[o->dialect]);
        else
            append_answer(&b, 200, ANSWERS[o->dialect]);
        emit(c, b.at, b.len);
    }
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static int ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && memcmp(text + n - m, end, m) == 0;
}

/* Looks at both ends only: a long prompt stands between them, and reading it all would cost more than answering. */
static int wants_stream(const char *body, size_t len) {
    static const char *const forms[] = {"\"stream\":true", "\"stream\": true"};
    size_t part = len < LOOK_BYTES ? len : LOOK_BYTES;
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(forms[i]);
        if (memmem(body, part, forms[i], n) || memmem(body + len - part, part, forms[i], n)) return 1;
    }
    return 0;
}

static order read_order(char *path, const char *body, size_t len) {
    order o = {.mode = BURST, .pieces = 100, .status = 500, .known = 1};
    double every_ms = 0;
    if (sscanf(path, "/burst/%d/", &o.pieces) == 1)
        o.mode = BURST;
    else if (sscanf(path, "/paced/%d/%lfms/", &o.pieces, &every_ms) == 2)
        o.mode = PACED;
    else if (sscanf(path, "/fail/%d/", &o.status) == 1)
        o.mode = FAIL;
    else if (strncmp(path, "/hold/", 6) == 0)
        o.mode = HOLD;
    if (o.pieces < 1) o.pieces = 1;
    if (o.pieces > PIECES_MAX) o.pieces = PIECES_MAX;
    o.every_ns = (uint64_t)(every_ms * 1e6);
    path[strcspn(path, "?")] = 0;
    if (ends_with(path, "/chat/completions")) {
        o.dialect = CHAT, o.streams = wants_stream(body, len);
    } else if (ends_with(path, "/messages")) {
        o.dialect = ANTHROPIC, o.streams = wants_stream(body, len);
    } else if (ends_with(path, ":generateContent") || ends_with(path, ":streamGenerateContent")) {
        o.dialect = GOOGLE, o.streams = ends_with(path, ":streamGenerateContent");
    } else {
        o.known = 0;
    }
    return o;
}

/* The length of a whole request at the beginning of `in`; 0 while it is incomplete. */
static size_t whole_request(buffer *in, size_t *head_len) {
    char *end = memmem(in->at, in->len, "\r\n\r\n", 4);
    if (!end) return 0;
    *head_len = (size_t)(end - in->at) + 4;
    size_t body_len = 0;
    char *line = in->at;
    while ((line = memchr(line, '\n', (size_t)(end + 4 - line))) && line < end) {
        line++;
        if (strncasecmp(line, "content-length:", 15) == 0) {
            body_len = strtoul(line + 15, NULL, 10);
        } else if (strncasecmp(line, "transfer-encoding:", 18) == 0) {
            /* JSON has no bare CRLF, so this is the last chunk and nothing else. */
            char *last = memmem(in->at + *head_len - 2, in->len - *head_len + 2, "\r\n0\r\n\r\n", 7);
            return last ? (size_t)(last + 7 - in->at) : 0;
        }
    }
    if (in->len >= *head_len + body_len) return *head_len + body_len;
    reserve(in, *head_len + body_len - in->len);
    return 0;
}

static void take_requests(connection *c) {
    size_t head_len, len;
    while ((len = whole_request(&c->in, &head_len))) {
        char path[1024] = "";
        sscanf(c->in.at, "%*15s %1023s", path);
        order o = read_order(path, c->in.at + head_len, len - head_len);
        c->in.len -= len;
        memmove(c->in.at, c->in.at + len, c->in.len);
        answer(c, &o);
    }
}

static void on_readable(connection *c) {
    for (;;) {
        size_t room = c->in.len ? READ_MAX : 4096; /* a connection that waits keeps little */
        reserve(&c->in, room + 1);
        ssize_t n = recv(c->fd, c->in.at + c->in.len, c->in.room - c->in.len - 1, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            drop(c);
            return;
        }
        c->in.len += (size_t)n;
        c->in.at[c->in.len] = 0;
        take_requests(c);
        if (c->in.len == 0) return;
    }
}

static void accept_all(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= FDS_MAX) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connection *c = calloc(1, sizeof *c);
        if (!c) die("calloc");
        c->fd = fd;
        c->place = -1;
        connections[fd] = c;
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) < 0) die("epoll_ctl");
    }
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof a;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 16384) < 0) die("listen");
    if (getsockname(fd, (struct sockaddr *)&a, &len) < 0) die("getsockname");
    printf("port %d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

static void on_timer(void) {
    uint64_t fired, now = now_ns();
    if (read(timer, &fired, sizeof fired) < 0 && errno != EAGAIN) die("read");
    while (heap_len && heap[0]->due_ns <= now) next_piece(heap[0]);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: mock PORT\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int listener = listen_on(atoi(argv[1]));
    int own[] = {listener, timer};
    for (int i = 0; i < 2; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = own[i]};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, own[i], &e) < 0) die("epoll_ctl");
    }
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(listener);
            } else if (fd == timer) {
                on_timer();
            } else {
                if (connections[fd] && events[i].events & EPOLLOUT) flush_out(connections[fd]);
                if (connections[fd] && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(connections[fd]);
            }
        }
        set_timer();
    }
}
