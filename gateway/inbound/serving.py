"""The immutable gateway: everything one configuration says, swapped whole on a reload.

Calls in flight keep the gateway they began with; breaker, metrics, ledger and connections live
outside and survive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.config.load import Config
from gateway.config.schema import Server
from gateway.inbound.access import LOOPBACK_HOSTS, Keys
from gateway.inbound.resolve import Names
from gateway.limits.limiter import Limiter
from gateway.relay import Relay
from gateway.types import Agent, Model
from gateway.urls import parse_host, parse_origin


@dataclass(frozen=True, slots=True)
class Gateway:
    """The dependencies of the endpoints."""

    config: Config
    relay: Relay
    keys: Keys
    allowed_hosts: frozenset[str]
    allowed_origins: frozenset[str]
    names: Names
    limiter: Limiter
    is_limited: bool
    """Whether the configuration states any limit. A client key may have limits of its own."""

    @property
    def agents(self) -> Mapping[str, Agent]:
        return self.config.agents

    @property
    def models(self) -> Mapping[str, Model]:
        return self.config.models

    @property
    def server(self) -> Server:
        return self.config.server


class Holder(Protocol):
    """What has the gateway as it is configured now."""

    @property
    def gateway(self) -> Gateway: ...


def allowed_hosts(listed: Iterable[str], own: Iterable[str]) -> frozenset[str]:
    """The names under which the gateway answers: loopback, its own addresses, and what the user
    lists.

    As `parse_host` spells them: an IPv6 address is in brackets.
    """
    return LOOPBACK_HOSTS | {_spelled(host) for host in (*own, *listed)}


def allowed_origins(listed: Iterable[str]) -> frozenset[str]:
    """The web origins that the user lists, as `parse_origin` spells them; `*` stays."""
    return frozenset(parse_origin(origin) or origin for origin in listed)


def _spelled(host: str) -> str:
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    address = parse_host(bracketed)
    return address.host if address is not None else bracketed
