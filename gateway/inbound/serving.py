"""The immutable gateway: everything one configuration says, swapped whole on a reload.

Calls in flight keep the gateway they began with; breaker, metrics, ledger and connections live outside and survive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.config.load import Config
from gateway.config.schema import Server
from gateway.inbound.access import LOOPBACK_HOSTS, Keys
from gateway.relay import Relay
from gateway.types import Agent, Model


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the endpoints need to serve a call."""

    config: Config
    relay: Relay
    keys: Keys
    allowed_hosts: frozenset[str]

    @property
    def agents(self) -> Mapping[str, Agent]:
        return self.config.agents

    @property
    def models(self) -> Mapping[str, Model]:
        return self.config.models

    @property
    def server(self) -> Server:
        return self.config.server


def allowed_hosts(listed: Iterable[str], own: Iterable[str]) -> frozenset[str]:
    """The names under which the gateway answers: loopback, its own addresses, and what the user lists.

    As a `Host` header has them: an IPv6 address in brackets.
    """
    return LOOPBACK_HOSTS | {_bracketed(host.lower()) for host in (*own, *listed)}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
