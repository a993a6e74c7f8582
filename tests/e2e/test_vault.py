"""A conversation goes on at another gateway: what its client dropped comes from the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from gateway.config import schema
from tests.e2e.cluster import Gateway, Group, group, limited, until
from tests.redis_server import RedisServer, needs_redis, running

pytestmark = [needs_redis, pytest.mark.anyio]

PARAMETERS: Final = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL: Final = {"name": "get_weather", "parameters": PARAMETERS}
ASKED: Final = {"role": "user", "content": "use the tool"}
SIGNATURE: Final = "signature"
THOUGHT: Final = "Let me think."


@pytest.fixture
def engine() -> Iterator[RedisServer]:
    with running() as found:
        yield found


class Pair:
    """Two gateways, at each of which the clients `ci` and `other` have a key of their own."""

    def __init__(self, found: Group) -> None:
        self.group = found
        self.first, self.second = found.gateways
        self._keys = {
            (gateway.url, client): gateway.app.keys.add(client)
            for gateway in found.gateways
            for client in ("ci", "other")
        }

    async def say(
        self, gateway: Gateway, *messages: Any, client: str = "ci", agent: str = "anthropic"
    ) -> httpx.Response:
        """One turn of a client of the chat API, which keeps no reasoning."""
        tools = [{"type": "function", "function": TOOL}]
        body = {"model": agent, "messages": messages, "tools": tools, "reasoning_effort": "low"}
        return await self.group.client.post(
            f"{gateway.url}/v1/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {self._keys[gateway.url, client]}"},
        )

    async def called(self, gateway: Gateway, agent: str = "anthropic") -> list[Any]:
        """The conversation of a client that was asked to call a tool, as it sends it back."""
        answer = await self.say(gateway, ASKED, agent=agent)
        assert answer.status_code == 200, answer.text
        [call] = answer.json()["choices"][0]["message"]["tool_calls"]
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{name: call[name] for name in ("id", "type", "function")}],
        }
        return [ASKED, message, {"role": "tool", "tool_call_id": call["id"], "content": "4C"}]

    def thoughts(self) -> list[str]:
        """The reasoning that the provider has received in the last call."""
        blocks = [
            block
            for message in self.group.lab.calls[-1].body["messages"]
            if isinstance(message["content"], list)
            for block in message["content"]
        ]
        return [block["thinking"] for block in blocks if block["type"] == "thinking"]


@asynccontextmanager
async def pair(
    home: Path, url: str, *agents: str, vault: bool = True, **more: Any
) -> AsyncIterator[Pair]:
    def edit(root: schema.Root) -> schema.Root:
        return limited(root, cluster={"redis": url, "vault": vault})

    agents = agents or ("anthropic",)
    async with group(home, url, *agents, gateways=2, edit=edit, **more) as found:
        yield Pair(found)


async def test_the_next_turn_at_another_gateway_has_the_signature(
    tmp_path: Path, engine: RedisServer
) -> None:
    async with pair(tmp_path, engine.url) as found:
        first, second = found.first, found.second
        conversation = await found.called(first)
        assert (await found.say(second, *conversation)).status_code == 200
        assert found.thoughts() == [THOUGHT]
        assert second.port.health.asks["Recall", "answered"] == 1
        assert (await found.say(second, *conversation)).status_code == 200
        assert found.thoughts() == [THOUGHT]
        assert second.port.health.asks["Recall", "answered"] == 1, "it is here now"


async def test_without_the_vault_it_is_lost(tmp_path: Path, engine: RedisServer) -> None:
    async with pair(tmp_path, engine.url, vault=False) as found:
        first, second = found.first, found.second
        conversation = await found.called(first)
        assert (await found.say(second, *conversation)).status_code == 200
        assert found.thoughts() == []
        with engine.client() as client:
            assert client.keys("*vault*") == []


async def test_the_gateway_that_has_it_asks_nothing(tmp_path: Path, engine: RedisServer) -> None:
    async with pair(tmp_path, engine.url, "anthropic", "custom") as found:
        first = found.first
        for agent in ("anthropic", "custom"):  # the second one has no signature to be kept
            conversation = await found.called(first, agent)
            assert (await found.say(first, *conversation, agent=agent)).status_code == 200
        assert not [asked for asked in first.port.health.asks if asked[0] == "Recall"]


async def test_another_client_does_not_get_it(tmp_path: Path, engine: RedisServer) -> None:
    async with pair(tmp_path, engine.url) as found:
        first, second = found.first, found.second
        conversation = await found.called(first)
        assert (await found.say(second, *conversation, client="other")).status_code == 200
        assert found.thoughts() == []
        assert (await found.say(second, *conversation)).status_code == 200
        assert found.thoughts() == [THOUGHT]


async def test_the_engine_can_read_neither_names_nor_thoughts(
    tmp_path: Path, engine: RedisServer
) -> None:
    async with pair(tmp_path, engine.url) as found:
        conversation = await found.called(found.first)
        id_ = conversation[1]["tool_calls"][0]["id"]
        with engine.client() as client:
            await until(lambda: bool(client.keys("{gw:tests}:vault:*")))
            [name] = client.keys("{gw:tests}:vault:*")
            stored = name + client.get(name)
        for secret in (id_, "think", SIGNATURE):
            assert secret.encode() not in stored


async def test_a_content_that_was_changed_in_the_engine_is_thrown_away(
    tmp_path: Path, engine: RedisServer
) -> None:
    async with pair(tmp_path, engine.url) as found:
        first, second = found.first, found.second
        conversation = await found.called(first)
        with engine.client() as client:
            [name] = client.keys("{gw:tests}:vault:*")
            sealed = client.get(name)
            client.set(name, sealed[:-1] + bytes([sealed[-1] ^ 1]))
        assert (await found.say(second, *conversation)).status_code == 200
        assert found.thoughts() == []
        assert second.port.health.is_up


async def test_a_frozen_engine_is_waited_for_once_per_call_and_no_call_fails(
    tmp_path: Path, engine: RedisServer
) -> None:
    quick: dict[str, Any] = {"wait_s": 0.02, "silent_s": 0.25}
    chain = "openai>groq>anthropic"
    async with pair(tmp_path, engine.url, "anthropic", chain, **quick) as found:
        first, second = found.first, found.second
        conversation = await found.called(first)
        for provider in ("openai", "groq"):
            found.group.lab.fault(provider, "overloaded")
        engine.freeze()
        answer = await found.say(second, *conversation, agent=chain)
        assert answer.status_code == 200
        assert answer.headers["x-gateway-attempts"].count(",") == 2
        assert found.thoughts() == []
        asks = second.port.health.asks
        assert asks["Recall", "late"] + asks["Recall", "away"] == 1
        await until(lambda: not second.port.health.is_up)
        assert (await found.say(second, *conversation)).status_code == 200
        assert asks["Recall", "late"] <= 1, "it is not waited for again"
        engine.thaw()
        await found.group.all_up()
        assert (await found.say(second, *conversation)).status_code == 200
        assert found.thoughts() == [THOUGHT]
