"""One request of a client and its answer, whatever server has read it.

The call endpoint knows no more of HTTP than this. Our own server has it without detours
(`http11.py`), and every ASGI server through `asgi.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from gateway.inbound.http import Headers, RequestHeaders

Sent = Awaitable[None] | None
"""None for what is on its way. Else the caller awaits it: the client reads slowly."""


async def sent(slow: Sent) -> None:
    """Waits until what was sent is on its way."""
    if slow is not None:
        await slow


class Incoming(Protocol):
    """The headers of a request, and its body, which may still arrive."""

    @property
    def headers(self) -> RequestHeaders: ...

    def arrived(self) -> bytes | None:
        """The whole body, once, if all of it is here; None if `read` has to wait for it."""
        ...

    async def read(self) -> tuple[bytes, bool]:
        """(the next piece of the body, whether more follows).

        Raises `ClientLeft`. After the last piece it waits until the client leaves.
        """
        ...


class Exchange(Incoming, Protocol):
    """A request and the answer to it.

    The answer is either `respond`, or `begin`, any number of `write`, and `end`. What is sent to a
    client that has left is discarded.
    """

    @property
    def id(self) -> str:
        """The request's id: the client's own if it states one."""
        ...

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str:
        """Decoded, without the query."""
        ...

    @property
    def scheme(self) -> str: ...

    @property
    def is_full(self) -> bool:
        """Whether the next `write` may have to wait."""
        ...

    def watch(self, left: Callable[[], None]) -> None:
        """Calls `left` once if the client leaves from now on, before its answer is complete."""
        ...

    def respond(self, status: int, headers: Headers, body: bytes) -> Sent:
        """A whole answer; its length is added to `headers`."""
        ...

    def begin(self, status: int, headers: Headers) -> Sent:
        """The head of an answer whose length is not known. It may leave with the next bytes."""
        ...

    def write(self, data: bytes) -> Sent:
        """A part of the answer's body."""
        ...

    def end(self, data: bytes) -> Sent:
        """The last part of the answer's body, which may be empty."""
        ...

    def abort(self) -> None:
        """Cuts the connection at once, where the server allows that. To close it in order would
        wait until the client has read what it was sent."""
        ...


Serve = Callable[[Exchange], Coroutine[Any, Any, None]]
"""Answers one request."""
