"""The engine of the cluster, for `gateway doctor`: reached, allowed, quick, and as configured as it
should be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from importlib.util import find_spec
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from gateway.config.audit import Finding
from gateway.config.load import Config
from gateway.credentials.secret import CredentialError
from gateway.credentials.store import CLUSTER_PASSWORD, CLUSTER_SECRET, Credentials
from gateway.shared.redis.health import EngineAway, Group, Member
from gateway.text.engine_urls import parse
from gateway.text.limits import Limit

if TYPE_CHECKING:
    from gateway.shared.redis.session import Session

ROUND_TRIPS: Final = 100
_LAST: Final = 98
"""Of the sorted round trips: the 99th percentile."""
OFFSET_MAX_S: Final = 1.0
SECTION: Final = "cluster"


def examine_cluster(config: Config | None, credentials: Credentials) -> list[Finding]:
    """What there is to say; nothing without `[cluster] redis`."""
    if config is None or not config.cluster.redis:
        return []
    try:
        password = credentials.named(CLUSTER_PASSWORD)
    except CredentialError as error:
        return [_wrong(str(error))]
    found = asyncio.run(_examine(config, password.secret.reveal() if password else None))
    return [*found, *_vault(config, credentials)]


def _vault(config: Config, credentials: Credentials) -> Iterator[Finding]:
    """Whether the replay can be shared, and how it is kept in the engine."""
    if not config.cluster.vault:
        return
    try:
        has_secret = credentials.named(CLUSTER_SECRET) is not None
    except CredentialError as error:
        yield _wrong(f"vault cannot be used: {error}.")
        return
    if not has_secret:
        cure = f"Store it with `gateway credentials set {CLUSTER_SECRET}`, the same on all hosts."
        yield _wrong(
            f"vault needs the credential {CLUSTER_SECRET}: the gateway will not start.", cure
        )
    elif find_spec("cryptography") is None:
        message = "the vault's entries are signed, and can be read in the engine"
        cure = "To encrypt them: pip install 'local-agent-gateway[vault]'."
        yield Finding(SECTION, "info", "", message, cure)
    else:
        yield Finding(SECTION, "ok", "", "the vault's entries are encrypted")


def _wrong(message: str, cure: str = "") -> Finding:
    return Finding(SECTION, "error", "", message, cure)


async def _examine(config: Config, password: str | None) -> list[Finding]:
    from gateway.shared.redis.session import Place, connect

    stated = config.cluster
    address = parse(stated.redis)
    place = Place(address, stated.name, f"doctor-{token_hex(4)}", lambda: password)
    try:
        session = await connect(place, lambda channel, data: None)
    except EngineAway as error:
        return [_wrong(f"the engine at {address} cannot be used: {error}.")]
    try:
        return [
            Finding(SECTION, "ok", "", f"the engine at {address} answers"),
            *await _rights(session),
            *await _round_trips(session, stated.wait_ms),
            *await _settings(session, config),
            *await _members(session),
        ]
    except EngineAway as error:
        return [_wrong(f"the engine at {address} cannot be used: {error}.")]
    finally:
        await session.aclose()


async def _rights(session: Session) -> list[Finding]:
    await session.prepare()
    return [Finding(SECTION, "ok", "", "its user has all rights that the gateway needs")]


async def _round_trips(session: Session, wait_ms: float) -> list[Finding]:
    found = []
    for _ in range(ROUND_TRIPS):
        began = time.perf_counter()
        await session.ask("renew", "doctor", 0)
        found.append((time.perf_counter() - began) * 1000)
    slowest_ms = sorted(found)[_LAST]
    message = f"{ROUND_TRIPS} round trips: 99 % took at most {slowest_ms:.1f} ms"
    if slowest_ms <= wait_ms / 2:
        return [Finding(SECTION, "ok", "", f"{message}; waitMs {wait_ms:g} leaves room")]
    cure = "Use an engine that is nearer, or raise waitMs."
    return [Finding(SECTION, "warning", "", f"{message}, and waitMs is {wait_ms:g}.", cure)]


async def _settings(session: Session, config: Config) -> list[Finding]:
    found = []
    seconds, microseconds = await session.plain("TIME")
    offset_s = int(seconds) + int(microseconds) / 1e6 - time.time()
    if abs(offset_s) > OFFSET_MAX_S:
        message = f"the engine's clock is {offset_s:+.1f} s off: it names the periods of budgets."
        found.append(Finding(SECTION, "warning", "", message, "Synchronise both clocks."))
    settings = await session.settings("maxmemory", "maxmemory-policy", "appendonly")
    if settings is None:
        message = "its settings cannot be read with these rights; maxmemory-policy is not checked"
        return [*found, Finding(SECTION, "info", "", message)]
    if settings["maxmemory"] != "0" and settings["maxmemory-policy"] != "noeviction":
        message = f"maxmemory-policy is {settings['maxmemory-policy']}: it may forget limits."
        found.append(Finding(SECTION, "warning", "", message, "Set it to noeviction."))
    has_budgets = any(not limit.is_rate for limit in _limits(config))
    if has_budgets and settings["appendonly"] != "yes":
        message = "appendonly is off: after its restart, gateways that run restore the budgets"
        found.append(Finding(SECTION, "info", "", message))
    return found


def _limits(config: Config) -> Iterator[Limit]:
    yield from config.limits
    for agent in config.agents.values():
        yield from agent.limits


async def _members(session: Session) -> list[Finding]:
    members = [Member.read(*each) for each in await session.ask("members")]
    names = ", ".join(f"{member.host} {member.pid}" for member in members)
    found = [Finding(SECTION, "info", "", f"members: {names or 'none runs now'}")]
    group = Group(True, None, 0.0, 0.0, members)
    for member in group.odd:
        message = f"{member.host} {member.pid} has another configuration than the others."
        cure = "Give all members the same file."
        found.append(Finding(SECTION, "warning", "", message, cure))
    return found
