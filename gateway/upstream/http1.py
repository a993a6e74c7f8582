"""Our own HTTP/1.1 client: per-origin keep-alive pools over asyncio protocols and httptools' parser.

The stock clients cost 15 to 40 times the rest of a request and grow dearer with concurrency (`docs/performance.md`), so
this is one of the few things written here that a library could do. It does what a gateway needs and no more: no
redirects, no cookies, no environment proxies.

Rule 1: a connection serves one response at a time and goes back to the pool only when that one was read to its end.
Rule 2: a request is repeated only where a kept-alive connection was found dead before a byte of the answer: the server
had closed it while it was idle, and cannot have acted on what it never read. (RFC 9110, section 9.2.2: a client should
not retry a non-idempotent request "unless it has some means to know that … the original request was never applied".)
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, cast

import httptools

from gateway.upstream.content_encoding import Inflated
from gateway.upstream.transport import Request, TransportError, Trouble
from gateway.urls import Origin, Target, target

IDLE_S: Final = 30.0
"""A connection idle for longer is not used again: most servers close theirs after a minute."""
IDLE_PER_ORIGIN_MAX: Final = 512
UNREAD_BYTES_MAX: Final = 256 * 1024
"""Reading pauses when this much of a body waits to be taken."""
HEADER_BYTES_MAX: Final = 64 * 1024

_BODILESS: Final = frozenset({204, 304})


class Connection(asyncio.Protocol):
    """One connection, and the response that is on it. httptools calls the `on_…` methods."""

    def __init__(self, pool: Pool, origin: Origin) -> None:
        self._pool = pool
        self.origin = origin
        self.loop: Final = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        """When the present wait is over."""
        self.idle_since = 0.0
        self.closed = False
        self._reset()

    def _reset(self) -> None:
        """Forgets the last response."""
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        self._fields: dict[str, list[str]] = {}
        self._head_bytes = self._header_bytes = 0
        self._body: deque[bytes] = deque()
        self._unread = 0
        self._paused = False
        self._decoded: Inflated | None = None
        self.has_headers = False
        self.complete = False
        self.heard = False
        self._keep = False
        self._until_close = False
        self._error: TransportError | None = None

    # --- asyncio calls -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass

    def data_received(self, data: bytes) -> None:
        if self.complete or self.idle_since:
            self.abort()  # bytes that nobody asked for: the framing can no longer be trusted
            return
        self.heard = True
        self._parse(data)
        if not self.has_headers:
            self._head_bytes += len(data)  # the parser shows a header once it is whole: this one may never be
            self._check_head(self._head_bytes)
        self._wake()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._until_close and exc is None and not self.complete:
            self.complete = True  # a body without a length ends where the connection does
        elif not self.complete and self._error is None:
            self._error = self._trouble("reset", f"the connection broke off{f': {exc}' if exc else ''}")
        self._wake()
        self._pool.lost(self)

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("protocol", "it wants to switch protocols")
        except httptools.HttpParserError as error:
            if self.complete:
                self.abort()  # as above, but in one piece with the answer, which is whole
            else:
                self._fail("protocol", f"its answer is no HTTP/1.1: {error.__context__ or error}")

    # --- httptools calls ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("a second answer")  # nobody asked for it, and the first one shall not grow by it

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.has_headers:
            return  # a trailer, and too late to say anything about what was passed on
        self._header_bytes += len(name) + len(value)
        self._check_head(self._header_bytes)
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        self._fields.setdefault(key, []).append(text)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return  # 1xx: the answer proper follows
        self.status = status
        self.headers = {name: ", ".join(values) for name, values in self._fields.items()}
        self.has_headers = True
        self._keep = self._parser.should_keep_alive()
        framed = "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "").lower()
        self._until_close = not framed and status not in _BODILESS
        encoding = self.headers.get("content-encoding", "identity").lower()
        if encoding in ("gzip", "deflate", "x-gzip"):
            self._decoded = Inflated(encoding.removeprefix("x-"))
        elif encoding != "identity":
            self._fail("protocol", f"it used the content encoding {encoding}, which was not asked for")

    def on_body(self, data: bytes) -> None:
        if self._error is not None:
            return
        if self._decoded is not None:
            data = self._decoded.feed(data)
            if not data:
                return
        self._body.append(data)
        self._unread += len(data)
        if self._unread > UNREAD_BYTES_MAX and not self._paused and self._transport is not None:
            self._transport.pause_reading()
            self._paused = True

    def on_message_complete(self) -> None:
        if not self.has_headers:
            self._fields.clear()  # those of a 1xx
            return
        self.complete = True

    # --- the pool and the response call ------------------------------------------------------------------------------

    async def exchange(self, head: bytes, body: bytes, timeout_s: float) -> None:
        """Writes a request and waits for the headers of its answer. Raises `TransportError`."""
        self._reset()
        self.idle_since = 0.0
        assert self._transport is not None
        self._transport.writelines((head, body))
        deadline = self.loop.time() + timeout_s
        while not self.has_headers:
            if self._error is not None:
                raise self._error
            await self._wait(deadline)

    async def receive(self, timeout_s: float) -> bytes:
        """What has arrived of the body; b"" at its end. Raises `TransportError`."""
        deadline: float | None = None
        while not self._body:
            if self._error is not None:
                raise self._error
            if self.complete:
                return b""
            if deadline is None:
                deadline = self.loop.time() + timeout_s
            await self._wait(deadline)
        data = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        self._unread = 0
        if self._paused and self._transport is not None:
            self._transport.resume_reading()
            self._paused = False
        return data

    def release(self) -> None:
        """The response is done with: keep the connection if all of it is here, or close it."""
        if self.closed:
            return
        if self.complete and self._keep and self._error is None and not self._paused:
            self._body.clear()
            self._pool.put(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Closes at once; a provider then stops generating."""
        if self._transport is not None and not self.closed:
            self._transport.abort()

    async def _wait(self, deadline: float) -> None:
        """Until something happens. Raises `TransportError` at `deadline`, in the loop's time."""
        if deadline <= self.loop.time():
            raise self._trouble("timeout", "it took too long to answer")
        waiter = self._waiter = self.loop.create_future()
        self._deadline = deadline
        if self._timer is None or self._timer.when() > deadline:
            self._set_timer()
        try:
            await waiter
        except TimeoutError:
            raise self._trouble("timeout", "it took too long to answer") from None
        finally:
            self._waiter = None

    def _set_timer(self) -> None:
        """One timer for many waits: it is moved on when it rings too early, as nearly all waits end long before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self.loop.time() < self._deadline:
            self._set_timer()
        else:
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _check_head(self, size: int) -> None:
        if size > HEADER_BYTES_MAX:
            self._fail("protocol", f"its headers exceed {HEADER_BYTES_MAX} bytes")

    def _fail(self, kind: Trouble, what: str) -> None:
        if self._error is None:
            self._error = self._trouble(kind, what)
        self.abort()

    def _trouble(self, kind: Trouble, what: str) -> TransportError:
        return TransportError(kind, f"{self.origin}: {what}")


class PooledResponse:
    """The answer on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self.status: int = connection.status
        self.headers: Mapping[str, str] = connection.headers

    async def receive(self, timeout_s: float) -> bytes:
        if self._connection is None:
            return b""
        return await self._connection.receive(timeout_s)

    async def read(self, bytes_max: int, timeout_s: float) -> bytes:
        pieces: list[bytes] = []
        size = 0
        if self._connection is None:
            return b""
        loop = self._connection.loop
        deadline = loop.time() + timeout_s
        while piece := await self.receive(deadline - loop.time()):
            size += len(piece)
            if size > bytes_max:
                raise TransportError("too_large", f"the answer exceeds {bytes_max} bytes")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()


class Pool:
    """Keep-alive connections by origin, the one used last first. One pool per process."""

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl = ssl_context
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: set[Connection] = set()

    def __repr__(self) -> str:
        idle = sum(map(len, self._idle.values()))
        return f"<Pool idle={idle} busy={len(self._open) - idle} origins={len(self._idle)}>"

    async def send(self, request: Request, timeout_s: float) -> PooledResponse:
        """The response, once its headers are here. Raises `TransportError`."""
        where = target(request.url)
        head = _head(request, where)
        connection = self._take(where.origin)
        if connection is not None:
            response = await self._try(connection, head, request.body, timeout_s, reused=True)
            if response is not None:
                return response
        connection = await self._connect(where.origin, request.connect_s)
        response = await self._try(connection, head, request.body, timeout_s, reused=False)
        assert response is not None
        return response

    async def _try(
        self, connection: Connection, head: bytes, body: bytes, timeout_s: float, *, reused: bool
    ) -> PooledResponse | None:
        """One exchange; None where a kept connection turned out to be dead (rule 2)."""
        try:
            await connection.exchange(head, body, timeout_s)
        except TransportError as error:
            dead = reused and error.kind == "reset" and not connection.heard
            connection.abort()
            if dead:
                return None
            raise
        except BaseException:
            connection.abort()
            raise
        return PooledResponse(connection)

    def _take(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.closed:
                continue
            if connection.idle_since >= connection.loop.time() - IDLE_S:
                return connection
            connection.abort()
        return None

    def put(self, connection: Connection) -> None:
        """Takes back a connection whose response was read to its end."""
        idle = self._idle.setdefault(connection.origin, [])
        now = connection.loop.time()
        if (idle and idle[0].idle_since < now - IDLE_S) or len(idle) >= IDLE_PER_ORIGIN_MAX:
            idle.pop(0).abort()
        connection.idle_since = now
        idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """A connection has closed."""
        self._open.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle is not None and connection in idle:
            idle.remove(connection)

    async def _connect(self, origin: Origin, connect_s: float) -> Connection:
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if origin.scheme == "https":
            tls = {"ssl": self._context(), "server_hostname": origin.host}
        try:
            async with asyncio.timeout(connect_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(self, origin), origin.host, origin.port, **tls
                )
        except (OSError, TimeoutError) as error:
            raise _connect_trouble(origin, error, connect_s) from error
        self._open.add(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        """Made on first use: it reads all certificates of the system."""
        if self._ssl is None:
            self._ssl = ssl.create_default_context()
        return self._ssl

    async def aclose(self) -> None:
        for connection in list(self._open):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)


def _head(request: Request, where: Target) -> bytes:
    lines = [b"%s %s HTTP/1.1\r\nhost: %s" % (request.method.encode(), where.path, where.host_header)]
    lines += [b"%s: %s" % header for header in request.headers]
    lines.append(b"accept-encoding: identity\r\ncontent-length: %d\r\n\r\n" % len(request.body))
    head = b"\r\n".join(lines)
    if not head.count(b"\r") == head.count(b"\n") == len(request.headers) + 5:
        raise ValueError("a header holds a line break")
    return head


def _connect_trouble(origin: Origin, error: OSError, connect_s: float) -> TransportError:
    """Most specific first: TLS and name errors are `OSError`s too."""
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or "handshake failed"
        return TransportError("tls", f"{origin}: TLS: {reason}")
    if isinstance(error, socket.gaierror):
        return TransportError("dns", f"{origin}: the name cannot be resolved")
    if isinstance(error, TimeoutError):
        return TransportError("timeout", f"{origin}: no connection within {connect_s:g} s")
    return TransportError("connect", f"{origin}: cannot connect: {error.strerror or error}")
