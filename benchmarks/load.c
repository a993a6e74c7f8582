/* A load generator that is never the bottleneck: HTTP/1.1 keep-alive, one thread, epoll, no dependencies.
 *
 *   load --port PORT --request FILE [--connections N] [--seconds S | --count N] [--ramp S] [--patience S] [--hold]
 *
 * FILE is a whole request, head and body; each connection sends it again as soon as the answer is complete. After
 * --seconds no new request is begun, and those under way are waited for, so that every request counted is a whole one.
 * --ramp spreads the first requests evenly over that many seconds. --patience ends it that long after the last one
 * began.
 *
 * --hold opens N streams that stay open: one request for each connection. "holding" is printed when each has had its
 * first event, and they are closed when standard input ends.
 *
 * The last line on standard output is a JSON object. Times are in microseconds and come from a histogram with 64 steps
 * per power of two, so they are exact to 1.6 %.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_MAX = 1 << 18, HEAD_MAX = 16384, LINE_MAX_KEPT = 1024 };
enum { STEPS = 64, STAMP_DIGITS = 20, ERRORS_IN_A_ROW_MAX = 200 };
enum framing { SIZED, CHUNKED, UNTIL_CLOSE };
enum chunk_state { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

typedef struct {
    uint64_t counts[STEPS * STEPS], n, sum, max;
} histogram;

typedef struct {
    int fd;
    size_t sent;
    uint64_t begun, last_piece;
    int busy, fresh, heard, in_body, status, keep, is_events, has_data, events, done;
    enum framing framing;
    enum chunk_state chunk;
    uint64_t left; /* of the body, or of the chunk */
    size_t head_len, line_len;
    char *head;               /* while it is incomplete */
    char line[LINE_MAX_KEPT]; /* of an event: what came in an earlier read */
} connection;

static struct {
    int port, connections, hold;
    double seconds, ramp, patience;
    uint64_t count;
    const char *request;
} options = {.connections = 1, .seconds = 1, .patience = 10};

static char *request;
static size_t request_len;
static connection *all;
static int poller, busy, errors_in_a_row;
static uint64_t now, began_at, last_begun_at, last_answer_at;
static uint64_t begun, answers, not_200, broken, stale, unfinished, events, dones, body_bytes, connects, held, lost;
static histogram latency, first_byte, first_event, event_gap, event_delay;
static int first_bad_status;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* --- histograms --------------------------------------------------------------------------------------------------- */

static void record(histogram *h, uint64_t ns) {
    int e = ns < STEPS ? 0 : 63 - __builtin_clzll(ns) - 5;
    uint64_t step = e ? (ns >> (e - 1)) & (STEPS - 1) : ns;
    h->counts[(uint64_t)e * STEPS + step]++;
    h->n++;
    h->sum += ns;
    if (ns > h->max) h->max = ns;
}

static double quantile_us(const histogram *h, double q) {
    uint64_t wanted = (uint64_t)(q * (double)h->n), seen = 0;
    for (uint64_t i = 0; i < STEPS * STEPS; i++) {
        seen += h->counts[i];
        if (seen <= wanted) continue;
        uint64_t e = i / STEPS, step = i % STEPS;
        return (e ? ((double)(STEPS + step) + 0.5) * (double)(1ull << (e - 1)) : (double)step) / 1000;
    }
    return (double)h->max / 1000;
}

static void print_histogram(const char *name, const histogram *h) {
    if (!h->n) return;
    printf(", \"%s_us\": {\"n\": %" PRIu64 ", \"mean\": %.1f", name, h->n, (double)h->sum / (double)h->n / 1000);
    printf(", \"p50\": %.1f, \"p90\": %.1f", quantile_us(h, 0.5), quantile_us(h, 0.9));
    printf(", \"p99\": %.1f", quantile_us(h, 0.99));
    printf(", \"max\": %.1f}", (double)h->max / 1000);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

static void set_watch(connection *c, int operation, uint32_t wanted) {
    struct epoll_event e = {.events = wanted, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->fd, &e) < 0) die("epoll_ctl");
}

static void hang_up(connection *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

static int dial(connection *c) {
    int on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connects++;
    c->fresh = 1;
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) < 0 && errno != EINPROGRESS) return 0;
    set_watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
    return 1;
}

static int may_begin(void) {
    if (errors_in_a_row >= ERRORS_IN_A_ROW_MAX) return 0;
    if (options.hold) return begun < (uint64_t)options.connections;
    if (options.count) return begun < options.count;
    return now - began_at < (uint64_t)(options.seconds * 1e9);
}

static void settle(connection *c) {
    c->busy = 0;
    busy--;
}

static void begin(connection *c);

/* A request that came to nothing. */
static void give_up(connection *c) {
    broken++;
    errors_in_a_row++;
    settle(c);
    hang_up(c);
    if (!options.hold && may_begin()) begin(c);
}

/* Writes what the socket takes; the rest follows when there is room. */
static void transmit(connection *c) {
    ssize_t n = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);
    if (n > 0) c->sent += (size_t)n;
}

static void begin(connection *c) {
    c->sent = c->head_len = c->line_len = 0;
    c->last_piece = 0;
    c->heard = c->in_body = c->is_events = c->has_data = c->events = c->done = 0;
    c->begun = last_begun_at = now = now_ns();
    c->busy = 1;
    busy++;
    begun++;
    if (c->fd < 0) {
        if (!dial(c)) give_up(c);
        return; /* it is sent when the connection stands */
    }
    transmit(c);
    if (c->sent < request_len) set_watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void on_writable(connection *c) {
    if (c->busy && c->sent < request_len) transmit(c);
    if (c->sent == request_len) set_watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

/* A kept-alive connection that the server closed while the request was on its way: nobody's fault, asked again. */
static void on_closed(connection *c) {
    if (!c->busy) {
        hang_up(c);
        return;
    }
    if (!c->fresh && !c->heard) {
        stale++;
        begun--;
        settle(c);
        hang_up(c);
        begin(c);
        return;
    }
    if (options.hold && c->events) lost++;
    give_up(c);
}

static void finish(connection *c) {
    answers++;
    last_answer_at = now;
    c->fresh = 0;
    if (c->status == 200) {
        record(&latency, now - c->begun);
        errors_in_a_row = 0;
    } else {
        not_200++;
        errors_in_a_row++;
        if (!first_bad_status) first_bad_status = c->status;
    }
    dones += (uint64_t)c->done;
    settle(c);
    if (!c->keep || c->framing == UNTIL_CLOSE) hang_up(c);
    if (may_begin()) begin(c);
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static void on_event(connection *c) {
    if (!c->events) {
        record(&first_event, now - c->begun);
        held++;
    }
    c->events++;
    events++;
    c->has_data = 0;
}

/* A piece of a paced stream, which says when the mock wrote it. */
static void on_stamp(connection *c, const char *digits, size_t len) {
    uint64_t written_at = 0;
    if (len < STAMP_DIGITS) return;
    for (int i = 0; i < STAMP_DIGITS; i++) written_at = written_at * 10 + (uint64_t)(digits[i] - '0');
    if (written_at <= now) record(&event_delay, now - written_at);
    if (c->last_piece) record(&event_gap, now - c->last_piece);
    c->last_piece = now;
}

/* A line of an event without its end. Comments are no events. */
static void on_line(connection *c, const char *line, size_t len) {
    if (len && line[len - 1] == '\r') len--;
    if (!len) {
        if (c->has_data) on_event(c);
        return;
    }
    if (len < 5 || memcmp(line, "data:", 5) != 0) return;
    c->has_data = 1;
    if (len <= 13 && memmem(line, len, "[DONE]", 6)) c->done = 1;
    const char *stamp = memmem(line, len, "@@", 2);
    if (stamp) on_stamp(c, stamp + 2, len - (size_t)(stamp + 2 - line));
}

static void keep_line(connection *c, const char *data, size_t len) {
    size_t room = LINE_MAX_KEPT - c->line_len;
    memcpy(c->line + c->line_len, data, len < room ? len : room);
    c->line_len += len < room ? len : room;
}

static void on_body(connection *c, const char *data, size_t len) {
    body_bytes += len;
    while (c->is_events && len) {
        const char *end = memchr(data, '\n', len);
        if (!end) {
            keep_line(c, data, len);
            return;
        }
        size_t n = (size_t)(end - data);
        if (c->line_len) {
            keep_line(c, data, n);
            on_line(c, c->line, c->line_len);
            c->line_len = 0;
        } else {
            on_line(c, data, n);
        }
        data += n + 1;
        len -= n + 1;
    }
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static int starts(const char *line, const char *name) { return strncasecmp(line, name, strlen(name)) == 0; }

/* Reads a whole head, which ends with a zero byte. */
static void read_head(connection *c, const char *head) {
    c->status = atoi(head + 9);
    c->keep = 1;
    c->framing = UNTIL_CLOSE;
    c->in_body = 1;
    for (const char *line = strchr(head, '\n'); line; line = strchr(line, '\n')) {
        line++;
        if (starts(line, "content-length:")) {
            c->framing = SIZED;
            c->left = strtoull(line + 15, NULL, 10);
        } else if (starts(line, "transfer-encoding:")) {
            c->framing = CHUNKED;
            c->chunk = CHUNK_SIZE;
            c->left = 0;
        } else if (starts(line, "content-type: text/event-stream")) {
            c->is_events = 1;
        } else if (starts(line, "connection: close")) {
            c->keep = 0;
        }
    }
}

/* Takes what belongs to the head; returns how much that is. -1 for a head that is too long. */
static ssize_t take_head(connection *c, const char *data, size_t len) {
    size_t before = c->head_len, part = len < HEAD_MAX - before ? len : HEAD_MAX - before;
    if (!c->head && !(c->head = malloc(HEAD_MAX + 1))) die("malloc");
    memcpy(c->head + before, data, part);
    c->head_len += part;
    char *end = memmem(c->head, c->head_len, "\r\n\r\n", 4);
    if (!end) return c->head_len == HEAD_MAX ? -1 : (ssize_t)part;
    end[2] = 0;
    c->head_len = (size_t)(end - c->head) + 4;
    read_head(c, c->head);
    return (ssize_t)(c->head_len - before);
}

/* Takes a part of a chunked body; returns how much. Sets `*complete` at its end. */
static size_t take_chunked(connection *c, const char *data, size_t len, int *complete) {
    size_t i = 0;
    while (i < len) {
        char byte = data[i];
        if (c->chunk == CHUNK_DATA) {
            size_t n = len - i < c->left ? len - i : (size_t)c->left;
            on_body(c, data + i, n);
            i += n;
            c->left -= n;
            if (!c->left) c->chunk = CHUNK_END;
            continue;
        }
        i++;
        if (c->chunk == CHUNK_END) {
            if (byte == '\n') c->chunk = CHUNK_SIZE;
        } else if (c->chunk == TRAILER) {
            if (byte == '\n' && c->left == 0) {
                *complete = 1;
                return i;
            }
            c->left = byte == '\n' ? 0 : byte == '\r' ? c->left : c->left + 1;
        } else if (byte == '\n') {
            c->chunk = c->left ? CHUNK_DATA : TRAILER;
        } else if (byte != '\r') {
            c->left = c->left * 16 + (uint64_t)(byte <= '9' ? byte - '0' : (byte | 32) - 'a' + 10);
        }
    }
    return i;
}

static size_t take_body(connection *c, const char *data, size_t len, int *complete) {
    if (c->framing == CHUNKED) return take_chunked(c, data, len, complete);
    size_t n = c->framing == SIZED && c->left < len ? (size_t)c->left : len;
    on_body(c, data, n);
    if (c->framing == SIZED) c->left -= n, *complete = c->left == 0;
    return n;
}

static void take(connection *c, const char *data, size_t len) {
    int complete = 0;
    if (!c->busy) {
        hang_up(c); /* bytes that nobody asked for */
        return;
    }
    if (!c->heard) record(&first_byte, now - c->begun);
    c->heard = 1;
    if (!c->in_body) {
        ssize_t n = take_head(c, data, len);
        if (n < 0) {
            give_up(c);
            return;
        }
        data += n, len -= (size_t)n;
        if (c->in_body && c->framing == SIZED && !c->left) complete = 1;
    }
    if (len) take_body(c, data, len, &complete);
    if (complete) finish(c);
}

static void on_readable(connection *c) {
    static char data[READ_MAX];
    ssize_t n = recv(c->fd, data, sizeof data, 0);
    now = now_ns();
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0)
        take(c, data, (size_t)n);
    else if (n == 0 && c->busy && c->in_body && c->framing == UNTIL_CLOSE)
        finish(c);
    else
        on_closed(c);
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

/* Begins the first request of each connection whose turn has come; returns how many have had theirs. */
static int ramp_up(int started) {
    while (started < options.connections) {
        uint64_t turn = began_at + (uint64_t)(options.ramp * 1e9 * started / options.connections);
        if (now_ns() < turn) break;
        if (may_begin()) begin(&all[started]);
        started++;
    }
    return started;
}

static void poll_once(int timeout_ms) {
    struct epoll_event ready[256];
    int n = epoll_wait(poller, ready, 256, timeout_ms);
    for (int i = 0; i < n; i++) {
        connection *c = ready[i].data.ptr;
        if (!c) {
            char ignored[64];
            if (read(0, ignored, sizeof ignored) <= 0) options.hold = -1; /* let go */
            continue;
        }
        if (c->fd >= 0 && ready[i].events & EPOLLOUT) on_writable(c);
        if (c->fd >= 0 && ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
    }
    now = now_ns();
}

static int is_patient(void) { return now - last_begun_at < (uint64_t)(options.patience * 1e9); }

static void run(void) {
    int started = 0;
    do {
        started = ramp_up(started);
        poll_once(started < options.connections ? 1 : 100);
    } while ((started < options.connections || busy || may_begin()) && is_patient() &&
             errors_in_a_row < ERRORS_IN_A_ROW_MAX);
    unfinished = (uint64_t)busy;
}

static void hold(void) {
    int started = 0;
    do {
        started = ramp_up(started);
        poll_once(started < options.connections ? 1 : 100);
    } while ((started < options.connections || held + broken + not_200 < begun) && is_patient());
    unfinished = begun - held - broken - not_200;
    printf("holding\n");
    fflush(stdout);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, 0, &e) < 0) die("standard input must be a pipe");
    while (options.hold == 1) poll_once(-1);
    last_answer_at = now;
}

static void print_result(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                   (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    uint64_t end = last_answer_at > began_at ? last_answer_at : now_ns();
    printf("{\"seconds\": %.6f, \"requests\": %" PRIu64 ", \"answers\": %" PRIu64 ", \"not_200\": %" PRIu64
           ", \"first_bad_status\": %d, \"broken\": %" PRIu64 ", \"unfinished\": %" PRIu64 ", \"stale\": %" PRIu64
           ", \"connects\": %" PRIu64 ", \"events\": %" PRIu64 ", \"dones\": %" PRIu64 ", \"body_bytes\": %" PRIu64
           ", \"held\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"load_cpu_s\": %.6f",
           (double)(end - began_at) / 1e9, begun, answers, not_200, first_bad_status, broken, unfinished, stale,
           connects, events, dones, body_bytes, held, lost, cpu_s);
    print_histogram("latency", &latency);
    print_histogram("first_byte", &first_byte);
    print_histogram("first_event", &first_event);
    print_histogram("event_gap", &event_gap);
    print_histogram("event_delay", &event_delay);
    printf("}\n");
}

static void read_request(void) {
    FILE *file = fopen(options.request, "rb");
    if (!file || fseek(file, 0, SEEK_END) < 0) die(options.request);
    request_len = (size_t)ftell(file);
    rewind(file);
    request = malloc(request_len + 1);
    if (!request || fread(request, 1, request_len, file) != request_len) die(options.request);
    fclose(file);
}

static void read_options(int argc, char **argv) {
    static const struct option known[] = {
        {"port", 1, 0, 'p'},   {"request", 1, 0, 'r'}, {"connections", 1, 0, 'c'}, {"seconds", 1, 0, 's'},
        {"count", 1, 0, 'n'},  {"ramp", 1, 0, 'u'},    {"patience", 1, 0, 'w'},    {"hold", 0, 0, 'h'},
        {0, 0, 0, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'p': options.port = atoi(optarg); break;
        case 'r': options.request = optarg; break;
        case 'c': options.connections = atoi(optarg); break;
        case 's': options.seconds = atof(optarg); break;
        case 'n': options.count = strtoull(optarg, NULL, 10); break;
        case 'u': options.ramp = atof(optarg); break;
        case 'w': options.patience = atof(optarg); break;
        case 'h': options.hold = 1; break;
        default: exit(2);
        }
    }
    if (!options.port || !options.request || options.connections < 1) {
        fprintf(stderr, "usage: load --port PORT --request FILE [--connections N] [--seconds S | --count N] [--ramp S] "
                        "[--patience S] [--hold]\n");
        exit(2);
    }
}

int main(int argc, char **argv) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    read_options(argc, argv);
    read_request();
    poller = epoll_create1(EPOLL_CLOEXEC);
    all = calloc((size_t)options.connections, sizeof *all);
    if (!all || poller < 0) die("cannot begin");
    for (int i = 0; i < options.connections; i++) all[i].fd = -1;
    began_at = now = last_begun_at = now_ns();
    if (options.hold)
        hold();
    else
        run();
    print_result();
    return 0;
}
