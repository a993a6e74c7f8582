"""The face of a connection to a provider: a request out, a response in, read piece by piece.

Small enough that our own HTTP/1.1 pool and httpx's transports both fit behind it; imports neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

Trouble = Literal["connect", "dns", "tls", "timeout", "reset", "protocol", "too_large"]


class TransportError(Exception):
    """The connection failed. The message names host and port, and never holds a header or a
    body."""

    def __init__(self, kind: Trouble, message: str) -> None:
        super().__init__(message)
        self.kind: Trouble = kind


class Request(NamedTuple):
    """One request. `host`, `content-length` and `accept-encoding` are the transport's to add."""

    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...]
    """The same in most requests to `url`."""
    body: bytes
    connect_s: float
    """Seconds for name, connection and TLS together."""
    more: tuple[tuple[bytes, bytes], ...] = ()
    """Headers that differ in each request."""


Take = Callable[[bytes], bool]
"""Takes a read of a body, and says whether the next one is wanted at once."""


class Response(Protocol):
    """An answer whose headers have arrived."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names; the values of repeated ones joined by ", "."""
        ...

    async def receive(self, timeout_s: float) -> bytes:
        """All of the body that has arrived since the last call, waiting for some; b"" at a clean
        end.

        Raises `TransportError`; after a `timeout` the response may be read on.
        """
        ...

    async def listen(self, timeout_s: float, take: Take) -> None:
        """Gives `take` each read of the body as it arrives, b"" for its end, until it returns
        False, or earlier. `timeout_s` bounds the wait for each.

        Raises as `receive`, and what `take` raises.
        """
        ...

    async def read(self, bytes_max: int, timeout_s: float) -> bytes:
        """The rest of the body. Raises `TransportError`, `too_large` beyond `bytes_max`."""
        ...

    async def aclose(self) -> None:
        """Done with it: the connection is kept if the body was read to its end, and closed at once
        if not."""
        ...


class Transport(Protocol):
    """Sends requests."""

    async def send(self, request: Request, timeout_s: float) -> Response:
        """The response, once its headers are here. `timeout_s` bounds writing and waiting, after
        the connection is open. Raises `TransportError`."""
        ...

    async def aclose(self) -> None:
        """Closes all connections."""
        ...
