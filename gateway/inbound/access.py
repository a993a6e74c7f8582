"""Who may come in: the `Host` header and the client's key.

The `Host` check keeps web pages out: a page that rebinds its own name to 127.0.0.1 still sends that name.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

from gateway.inbound.http import HttpError, Scope, header
from gateway.types import Client

ANYBODY: Final = Client("local")
"""The caller when no client keys are configured."""

LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Keys(Protocol):
    """The client keys."""

    def any(self) -> bool:
        """Whether there are keys at all; without, everybody on this host may call."""
        ...

    def lookup(self, key: str) -> Client | None:
        """The client a key belongs to; None for an unknown, expired or revoked one."""
        ...


def check_host(scope: Scope, allowed: Collection[str]) -> None:
    """Raises `HttpError` 421 for a `Host` that is not ours. `allowed` holds names without port; `*` allows all."""
    host = header(scope, b"host") or ""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() in allowed or "*" in allowed:
        return
    raise HttpError(
        421, f"This gateway does not answer for the host {name!r}; see server.allowedHosts.", code="host_not_allowed"
    )


def check_key(scope: Scope, keys: Keys) -> Client:
    """The client that calls. Raises `HttpError` 401. Any key will do where none is configured: SDKs insist on one."""
    if not keys.any():
        return ANYBODY
    key = _presented(scope)
    client = keys.lookup(key) if key else None
    if client is None:
        message = "Incorrect API key provided." if key else "You didn't provide an API key."
        raise HttpError(401, f"{message} This gateway's keys are made with `gateway keys add`.", code="invalid_api_key")
    return client


def _presented(scope: Scope) -> str | None:
    authorization = header(scope, b"authorization")
    if authorization is not None and authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    return header(scope, b"x-api-key")
