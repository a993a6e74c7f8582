"""A client's connection: HTTP/1.1 under uvicorn's server.

Theory of operation. httptools parses what arrives and calls the connection for each part of a
request. When a head is complete, the request becomes an `Http11Exchange`, and a task answers it:
calls by their endpoint directly, every other request by the ASGI application. One request is
answered at a time, in the order of arrival, and while the client reads; others wait, and meanwhile
the socket is not read (`_start_next`).

A connection has one timer, and a deadline that moves: a new connection and a head have to be
complete in time, and a connection without a request is closed after a while. Moving the deadline
costs nothing; the timer is set again when it rings too early (`_ring`).

The head of a request is limited in size and in time; a request that offers another protocol is
answered in this one, body included; and what is not HTTP is answered with an error object, like
every other error.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, cast

import httptools
import orjson
from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from gateway.hub.contracts import Inbound
from gateway.inbound.asgi import run
from gateway.inbound.http import ABORT, ID, Headers, HttpError, Scope, id_headers, new_id, too_slow
from gateway.inbound.http11 import Http11Exchange, split

log = logging.getLogger("gateway.inbound")

HEAD_BYTES_MAX: Final = 64 * 1024
"""More than a client with cookies and a long key ever sends."""

WAITING_MAX: Final = 16
"""Reading pauses while more requests than this wait for their turn."""

_UPGRADE: Final = re.compile(rb"\r\nupgrade[ \t]*:", re.IGNORECASE)
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_REASONS: Final = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
}

Direct = Callable[[Http11Exchange], Coroutine[Any, Any, None] | None]


def _nothing(_: Http11Exchange) -> None:
    return None


def _shared_with_no_page(_: Iterable[tuple[bytes, bytes]]) -> Headers:
    return []


class Protocol(asyncio.Protocol):
    """One connection.

    `request_s` gives the seconds that the head of a request may take; `direct` answers a request
    without ASGI, or returns None; `shared_with` gives the headers of an answer that the web page
    needs which sent a request with the given headers.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        request_s: Callable[[], float],
        face_of_path: Callable[[str], Inbound],
        direct: Direct = _nothing,
        shared_with: Callable[[Iterable[tuple[bytes, bytes]]], Headers] = _shared_with_no_page,
    ) -> None:
        if not config.loaded:
            config.load()
        self.loop = _loop or asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self.scheme = "http"
        self.is_full = False
        self.is_paused = False
        self.is_silent = True
        """Whether the client has sent no request yet."""
        self._app = config.loaded_app
        self._idle_s: Final[float] = config.timeout_keep_alive
        self._state = server_state
        self._tasks: Final[set[Any]] = server_state.tasks
        self._app_state = app_state
        self._request_s = request_s
        self._face_of_path = face_of_path
        self._direct = direct
        self._shared_with = shared_with
        self._parser = httptools.HttpRequestParser(self)
        # what follows a client's last request does not cost it the answer
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)

        self._in_head = False
        self._head_bytes = 0
        self._head_until: float | None = None
        """When the present head has to be complete; None for one that came in one piece."""
        self._url = b""
        self._headers: Headers = []
        self._incoming: Http11Exchange | None = None
        """The request whose body arrives."""
        self._running: Http11Exchange | None = None
        """The request that is being answered."""
        self._waiting: deque[Http11Exchange] = deque()
        self._task: asyncio.Future[None] | None = None
        """Answers the last request that was begun."""
        self._drained: asyncio.Future[None] | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    def __repr__(self) -> str:
        return f"<Protocol running={self._running} waiting={len(self._waiting)}>"

    # --- asyncio calls ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class is not a subclass
        self.scheme = "https" if is_ssl(self.transport) else "http"
        self._state.connections.add(cast(Any, self))
        self._expect_within(self._request_s())

    def data_received(self, data: bytes) -> None:
        in_body = self._incoming is not None
        if not in_body and b"\nupgrade" in data.lower():
            data = _without_upgrade(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(HttpError(400, "The request is not valid HTTP.", code="invalid_http"))
            return
        if self._waiting:
            self._start_next()
        if self._in_head:  # the common case is a head in one piece, which is over by now
            # the head that follows a body in one read counts later
            self._look_at_head(0 if in_body else len(data))

    def eof_received(self) -> bool:
        return False  # asyncio closes the transport

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        self._wake()
        if self._waiting:
            self._start_next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(cast(Any, self))
        if self._timer is not None:
            self._timer.cancel()
        self._deadline = None
        self._waiting.clear()
        if self._running is not None:
            self._running.leave()
        self._wake()

    # --- httptools calls --------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes, self._head_until = True, 0, None
        self._url, self._headers = b"", []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser, url, headers = self._parser, self._url, self._headers
        self._headers = []  # fields behind the body are not looked at
        self._in_head = self.is_silent = False
        if not url.startswith(b"/"):
            url = _origin_form(url, headers)
        version = parser.get_http_version()
        self._incoming = Http11Exchange(
            self,
            parser.get_method().decode("ascii"),
            url,
            version,
            headers,
            keeps_alive=version == "1.1" and parser.should_keep_alive(),
        )
        self._waiting.append(self._incoming)

    def on_body(self, body: bytes) -> None:
        if self._incoming is not None:
            self._incoming.feed(body)

    def on_message_complete(self) -> None:
        if self._incoming is not None:
            self._incoming.feed_end()
            self._incoming = None

    # --- an exchange calls ------------------------------------------------------------------------

    def drain(self) -> asyncio.Future[None]:
        """Done when the client has read, or has left."""
        if self._drained is None or self._drained.done():
            self._drained = self.loop.create_future()
        if not self.is_full or self.transport.is_closing():
            self._wake()
        return self._drained

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def pause_reading(self) -> None:
        if not self.is_paused and not self.transport.is_closing():
            self.is_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        may_resume = len(self._waiting) < WAITING_MAX and not self.transport.is_closing()
        if self.is_paused and may_resume:
            self.is_paused = False
            self.transport.resume_reading()

    def answered(self) -> None:
        """The whole answer to the request that is being answered has been sent."""
        running, self._running = self._running, None
        self._state.total_requests += 1
        if running is None or not running.keeps_alive:
            self._close()
            return
        if self.is_paused:
            self.resume_reading()
        if self._waiting:
            self._start_next()
        elif not self._in_head:
            self._expect_within(self._idle_s)

    # --- one request after the other --------------------------------------------------------------

    def _start_next(self) -> None:
        """Begins to answer the request that waits longest, as soon as that is possible."""
        if self._running is not None or self.is_full:
            self.pause_reading()
            return
        exchange = self._running = self._waiting.popleft()
        if self._waiting:
            self.pause_reading()
        if not self._in_head:
            self._deadline = None
        answering = self._direct(exchange)
        if answering is None:
            answering = run(self._app, exchange, self._scope(exchange))
        self._task = task = self.loop.create_task(answering)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[None]) -> None:
        """The task that answered a request is over."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("internal error", exc_info=task.exception())
        if task is self._task and self._running is not None:
            self._close()  # the answer just stops: no client trusts that

    def _close(self) -> None:
        """Closes in order: what is written still leaves, if the client reads it in time."""
        self._waiting.clear()
        if not self.transport.is_closing():
            self.transport.close()
            self._expect_within(self._idle_s)

    def _scope(self, exchange: Http11Exchange) -> Scope:
        raw_path, query = split(exchange.target)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": exchange.version,
            "server": get_local_addr(self.transport),
            "client": get_remote_addr(self.transport),
            "scheme": self.scheme,
            "root_path": "",
            "method": exchange.method,
            "path": exchange.path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": exchange.headers.pairs,
            "state": self._app_state.copy(),
            "extensions": {ABORT: exchange.abort},
            ID: exchange.id,
        }

    def shutdown(self) -> None:
        """uvicorn's server stops: an idle connection closes now, a busy one after its answer."""
        last = self._waiting[-1] if self._waiting else self._running
        if last is None:
            self._close()
        else:
            last.keeps_alive = False

    # --- a head that does not end -----------------------------------------------------------------

    def _look_at_head(self, more_bytes: int) -> None:
        self._head_bytes += more_bytes
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(_too_long())
        elif self._head_until is None:
            self._expect_within(self._request_s())
            self._head_until = self._deadline
        else:
            self._deadline = self._head_until

    def _expect_within(self, seconds: float) -> None:
        """Moves the deadline."""
        self._deadline = deadline = self.loop.time() + seconds
        if self._timer is None or self._rings_at > deadline:
            self._set_timer(seconds, deadline)

    def _set_timer(self, seconds: float, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = deadline
        self._timer = self.loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        left_s = self._deadline - self.loop.time()
        if left_s > 0:
            self._set_timer(left_s, self._deadline)
        elif self._in_head:
            self._refuse(too_slow(self._request_s()))
        elif self.is_full or self.transport.is_closing():
            self.transport.abort()  # a client that does not read would hold it open
        else:
            self._close()

    def _refuse(self, error: HttpError) -> None:
        """Answers, unless the answer to an earlier request is still under way, and closes."""
        self._in_head, self._deadline = False, None
        headers = self._incoming.headers.pairs if self._incoming is not None else self._headers
        if not self._may_answer():
            self.transport.abort()
            return
        id_ = new_id(dict(headers).get(b"x-request-id"))
        face = self._face_of_path(self._url.decode("latin-1"))
        status, stated, _ = face.encode_error(error.refusal, id_)
        body = orjson.dumps(stated)
        lines = [
            b"HTTP/1.1 %d %s" % (status, _REASONS[status]),
            b"content-type: application/json",
            b"content-length: %d" % len(body),
            b"connection: close",
            *(
                name + b": " + value
                for name, value in id_headers(face, id_) + self._shared_with(headers)
            ),
        ]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self._close()

    def _may_answer(self) -> bool:
        """Whether the next answer on the connection is to what was read last.

        It is if that is the body of a request which has no answer yet; the request then receives a
        disconnect.
        """
        oldest = self._running or (self._waiting[0] if self._waiting else None)
        if oldest is None:
            return True
        if oldest is not self._incoming or oldest.begun:
            return False
        self._waiting.clear()
        oldest.leave()
        return True


def _origin_form(url: bytes, headers: Headers) -> bytes:
    """The path of another form of target (RFC 9112, section 3.2). The host that an absolute one
    names is the one that counts, so it replaces the header. Raises `ValueError` for a target
    without a path."""
    if url == b"*":
        return b"/"
    absolute = _ABSOLUTE.fullmatch(url)
    if absolute is None:
        raise ValueError("a tunnel to another host is not offered")
    headers[:] = [(name, value) for name, value in headers if name != b"host"]
    headers.append((b"host", absolute[1]))
    return absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]


def _without_upgrade(data: bytes) -> bytes:
    """A request's first bytes without its offer to change the protocol, which a server may ignore
    (RFC 9110, section 7.8). Some clients make it with every request, and the parser would stop
    where their body begins."""
    end = data.find(b"\r\n\r\n")
    head = data if end < 0 else data[:end]
    return _UPGRADE.sub(b"\r\nx-upgrade:", head) + data[len(head) :]


def _too_long() -> HttpError:
    return HttpError(
        431, f"The request's headers exceed {HEAD_BYTES_MAX} bytes.", code="headers_too_large"
    )
