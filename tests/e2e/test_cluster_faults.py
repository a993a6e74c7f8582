"""Whatever happens to the engine, calls are answered, and the state is right afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import pytest

from gateway.config import schema
from gateway.shared.redis.cluster import LATE_MAX
from gateway.shared.redis.library import RIGHTS
from tests.e2e.cluster import UP_S, Group, group, limited, until
from tests.redis_proxy import Proxy, proxy
from tests.redis_server import RedisServer, Sentinel, free_port, needs_redis

pytestmark = [needs_redis, pytest.mark.anyio]

QUICK: Final[dict[str, Any]] = {"wait_s": 0.02, "silent_s": 0.25}
"""As it is by default."""
BUDGET: Final = "1000000 tokens/day"


class Place(NamedTuple):
    """The engine, and what is between it and the gateways."""

    server: RedisServer
    proxy: Proxy


Act = Callable[[Place], None]


def refuse(place: Place) -> None:
    place.proxy.refuses = True
    place.proxy.drop()


def delay(place: Place) -> None:
    place.proxy.delay_s = 0.06


def garbage(place: Place) -> None:
    place.proxy.garbage = b"+OK\r\n:12\r\n$-7\r\nnonsense\r\n"


def cut(place: Place) -> None:
    place.proxy.cuts = True


def fill(place: Place) -> None:
    with place.server.client() as client:
        client.config_set("maxmemory", "1")


def make_replica(place: Place) -> None:
    with place.server.client() as client:
        client.replicaof("127.0.0.1", "1")


def heal(place: Place) -> None:
    found = place.proxy
    found.refuses, found.delay_s, found.garbage, found.cuts = False, 0.0, b"", False


def empty_memory(place: Place) -> None:
    with place.server.client() as client:
        client.config_set("maxmemory", "0")


def make_primary(place: Place) -> None:
    with place.server.client() as client:
        client.replicaof("NO", "ONE")


FAULTS: Final[dict[str, tuple[Act, Act]]] = {
    "refused": (refuse, heal),
    "frozen": (lambda place: place.server.freeze(), lambda place: place.server.thaw()),
    "slow": (delay, heal),
    "garbage": (garbage, heal),
    "reset in the middle of a reply": (cut, heal),
    "out of memory": (fill, empty_memory),
    "became a replica": (make_replica, make_primary),
}


def edit(root: schema.Root) -> schema.Root:
    models = {"custom": {"max_concurrent": 20}}
    agents = {"custom": {"budget": BUDGET}}
    return limited(root, models=models, agents=agents)


@asynccontextmanager
async def place_and_group(tmp_path: Path) -> AsyncIterator[tuple[Place, Group]]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = RedisServer(folder)
        stack.callback(server.stop)
        stack.callback(server.thaw)
        between = await stack.enter_async_context(proxy(folder / "proxy.sock", server.path))
        found = await stack.enter_async_context(
            group(tmp_path, between.url, "custom", "openai>groq", gateways=2, edit=edit, **QUICK)
        )
        yield Place(server, between), found


async def all_settled(found: Group, tokens: int) -> None:
    """The engine has counted these tokens, and no call holds any."""
    deadline = time.monotonic() + UP_S
    while True:
        (row,) = await found.gateways[0].app.limits.rows()
        if (row.used, row.reserved) == (tokens, 0):
            return
        assert time.monotonic() < deadline, (row.used, row.reserved, tokens)
        await asyncio.sleep(0.005)


async def answered(found: Group, calls: int) -> int:
    """Makes calls one after the other at each gateway; all are answered. Returns their tokens."""
    tokens = 0
    for _ in range(calls):
        for each in found.gateways:
            answer = await found.ask(each, "custom")
            assert answer.status_code == 200, answer.text
            tokens += answer.json()["usage"]["total_tokens"]
    return tokens


def late(found: Group) -> int:
    """The answers that came too late, at the gateway with most of them."""
    return max(
        sum(times for (_, how), times in each.port.health.asks.items() if how == "late")
        for each in found.gateways
    )


@pytest.mark.parametrize("name", FAULTS)
async def test_calls_are_answered_whatever_happens_to_the_engine(name: str, tmp_path: Path) -> None:
    begin, end = FAULTS[name]
    async with place_and_group(tmp_path) as (place, found):
        first, second = found.gateways
        tokens = await answered(found, 2)
        begin(place)
        tokens += await answered(found, 8)
        assert late(found) <= LATE_MAX, "a call waits for one answer, so five calls waited at most"
        await until(lambda: not (first.port.health.is_up or second.port.health.is_up))
        alone = await found.ask(first, "custom")
        assert alone.headers["x-gateway-degraded"] == "budget,places"
        tokens += alone.json()["usage"]["total_tokens"]
        found.lab.fault("openai", "rate_limit_bare")
        await found.ask(first, "openai>groq")
        end(place)
        await found.all_up()
        await all_settled(found, tokens)
        tokens += await answered(found, 1)
        await all_settled(found, tokens)
        await until(lambda: not second.app.breaker.is_ready(found.model("openai")))
        with place.server.client() as client:
            assert not client.keys("{gw:tests}:slots:*")
            assert client.zcard("{gw:tests}:holds") == 0


async def test_an_engine_that_lost_its_memory_gets_it_back(tmp_path: Path) -> None:
    async with place_and_group(tmp_path) as (place, found):
        first, second = found.gateways
        found.lab.fault("openai", "rate_limit_bare")
        await found.ask(first, "openai>groq")
        await until(lambda: not second.app.breaker.is_ready(found.model("openai")))
        found.lab.fault("custom", "stall")
        body = {"model": "custom", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        url = f"{first.url}/v1/chat/completions"
        async with found.client.stream("POST", url, json=body) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            with place.server.client() as client:
                client.flushall()
                await until(lambda: client.zcard("{gw:tests}:holds") == 1)
                assert len(client.keys("{gw:tests}:slots:*")) == 1
                assert client.hlen("{gw:tests}:circuits") == 1
            await found.all_up()
        assert not second.app.breaker.is_ready(found.model("openai"))


def flush(place: Place) -> None:
    with place.server.client() as client:
        client.flushall()


def have_arrived(found: Group, calls: int) -> bool:
    return len(found.lab.calls) >= calls


def restart(place: Place) -> None:
    place.server.stop()
    place.server.start()


@pytest.mark.parametrize("empty", [flush, restart])
async def test_budgets_are_exact_when_the_engine_is_emptied_under_load(
    empty: Act, tmp_path: Path
) -> None:
    async with place_and_group(tmp_path) as (place, found):
        tokens = await answered(found, 2)
        for _ in range(2):
            seen = len(found.lab.calls) + 5
            asking = asyncio.ensure_future(found.ask_all("custom", 20))
            await until(partial(have_arrived, found, seen))
            empty(place)
            answers = await asking
            assert {each.status_code for each in answers} == {200}
            tokens += sum(each.json()["usage"]["total_tokens"] for each in answers)
            tokens += await answered(found, 2)
        await found.all_up()
        await all_settled(found, tokens)


async def test_a_changed_password_is_soon_used(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = RedisServer(Path(stack.enter_context(TemporaryDirectory())))
        stack.callback(server.stop)
        known = [""]
        found = await stack.enter_async_context(
            group(tmp_path, server.url, "custom", gateways=1, password=lambda: known[-1] or None)
        )
        health = found.gateways[0].port.health
        with server.client() as client:
            client.config_set("requirepass", "new")
            client.client_kill_filter(_type="pubsub")
        await until(lambda: "refuses the user or the password" in (health.reason or ""))
        assert (await found.ask(found.gateways[0], "custom")).status_code == 200
        known.append("new")
        await found.all_up()


@pytest.mark.parametrize("missing", ["", "+publish", "+zadd"])
async def test_the_rights_of_the_document_are_needed_and_enough(
    missing: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        server = RedisServer(Path(stack.enter_context(TemporaryDirectory())))
        stack.callback(server.stop)
        with server.client() as client:
            user = ["reset", "on", ">secret", "~{gw:tests}:*", "&{gw:tests}:*"]
            rights = [each for each in RIGHTS.split() if each != missing]
            client.execute_command("ACL", "SETUSER", "gateway", *user, *rights)
        url = server.url.replace("unix://", "unix://gateway@")
        found = await stack.enter_async_context(
            group(
                tmp_path,
                url,
                "custom",
                gateways=1,
                edit=edit,
                password=lambda: "secret",
                is_up=not missing,
            )
        )
        health = found.gateways[0].port.health
        await until(lambda: health.is_up or health.reason is not None)
        if missing:
            assert not health.is_up
            assert "has not all rights" in (health.reason or "")
        assert await answered(found, 2)
        with server.client() as client:
            assert bool(client.keys("*budget*")) == health.is_up


async def test_the_gateways_follow_a_sentinel_to_the_new_primary(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        servers = [
            RedisServer(Path(stack.enter_context(TemporaryDirectory())), port=free_port())
            for _ in range(2)
        ]
        for server in servers:
            stack.callback(server.stop)
        primary, replica = servers
        with replica.client() as client:
            client.replicaof("127.0.0.1", primary.port)
        sentinel = Sentinel(Path(stack.enter_context(TemporaryDirectory())), primary.port)
        stack.callback(sentinel.stop)
        await until(lambda: sentinel.knows_replicas() == 1)
        found = await stack.enter_async_context(
            group(tmp_path, sentinel.url, "custom", gateways=2, edit=edit, **QUICK)
        )
        tokens = await answered(found, 2)
        await all_settled(found, tokens)
        with primary.client() as client:
            assert client.wait(1, 10_000) == 1, "what a replica lacks is lost with its primary"
        with replica.client() as client:
            primary.stop()
            tokens += await answered(found, 2)
            await until(lambda: client.info("replication")["role"] == "master")
        await found.all_up()
        await all_settled(found, tokens)
