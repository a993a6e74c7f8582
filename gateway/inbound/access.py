"""Access control: the `Host` header and the client's key.

The `Host` check keeps web pages out: a page that rebinds its own name to 127.0.0.1 still sends that
name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Final, Protocol

from gateway.inbound.http import HttpError, RequestHeaders, Scope, header_values
from gateway.types import Client
from gateway.urls import ANY, Address, parse_host

ANYBODY: Final = Client("local")
"""The caller when no client keys are configured."""

LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Keys(Protocol):
    """The client keys."""

    def any(self) -> bool:
        """Whether there are keys at all; without, every client on this host may call."""
        ...

    def lookup(self, key: str) -> Client | None:
        """The client a key belongs to; None for an unknown, expired or revoked one."""
        ...

    def recall(self, header: bytes) -> Client | None:
        """The client whose key a header is known to carry; None for any other header."""
        ...

    def remember(self, header: bytes, key: str) -> None:
        """Notes that a header carries a key, for as long as the keys stay as they are."""
        ...


KEY_HEADERS: Final = (b"x-api-key", b"api-key", b"x-goog-api-key")
"""Where clients put a key besides `Authorization: Bearer`."""
KEYS_MAX: Final = 16
"""Keys of one request that are looked up."""

_AROUND_KEY: Final = " \t\"'"
_BEARER: Final = re.compile(r"bearer[ \t]+", re.IGNORECASE)
_WRAPPINGS_MAX: Final = 4


def check_host(scope: Scope, allowed: Collection[str]) -> None:
    """Raises `HttpError` 421 for a `Host` that is not the gateway's, 400 for an invalid one.

    `allowed` holds names without port, as `parse_host` spells them; `*` allows all.
    """
    address = host_of(scope)
    if address is None or address.host in allowed or ANY in allowed:
        return
    message = (
        f"This gateway does not answer for the host {address.host!r}."
        f' To allow it, set in its configuration: [server] allowedHosts = ["{address.host}"]'
    )
    raise HttpError(421, message, code="host_not_allowed")


def host_of(scope: Scope) -> Address | None:
    """The `Host` of a request; None for an HTTP/1.0 request without one.

    Raises `HttpError` 400 for none, for several and for what is not a host (RFC 9112, section 3.2).
    """
    hosts = header_values(scope, b"host")
    if not hosts and scope.get("http_version") == "1.0":
        return None
    address = parse_host(hosts[0].strip(" \t")) if len(hosts) == 1 else None
    if address is None:
        message = "The request needs one Host header of the form name, name:port or [ipv6]:port."
        raise HttpError(400, message, code="invalid_host")
    return address


def check_key(headers: RequestHeaders, keys: Keys) -> Client:
    """The client that calls; of several keys the first valid one counts. Raises `HttpError` 401.

    Without configured keys any key is accepted: SDKs insist on one.
    """
    if not keys.any():
        return ANYBODY
    first = headers.first.get(b"authorization") or headers.first.get(b"x-api-key", b"")
    return keys.recall(first) or _look_up(headers, keys, first)


def _look_up(headers: RequestHeaders, keys: Keys, first: bytes) -> Client:
    """As `check_key`. `first` is the header that is looked at first."""
    presented = presented_keys(headers)
    client = next(filter(None, map(keys.lookup, presented)), None)
    if client is None:
        message = "Incorrect API key provided." if presented else "You didn't provide an API key."
        raise HttpError(
            401,
            f"{message} This gateway's keys are made with `gateway keys add`.",
            code="invalid_api_key",
            headers={"www-authenticate": "Bearer"},
        )
    is_first = presented[0] == _unwrapped(first.decode("latin-1"))
    if is_first and keys.lookup(presented[0]) is client:
        keys.remember(first, presented[0])
    return client


def presented_keys(headers: RequestHeaders) -> list[str]:
    """The first `KEYS_MAX` keys that a request carries."""
    return list(islice(_presented(headers), KEYS_MAX))


def _presented(headers: RequestHeaders) -> Iterator[str]:
    """The keys that a request carries, without what clients put around them by mistake."""
    for value in headers.every(b"authorization"):
        key = _unwrapped(value)
        if key and " " not in key:  # another scheme than Bearer has a space before its credentials
            yield key
    for name in KEY_HEADERS:
        yield from filter(None, map(_unwrapped, headers.every(name)))


def _unwrapped(value: str) -> str:
    """`value` without `Bearer` (which some clients write twice), quotes and white space around it.

    Nothing else is a key then: the gateway's own keys have none of these characters.
    """
    for _ in range(_WRAPPINGS_MAX):
        value = value.strip(_AROUND_KEY)
        prefix = _BEARER.match(value)
        if prefix is None:
            break
        value = value[prefix.end() :]
    return "" if value.lower() == "bearer" else value
