"""Takes http and https URLs, `Host` headers and web origins apart. Pure text; no name is resolved.

Hosts and web origins come out in one spelling, so that equal ones compare equal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NamedTuple
from urllib.parse import urlsplit


class Origin(NamedTuple):
    """The key by which connections are shared."""

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
    """The parts of an http(s) URL. Raises `ValueError` for any other, and for one that holds a user
    or a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not an http or https URL: {parts.scheme}://{parts.hostname or ''}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL must not hold a user name or a password")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if _NOT_IN_A_URL.search(url):
        raise ValueError("a URL must not hold spaces or control characters")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(
        Origin(parts.scheme, parts.hostname, port),
        parts.netloc.encode("idna"),
        path.encode("ascii"),
    )


# --- hosts and web origins ------------------------------------------------------------------------

NULL: Final = "null"
"""The origin of a page that has none: a sandboxed frame, a local file."""
ANY: Final = "*"

CHARS_MAX: Final = 300
"""A DNS name has at most 253 characters."""
PORT_MAX: Final = 65535

_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([0-9]{0,5}))?", re.ASCII)
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.ASCII)
_DEFAULT_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


class Address(NamedTuple):
    """The host and port of a `Host` header. An IPv6 address is in brackets and in its shortest
    form."""

    host: str
    port: int | None


@lru_cache(maxsize=256)
def parse_host(text: str) -> Address | None:
    """`name`, `name:port`, `[ipv6]:port` (RFC 9110, section 7.2); None for anything else.

    Case and one trailing dot do not count.
    """
    match = _HOST.fullmatch(text.lower()) if len(text) <= CHARS_MAX else None
    if match is None:
        return None
    name, port = match[1], int(match[2]) if match[2] else None
    if port is not None and port > PORT_MAX:
        return None
    host = _shortest(name) if name.startswith("[") else name.removesuffix(".")
    return Address(host, port) if host else None


def _shortest(bracketed: str) -> str | None:
    try:
        return f"[{IPv6Address(bracketed[1:-1]).compressed}]"
    except AddressValueError:
        return None


@lru_cache(maxsize=256)
def parse_origin(text: str) -> str | None:
    """An `Origin` header in its one spelling: `scheme://host[:port]` without a default port, or
    `null`.

    None for anything else, such as an address with a path. A scheme of an application's own
    (`chrome-extension://…`, `app://…`) is an origin too, and `file://` is the one without a host.
    """
    if text == NULL:
        return NULL
    match = _ORIGIN.fullmatch(text.lower()) if len(text) <= CHARS_MAX else None
    if match is None:
        return None
    scheme, host = match.groups()
    if not host:
        return "file://" if scheme == "file" else None
    address = parse_host(host)
    if address is None:
        return None
    if address.port in (None, _DEFAULT_PORTS.get(scheme)):
        return f"{scheme}://{address.host}"
    return f"{scheme}://{address.host}:{address.port}"
