"""The face of a connection to a provider: a request out, a response in, read piece by piece.

Small enough that our own HTTP/1.1 pool and httpx's transports both fit behind it; imports neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

Trouble = Literal["connect", "dns", "tls", "timeout", "reset", "protocol", "too_large"]


class TransportError(Exception):
    """The connection failed. The message names host and port, and never holds a header or a body."""

    def __init__(self, kind: Trouble, message: str) -> None:
        super().__init__(message)
        self.kind: Trouble = kind


class Origin(NamedTuple):
    """What shares connections."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Target(NamedTuple):
    """A URL, taken apart for a request line."""

    origin: Origin
    host_header: bytes
    path: bytes
    """Path and query."""


_NOT_IN_A_URL: Final = re.compile(r"[\x00-\x20\x7f]")


@lru_cache(maxsize=1024)
def target(url: str) -> Target:
    """The parts of an http(s) URL. Raises `ValueError` for any other, and for one that holds a user or a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not an http or https URL: {parts.scheme}://{parts.hostname or ''}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL must not hold a user name or a password")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if _NOT_IN_A_URL.search(url):
        raise ValueError("a URL must not hold spaces or control characters")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(Origin(parts.scheme, parts.hostname, port), parts.netloc.encode("idna"), path.encode("ascii"))


class Request(NamedTuple):
    """One request. `host`, `content-length` and `accept-encoding` are the transport's to add."""

    method: str
    url: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    connect_s: float
    """Seconds for name, connection and TLS together."""


class Response(Protocol):
    """An answer whose headers have arrived."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names; the values of repeated ones joined by ", "."""
        ...

    async def receive(self, timeout_s: float) -> bytes:
        """All of the body that has arrived since the last call, waiting for some; b"" at a clean end.

        Raises `TransportError`; after a `timeout` the response may be read on.
        """
        ...

    async def read(self, bytes_max: int, timeout_s: float) -> bytes:
        """The rest of the body. Raises `TransportError`, `too_large` beyond `bytes_max`."""
        ...

    async def aclose(self) -> None:
        """Done with it: the connection is kept if the body was read to its end, and closed at once if not."""
        ...


class Transport(Protocol):
    """Sends requests."""

    async def send(self, request: Request, timeout_s: float) -> Response:
        """The response, once its headers are here. `timeout_s` bounds writing and waiting, after the connection
        stands. Raises `TransportError`."""
        ...

    async def aclose(self) -> None:
        """Closes all connections."""
        ...
