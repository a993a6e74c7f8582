"""Several gateways, one lab and one engine, on the loop of the test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from gateway.app import App
from gateway.config import schema
from gateway.config.load import build
from gateway.credentials.store import CLUSTER_SECRET, Credentials
from gateway.lab import Lab
from gateway.process import server
from gateway.process.cluster import seal, share_keys
from gateway.shared.redis.cluster import Cluster, Settings, cluster
from gateway.shared.redis.session import Place
from gateway.text.engine_urls import parse
from gateway.text.limits import WhenDown
from gateway.types import Model
from tests.e2e.harness import KEYS, chains

UP_S = 30.0
BEAT_S = 0.1


class Gateway:
    """One member: the application, its port to the engine, and its address."""

    def __init__(self, app: App, port: Cluster, url: str) -> None:
        self.app = app
        self.port = port
        self.url = url


class Group:
    """The gateways of one group."""

    def __init__(self, lab: Lab, client: httpx.AsyncClient) -> None:
        self.lab = lab
        self.gateways: list[Gateway] = []
        self.client = client

    async def ask(self, gateway: Gateway, agent: str, **more: Any) -> httpx.Response:
        body = {"model": agent, "messages": [{"role": "user", "content": "Hello"}], **more}
        return await self.client.post(f"{gateway.url}/v1/chat/completions", json=body)

    async def ask_all(self, agent: str, calls: int) -> list[httpx.Response]:
        """So many calls at once, by turns at all gateways."""
        turns = (self.gateways[number % len(self.gateways)] for number in range(calls))
        return await asyncio.gather(*(self.ask(each, agent) for each in turns))

    def model(self, name: str) -> Model:
        return self.gateways[0].app.gateway.models[name]

    async def all_up(self) -> None:
        await until(lambda: all(each.port.health.is_up for each in self.gateways))


async def until(condition: Callable[[], bool]) -> None:
    """Returns when `condition` holds, and fails after `UP_S`."""
    deadline = time.monotonic() + UP_S
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def group(
    home: Path,
    url: str,
    *agents: str,
    gateways: int = 3,
    edit: Callable[[schema.Root], schema.Root] = lambda root: root,
    wait_s: float = 1.0,
    silent_s: float = 10.0,
    when_down: WhenDown = "share",
    password: Callable[[], str | None] = lambda: None,
    is_up: bool = True,
) -> AsyncIterator[Group]:
    """Running gateways with these agents, and the engine at `url`."""
    async with AsyncExitStack() as stack:
        lab = await stack.enter_async_context(Lab())
        found = Group(lab, await stack.enter_async_context(httpx.AsyncClient(timeout=20)))
        config = build(edit(chains(lab, *agents)), None, {}, None, [])
        for number in range(gateways):
            place = Place(parse(url), "tests", f"m{number}", password, silent_s)
            own_home = home / f"m{number}"
            credentials = Credentials({}, own_home)
            credentials.put(CLUSTER_SECRET, "default", "s" * 32)
            port = cluster(
                place,
                Settings(wait_s, when_down, BEAT_S, gateways),
                host=f"host {number}",
                clock=time.monotonic,
                wall=time.time,
                seal=seal(config, credentials),
            )
            app = App(config, env=KEYS, home=own_home, cluster=port)
            share_keys(app, port, config)
            serving = server.running(app, server.listen("127.0.0.1", 0))
            found.gateways.append(Gateway(app, port, await stack.enter_async_context(serving)))
        if is_up:
            await found.all_up()
        yield found


def limited(root: schema.Root, **tables: dict[str, Any]) -> schema.Root:
    """`root` with these changes of its tables; those of models and agents by name."""
    changes: dict[str, Any] = {}
    for table, changed in tables.items():
        before = getattr(root, table)
        if isinstance(before, dict):
            replaced = {
                name: msgspec.structs.replace(before[name], **change)
                for name, change in changed.items()
            }
            changes[table] = {**before, **replaced}
        else:
            changes[table] = msgspec.structs.replace(before, **changed)
    return msgspec.structs.replace(root, **changes)
