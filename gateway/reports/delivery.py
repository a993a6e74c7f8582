"""Client keys for all gateways of a cluster, from the command line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Final

from gateway.config.load import Config
from gateway.credentials.secret import CredentialError
from gateway.credentials.store import CLUSTER_PASSWORD, Credentials
from gateway.shared.redis.health import EngineAway, Member
from gateway.text.engine_urls import parse

CONFIRM_S: Final = 3.0
_LOOK_S: Final = 0.1

Ask = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a change of the keys."""

    problem: str = ""
    """Why the engine does not have it yet; a running gateway of this host delivers it later."""
    missing: list[str] = field(default_factory=list)
    """Members that have not said that they use it."""


def deliver(
    config: Config, credentials: Credentials, exchange: Callable[[Ask], Awaitable[Any]]
) -> Delivery:
    """Gives the engine what it lacks, and waits for its members. `exchange` asks the engine."""
    try:
        password = credentials.named(CLUSTER_PASSWORD)
    except CredentialError as error:
        return Delivery(str(error))
    secret = password.secret.reveal() if password is not None else None
    return asyncio.run(_deliver(config, secret, exchange))


async def _deliver(
    config: Config, password: str | None, exchange: Callable[[Ask], Awaitable[Any]]
) -> Delivery:
    from gateway.shared.redis.session import Place, connect

    stated = config.cluster
    name = f"keys-{token_hex(4)}"
    place = Place(parse(stated.redis), stated.name, name, lambda: password)
    try:
        session = await connect(place, lambda channel, data: None)
    except EngineAway as error:
        return Delivery(str(error))
    try:
        await session.prepare()
        await exchange(session.ask)
        version, _ = await session.ask("keys_get")
        return Delivery(missing=await _missing(session.ask, version))
    except EngineAway as error:
        return Delivery(str(error))
    finally:
        await session.aclose()


async def _missing(ask: Ask, version: int) -> list[str]:
    deadline = time.monotonic() + CONFIRM_S
    while True:
        members = [Member.read(*each) for each in await ask("members")]
        behind = [f"{each.host} {each.pid}" for each in members if each.keys < version]
        if not behind or time.monotonic() > deadline:
            return behind
        await asyncio.sleep(_LOOK_S)
