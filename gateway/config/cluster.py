"""What is wrong with `[cluster]` beyond the types of its values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Final

from gateway.config.check import Flaw, shown
from gateway.text.engine_urls import CURE, AddressError, parse

_REDIS: Final = ("cluster", "redis")
_NAME: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)


def cluster_flaws(
    cluster: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]
) -> Iterator[Flaw]:
    """The flaws of the table as it was read, and of models that it excludes. None repeats the
    address, which may hold a password."""
    name, redis = cluster.get("name"), cluster.get("redis")
    if isinstance(name, str) and not _NAME.fullmatch(name):
        message = f"{shown((), name)} cannot name a group of gateways."
        yield Flaw(("cluster", "name"), message, "Write up to 64 letters, digits, and ._-")
    if not isinstance(redis, str) or not redis:
        return
    yield from _address(redis, is_tls_off=cluster.get("tls") == "off")
    if find_spec("redis") is None or find_spec("hiredis") is None:
        message = "needs the client of Redis, which is not installed."
        yield Flaw(_REDIS, message, "Install it with `pip install 'local-agent-gateway[cluster]'`.")
    for entry, model in models.items():
        if model.get("authType") == "pi_auth":
            message = (
                "is excluded by [cluster]: each gateway would renew pi's sign-in by itself, "
                "and so end that of the others."
            )
            cure = 'Use authType = "api_key" or "oauth_token", or remove [cluster] redis.'
            yield Flaw(("models", entry, "authType"), message, cure)


def _address(redis: str, *, is_tls_off: bool) -> Iterator[Flaw]:
    try:
        address = parse(redis)
    except AddressError as error:
        yield Flaw(_REDIS, f"{error}.", CURE)
        return
    if not (address.is_local or address.is_tls or is_tls_off):
        message = "leads to another host without TLS."
        yield Flaw(_REDIS, message, 'Write rediss://, or tls = "off" if that network is trusted.')
