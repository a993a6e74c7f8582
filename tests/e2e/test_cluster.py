"""Three gateways and one Redis behave as one gateway."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import schema
from gateway.inbound.shared_keys import SharedKeys, Signer
from tests.e2e.cluster import group, limited, until
from tests.redis_server import RedisServer, needs_redis, running

pytestmark = [needs_redis, pytest.mark.anyio]


@pytest.fixture(scope="module")
def engine() -> Iterator[RedisServer]:
    with running() as found:
        yield found


@pytest.fixture(autouse=True)
def empty(engine: RedisServer) -> None:
    with engine.client() as client:
        client.flushall()


async def test_a_429_at_one_gateway_spares_the_others(tmp_path: Path, engine: RedisServer) -> None:
    async with group(tmp_path, engine.url, "custom>openai") as found:
        first, second, _ = found.gateways
        found.lab.fault("custom", "rate_limit_bare")
        answer = await found.ask(first, "custom>openai")
        assert answer.headers["x-gateway-attempts"].startswith("custom;429")
        model = first.app.gateway.models["custom"]
        await until(lambda: not second.app.breaker.is_ready(model))
        answers = await found.ask_all("custom>openai", 9)
        assert {each.headers["x-gateway-attempts"] for each in answers} == {"openai;200"}


async def test_a_herd_sends_exactly_one_probe(tmp_path: Path, engine: RedisServer) -> None:
    def edit(root: schema.Root) -> schema.Root:
        timeouts = {"answer_seconds": 2.5}  # longer than the herd takes
        return limited(root, breaker={"cooldown_seconds": 0.5}, timeouts=timeouts)

    async with group(tmp_path, engine.url, "custom>openai", edit=edit) as found:
        found.lab.fault("custom", "rate_limit_bare", "silent")
        await found.ask(found.gateways[0], "custom>openai")
        models = [each.app.gateway.models["custom"] for each in found.gateways]

        def is_half_open() -> bool:
            both = zip(found.gateways, models, strict=True)
            return all(each.app.breaker.state(model) == "half_open" for each, model in both)

        await until(is_half_open)
        answers = await found.ask_all("custom>openai", 60)
        used = Counter(each.headers["x-gateway-attempts"].partition(";")[0] for each in answers)
        assert used == {"custom": 1, "openai": 59}


async def test_slots_are_exact_among_all_gateways(tmp_path: Path, engine: RedisServer) -> None:
    def edit(root: schema.Root) -> schema.Root:
        models = {"custom": {"max_concurrent": 3}}
        return limited(root, models=models, fallback={"max_wait_seconds": 20.0})

    async with group(tmp_path, engine.url, "custom", edit=edit) as found:
        most = 0
        with engine.client() as client:
            name = found.gateways[0].port.names.circuit(found.model("custom").key)
            answering = asyncio.ensure_future(found.ask_all("custom", 45))
            while not answering.done():
                most = max(most, client.hlen(f"{{gw:tests}}:slots:{name}"))
                await asyncio.sleep(0.001)
        assert {each.status_code for each in await answering} == {200}
        assert most == 3
        assert {each.port.health.asks["Admit", "late"] for each in found.gateways} == {0}
        assert [len(each.app.room) for each in found.gateways] == [0, 0, 0]


async def test_a_budget_is_exact_among_all_gateways(tmp_path: Path, engine: RedisServer) -> None:
    def edit(root: schema.Root) -> schema.Root:
        return limited(root, agents={"custom": {"rate": "10 calls/minute"}})

    async with group(tmp_path, engine.url, "custom", edit=edit) as found:
        answers = await found.ask_all("custom", 40)
        assert Counter(each.status_code for each in answers) == {200: 10, 429: 30}


async def test_a_limit_that_is_closed_without_the_engine_refuses_its_own_calls_alone(
    tmp_path: Path,
) -> None:
    def edit(root: schema.Root) -> schema.Root:
        agents = {
            "custom": {"budget": ["20 USD/day whenDown=closed", "900000 tokens/day"]},
            "openai": {"rate": "100 calls/minute"},
        }
        return limited(root, agents=agents)

    url = f"unix://{tmp_path}/none.sock"
    async with group(
        tmp_path, url, "custom", "openai", gateways=1, edit=edit, is_up=False
    ) as found:
        refused = await found.ask(found.gateways[0], "custom")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.json()["error"]["message"].endswith(
            "is away, and 20 USD/day of agent custom has whenDown=closed."
        )
        assert (await found.ask(found.gateways[0], "openai")).status_code == 200


async def test_a_key_that_is_revoked_at_one_gateway_is_refused_by_the_others(
    tmp_path: Path, engine: RedisServer
) -> None:
    async with group(tmp_path, engine.url, "custom", gateways=2) as found:
        first, second = found.gateways
        records = SharedKeys(first.app.keys, Signer("s" * 32, "default"), time.time)
        key = first.app.keys.add("ci")
        records.share("ci")
        await until(lambda: second.app.keys.lookup(key) is not None)
        found.client.headers["authorization"] = f"Bearer {key}"
        assert (await found.ask(second, "custom")).status_code == 200
        with engine.client() as client:
            client.flushall()
        await until(lambda: client.hlen("{gw:tests}:keys") == 1)
        records.revoke("ci")
        await until(lambda: second.app.keys.lookup(key) is None)
        assert (await found.ask(second, "custom")).status_code == 401
