"""One connection to a server, and the response that is on it.

Theory of operation. A connection is in one of four states:

    NEW ──exchange──▶ ACTIVE ──release──▶ IDLE ──exchange──▶ ACTIVE …
     └──────────────────┴─────────abort, or lost──────────┴──▶ CLOSED

NEW      connected; no request was sent on it yet.
ACTIVE   a request was sent, and its response has not been released by its reader.
IDLE     the pool keeps it; no byte may arrive.
CLOSED   aborted by us or lost; a body that had arrived can still be read.

Three parties call it. *asyncio* delivers bytes (`data_received`) and the end (`connection_lost`);
the `ResponseParser` makes of them what a response is. *The pool* sends a request (`exchange`) when
the state is NEW or IDLE. *The reader* takes the body (`receive`) and says when it is done
(`release`), which is when the connection becomes IDLE or CLOSED. So one connection serves one
response at a time, and one task at most waits on it.

Waiting. A waiter is a future that the next event resolves: bytes, the end, or the timer. A reader
that listens is not woken for bytes: `data_received` gives them to it. The waits of a stream are
many and short, their limits long, so there is one timer for all of them: it is set for the first
deadline, and moved on if it rings before the present one (`_ring`).

Flow control. What arrives faster than it is read waits in the parser. Above `UNREAD_BYTES_MAX` the
socket is read no more (`pause_reading`), TCP slows the server down, and `receive` resumes.

Trust. A connection is kept only when its response was read to the end, its framing was valid, and
the server allows it. Bytes that answer no request close the connection at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from enum import Enum
from typing import Any, Final, Protocol, cast

from gateway.upstream.http1.parser import ResponseParser
from gateway.upstream.transport import Take, TransportError, Trouble
from gateway.urls import Origin

log = logging.getLogger("gateway.upstream.http1")

UNREAD_BYTES_MAX: Final = 256 * 1024
"""Reading pauses when more of a body than this waits to be taken."""


class State(Enum):
    """See the theory of operation above."""

    NEW = "new"
    ACTIVE = "active"
    IDLE = "idle"
    CLOSED = "closed"


class Owner(Protocol):
    """The part of its pool that a connection uses."""

    def put(self, connection: Connection) -> None:
        """Keeps a connection whose response was read to its end."""
        ...

    def lost(self, connection: Connection) -> None:
        """Forgets a connection whose socket is closed."""
        ...


class Connection(asyncio.Protocol):
    """One connection, in one `State`. Only methods of this class change it."""

    def __init__(self, owner: Owner, origin: Origin) -> None:
        self._owner = owner
        self.origin = origin
        self.loop: Final = asyncio.get_running_loop()
        self.state = State.NEW
        self.idle_since = 0.0
        """When it became IDLE, in the loop's time; kept by its owner."""
        self.parser: Final = ResponseParser()
        """Of the present response."""
        self._requests = 0
        self._transport: asyncio.Transport | None = None
        self._is_paused = False
        self._error: TransportError | None = None
        """Why the response goes no further; raised once what had arrived was taken."""
        self._waiter: asyncio.Future[None] | None = None
        self._take: Take | None = None
        """Given what arrives while the reader listens; it may wait `_patience_s` more for each."""
        self._patience_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        """When the present wait is over."""

    def __repr__(self) -> str:
        return f"<Connection {self.origin} {self.state.value} requests={self._requests}>"

    # --- asyncio calls ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is not a subclass
        log.debug("opened %r", self)

    def data_received(self, data: bytes) -> None:
        parser = self.parser
        if self.state is not State.ACTIVE or parser.complete:
            self.abort("the server sent bytes that answer no request")
            return
        parser.feed(data)
        if parser.error is not None:
            self._fail("protocol", parser.error)
        elif parser.unread_bytes > UNREAD_BYTES_MAX and not self._is_paused:
            self._pause()
        if (waiter := self._waiter) is None or waiter.done():
            return
        if self._take is None or parser.complete or not self._is_taken(self._take, waiter):
            waiter.set_result(None)

    def eof_received(self) -> bool:
        return False  # asyncio closes the transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.state is not State.CLOSED:
            self._ended(exc)
        elif not self.parser.complete and self._error is None:
            self._error = self._trouble("reset", "the gateway has closed the connection")
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._owner.lost(self)

    def _ended(self, exc: Exception | None) -> None:
        """The server has closed the connection, or it broke."""
        reason = f": {exc}" if exc else ""
        log.debug("%r was closed by the server%s", self, reason)
        self.state = State.CLOSED
        if exc is None:
            self.parser.end()
        if not self.parser.complete and self._error is None:
            self._error = self._trouble("reset", f"the connection broke off{reason}")

    # --- the pool and the response call -----------------------------------------------------------

    async def exchange(self, head: bytes, body: bytes, timeout_s: float) -> None:
        """Sends a request and waits for the headers of its response. Raises `TransportError`."""
        parser = self.parser
        parser.begin()
        self._error = None
        if self.state is State.CLOSED or self._transport is None:
            raise self._trouble("reset", "the connection was closed before the request")
        self.state = State.ACTIVE
        self._requests += 1
        self._transport.writelines((head, body))
        deadline = self.loop.time() + timeout_s
        while not parser.has_headers:
            if self._error is not None:
                raise self._error
            await self._event(deadline)

    async def receive(self, timeout_s: float) -> bytes:
        """The next bytes of the body; b"" at its end. Raises `TransportError`."""
        parser = self.parser
        deadline: float | None = None
        while not parser.unread_bytes:
            if self._error is not None:
                raise self._error
            if parser.complete:
                return b""
            if deadline is None:
                deadline = self.loop.time() + timeout_s
            await self._event(deadline)
        if self._is_paused:
            self._resume()
        return parser.take()

    async def listen(self, timeout_s: float, take: Take) -> None:
        """Gives `take` each read of the body as it arrives, b"" for its end, until it returns
        False. `timeout_s` bounds the wait for each. Raises `TransportError`, and what `take`
        raises."""
        parser = self.parser
        while True:
            if parser.unread_bytes or parser.complete or self._error is not None:
                data = await self.receive(timeout_s)  # which does not wait
                if not take(data) or not data:
                    return
                continue
            self._take, self._patience_s = take, timeout_s
            try:
                await self._event(self.loop.time() + timeout_s)
            finally:
                is_listening, self._take = self._take is not None, None
            if not is_listening:
                return

    def _is_taken(self, take: Take, waiter: asyncio.Future[None]) -> bool:
        """Gives what has arrived to the reader that listens. Returns whether it listens on."""
        if not self.parser.unread_bytes or self._error is not None:
            return False
        if self._is_paused:
            self._resume()
        try:
            if take(self.parser.take()):
                self._deadline = self.loop.time() + self._patience_s
                return True
        except Exception as error:
            waiter.set_exception(error)
            return True
        self._take = None
        return False

    def release(self) -> None:
        """Says that the response is done with: the connection is kept if it may be, or closed."""
        if self.state is not State.ACTIVE:
            return
        parser = self.parser
        if not parser.complete:
            self.abort("its response was not read to the end")
            return
        if not parser.keep or self._is_paused:
            self.abort("it cannot carry another request")
            return
        if parser.unread_bytes:
            parser.take()  # an unread body is not kept in memory
        self.state = State.IDLE
        self._owner.put(self)

    def abort(self, reason: str) -> None:
        """Closes at once; a provider then stops generating. `reason` is for the log."""
        if self._transport is None or self.state is State.CLOSED:
            return
        log.debug("closes %r: %s", self, reason)
        self.state = State.CLOSED
        self._transport.abort()

    # --- flow control -----------------------------------------------------------------------------

    def _pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()
            self._is_paused = True

    def _resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()
            self._is_paused = False

    # --- waiting ----------------------------------------------------------------------------------

    def _event(self, deadline: float) -> asyncio.Future[None]:
        """The next event, to be awaited by the reader. It, or awaiting it, raises `TransportError`
        at `deadline`, in the loop's time."""
        if deadline <= self.loop.time():
            raise self._overdue()
        self._waiter = waiter = self.loop.create_future()
        self._deadline = deadline
        if self._timer is None or self._timer.when() > deadline:
            self._set_timer()
        return waiter

    def _set_timer(self) -> None:
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
            self._waiter.set_exception(self._overdue())

    # --- trouble ----------------------------------------------------------------------------------

    def _fail(self, kind: Trouble, reason: str) -> None:
        if self._error is None:
            self._error = self._trouble(kind, reason)
        self.abort(reason)

    def _overdue(self) -> TransportError:
        return self._trouble("timeout", "it took too long to answer")

    def _trouble(self, kind: Trouble, reason: str) -> TransportError:
        return TransportError(kind, f"{self.origin}: {reason}")


async def _nothing() -> bytes:
    """The body of a response that its reader has closed."""
    return b""


class PooledResponse:
    """The response on one connection, as a `transport.Response`."""

    def __init__(self, connection: Connection) -> None:
        self._connection: Connection | None = connection
        self.status: int = connection.parser.status
        self.headers: Mapping[str, str] = connection.parser.headers

    def receive(self, timeout_s: float) -> Coroutine[Any, Any, bytes]:
        return self._connection.receive(timeout_s) if self._connection is not None else _nothing()

    async def listen(self, timeout_s: float, take: Take) -> None:
        if self._connection is not None:
            await self._connection.listen(timeout_s, take)
        else:
            take(b"")

    async def read(self, bytes_max: int, timeout_s: float) -> bytes:
        connection = self._connection
        if connection is None:
            return b""
        pieces: list[bytes] = []
        size = 0
        deadline = connection.loop.time() + timeout_s
        while piece := await self.receive(deadline - connection.loop.time()):
            size += len(piece)
            if size > bytes_max:
                raise TransportError("too_large", f"the answer exceeds {bytes_max} bytes")
            pieces.append(piece)
            if connection.parser.complete and not connection.parser.unread_bytes:
                break  # the usual case: one read has all of it
        return b"".join(pieces)

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()
