"""A request on one of our own connections, and the bytes of its answer (RFC 9112).

An answer is framed by its length if that is known; else by chunks, or for an HTTP/1.0 client by the
end of the connection. Its head leaves with the first bytes of its body: a system call and its
packet cost as much as translating a dozen events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import unquote

from gateway.inbound.exchange import Sent
from gateway.inbound.http import ClientLeft, Headers, RequestHeaders, new_id

UNREAD_BYTES_MAX: Final = 64 * 1024
"""Reading pauses when more of a body than this waits to be taken."""
CLOSE: Final = (b"connection", b"close")

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
_STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n".encode()
    for status in range(200, 600)
}
_WITHOUT_CHUNKS: Final = ("0.9", "1.0")
_WITHOUT_BODY: Final = (204, 304)


_CONTINUE: Final = b"100-continue"


class Connection(Protocol):
    """What an exchange needs of its connection."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    scheme: str
    is_full: bool
    """Whether the client reads more slowly than it is sent."""
    is_paused: bool
    """Whether the socket is not read."""

    def drain(self) -> Awaitable[None]:
        """Waits until the client has read, or has left."""
        ...

    def pause_reading(self) -> None:
        """The body arrives faster than it is taken."""
        ...

    def resume_reading(self) -> None: ...

    def answered(self) -> None:
        """The whole answer to the request that is being answered has been sent."""
        ...


class Http11Exchange:
    """An `Exchange`. The connection gives it the body as it arrives, and says when the client has
    left."""

    def __init__(
        self,
        connection: Connection,
        method: str,
        target: bytes,
        version: str,
        headers: Headers,
        *,
        keeps_alive: bool,
    ) -> None:
        self.scheme: Final = connection.scheme
        self.method: Final = method
        self.target: Final = target
        """In its origin form, as the client sent it."""
        is_plain = not (b"?" in target or b"%" in target or b"#" in target)
        self.path: Final = target.decode("ascii") if is_plain else _path_of(target)
        self.version: Final = version
        self.headers: Final = RequestHeaders(headers)
        self.id: Final = new_id(self.headers.first.get(b"x-request-id"))
        self.shared: Headers = []
        """What an answer says to the web page that has sent the request."""
        self.keeps_alive = keeps_alive
        """Whether the connection stays open after the answer."""
        self.more_body = True
        """Whether the body has not ended."""
        self.begun = False
        self.complete = False
        """Whether the whole answer has been sent."""
        self.has_left = False
        self._connection: Final = connection
        self._pieces: list[bytes] = []
        """Of the body, not yet taken."""
        self._unread_bytes = 0
        self._is_ending = False
        """The body has ended, and its reader does not know it yet."""
        self._asks_first = (
            self.headers.first.get(b"expect", b"").lower() == _CONTINUE and version == "1.1"
        )
        self._waiter: asyncio.Future[None] | None = None
        self._on_left: Callable[[], None] | None = None
        self._head = b""
        """Of the answer, until it leaves with the first bytes of the body."""
        self._is_bare = False
        """The answer has no body, whatever is written."""
        self._is_chunked = False
        self._owed_bytes: int | None = None
        """What the length of the answer promises and is still to come."""

    def __repr__(self) -> str:
        return f"<Http11Exchange {self.method} {self.path} {self.id}>"

    # --- the connection calls ---------------------------------------------------------------------

    def feed(self, piece: bytes) -> None:
        """A piece of the body has arrived."""
        if self.complete:
            return
        self._pieces.append(piece)
        self._unread_bytes += len(piece)
        if self._unread_bytes > UNREAD_BYTES_MAX:
            self._connection.pause_reading()
        if self._waiter is not None:
            self._wake()

    def feed_end(self) -> None:
        """The body has ended."""
        self.more_body, self._is_ending = False, True
        if self._waiter is not None:
            self._wake()

    def leave(self) -> None:
        """The client has left."""
        if self.complete or self.has_left:
            return
        self.has_left = True
        self._wake()
        if self._on_left is not None:
            self._on_left()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- the endpoint calls -----------------------------------------------------------------------

    def arrived(self) -> bytes | None:
        if self.more_body or self._asks_first:
            return None
        pieces, self._pieces, self._is_ending = self._pieces, [], False
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read(self) -> tuple[bytes, bool]:
        if self._asks_first and not self.begun:
            self._asks_first = False
            if not self.has_left:
                self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not (self._pieces or self._is_ending or self.has_left or self.complete):
            self._connection.resume_reading()
            self._waiter = self._connection.loop.create_future()
            await self._waiter
        if self.has_left or self.complete:
            raise ClientLeft
        return self._take(), self.more_body

    def _take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        self._unread_bytes, self._is_ending = 0, False
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def is_full(self) -> bool:
        return self._connection.is_full

    def watch(self, left: Callable[[], None]) -> None:
        self._on_left = left
        if self._connection.is_paused:
            self._connection.resume_reading()  # an unread socket does not say that it was closed
        if self.has_left:
            left()

    def respond(self, status: int, headers: Headers, body: bytes) -> Sent:
        """As `Exchange.respond`. Raises `ValueError` for a header that cannot be sent."""
        self._begin(status, [(b"content-length", b"%d" % len(body)), *headers])
        if self.has_left:
            return None
        connection = self._connection
        connection.transport.write(self._head if self._is_bare else self._head + body)
        self.complete = True
        if self._waiter is not None:
            self._wake()
        connection.answered()
        return None

    def begin(self, status: int, headers: Headers) -> Sent:
        """As `Exchange.begin`, also for an answer whose length is in `headers`. Raises
        `ValueError` for a header that cannot be sent."""
        self._begin(status, headers)
        for name, value in headers:
            if name == b"content-length" and not self._is_bare:
                self._owed_bytes = int(value)
        is_framed = self._is_bare or self._owed_bytes is not None
        if not is_framed and self.version not in _WITHOUT_CHUNKS:
            self._is_chunked = True
            self._head = self._head[:-2] + b"transfer-encoding: chunked\r\n\r\n"
        return None

    def write(self, data: bytes) -> Sent:
        if data:
            if self._is_chunked:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            elif self._is_bare or self._owed_bytes is not None:
                data = self._measured(data)
            if self._head:
                data, self._head = self._head + data, b""
            if not self.has_left:
                self._connection.transport.write(data)
        return self._connection.drain() if self._connection.is_full else None

    def end(self, data: bytes) -> Sent:
        """As `Exchange.end`. Raises `ValueError` for an answer that is shorter than its length."""
        if self._is_chunked:
            data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
        else:
            data = self._measured(data)
            if self._owed_bytes:
                raise ValueError("the answer is shorter than its content-length")
        if self.has_left:
            return None
        data = self._head + data if self._head else data
        if data:
            self._connection.transport.write(data)
        self.complete = True
        self._wake()
        self._connection.answered()
        return None

    def _measured(self, data: bytes) -> bytes:
        """`data` of an answer whose length is known. Raises `ValueError` for too much of it."""
        if self._is_bare:
            return b""
        if self._owed_bytes is not None:
            self._owed_bytes -= len(data)
            if self._owed_bytes < 0:
                raise ValueError("the answer is longer than its content-length")
        return data

    def abort(self) -> None:
        self._connection.transport.abort()

    def _begin(self, status: int, headers: Headers) -> None:
        if self.begun:
            raise ValueError("the answer has begun already")
        headers = [*headers, *self.shared]
        if CLOSE in headers:
            self.keeps_alive = False
        elif not self.keeps_alive:
            headers.append(CLOSE)
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        if not lines.count(b"\n") == lines.count(b"\r") == len(headers):
            raise ValueError("a header holds the end of a line")
        self.begun = True
        self._is_bare = self.method == "HEAD" or status in _WITHOUT_BODY
        self._head = b"%b%b\r\n" % (_STATUS_LINES[status], lines)


def split(target: bytes) -> tuple[bytes, bytes]:
    """(path, query) of a target in its origin form."""
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return path, query


def _path_of(target: bytes) -> str:
    """The decoded path of a target. Raises `ValueError` for one that is not valid."""
    path = split(target)[0].decode("ascii")
    return unquote(path) if "%" in path else path
