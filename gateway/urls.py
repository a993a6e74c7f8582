"""Takes http and https URLs apart, for a request line and for the pool of connections."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit


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
