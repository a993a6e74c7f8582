"""What is sent to the engine and asked of it, and what comes back."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import pytest

from gateway.shared.engine import Command, Keep, Recall
from gateway.shared.entries import Key
from gateway.shared.redis.cluster import Cluster, Settings, cluster
from gateway.shared.redis.health import Health
from gateway.shared.redis.seal import Seal
from gateway.shared.redis.session import Place
from gateway.shared.redis.vault import ENTRY_BYTES_MAX, KEYS_MAX, Vault
from gateway.text.engine_urls import parse
from tests.e2e.cluster import until
from tests.redis_server import RedisServer, needs_redis

pytestmark = pytest.mark.anyio

ENTRY: Final[dict[str, Any]] = {
    "reasoning_details": [{"data": "c2ln", "number": 1.5}],
    "reasoning_content": "Hm 好",
}


def key(id_: object, kind: str = "call", owner: str = "ci") -> Key:
    return (owner, kind, f"toolcall_{id_}")


class FakePort:
    """An engine that has an answer for every question, and notes them."""

    def __init__(self, *answers: Any) -> None:
        self.health = Health(is_up=True)
        self._answers = list(answers)
        self.asked: list[list[Key]] = []
        self.sent: list[Command] = []

    def ask(self, command: Command) -> Any:
        assert isinstance(command, Recall)
        self.asked.append(command.keys)
        return self._answers.pop(0)

    def tell(self, command: Command) -> None:
        self.sent.append(command)


# --- what is asked --------------------------------------------------------------------------------


async def test_the_latest_are_asked_for_first_and_not_too_many() -> None:
    port = FakePort([])
    await Vault(port).recall([key(number) for number in range(KEYS_MAX + 10)])
    [asked] = port.asked
    assert asked == [key(number) for number in range(KEYS_MAX + 9, 9, -1)]


async def test_a_conversation_without_tool_calls_and_images_asks_nothing() -> None:
    port = FakePort([None, None])
    vault = Vault(port)
    assert await vault.recall([key("a", "text")]) == []
    assert await vault.recall([]) == []
    assert port.asked == []
    await vault.recall([key("a", "text"), key("b", "image")])
    assert port.asked == [[key("b", "image"), key("a", "text")]]


async def test_what_was_not_found_twice_is_not_asked_for_again() -> None:
    port = FakePort([None, None], [None, None], [None])
    vault = Vault(port)
    for _ in range(3):
        assert await vault.recall([key("a"), key("b")]) == []
    assert port.asked == [[key("b"), key("a")]] * 2
    vault.keep(key("a"), ENTRY, 1)
    assert await vault.recall([key("a"), key("b")]) == []
    assert port.asked[2:] == [[key("a")]], "it is there now"


async def test_a_question_that_was_not_answered_is_asked_again() -> None:
    port = FakePort(None, None, None)
    vault = Vault(port)
    for _ in range(3):
        assert await vault.recall([key("a")]) == []
    assert len(port.asked) == 3


async def test_a_tool_call_without_extras_is_never_asked_for() -> None:
    port = FakePort()
    vault = Vault(port)
    vault.keep_nothing(key("a"))
    assert await vault.recall([key("a")]) == []
    assert port.asked == []


async def test_what_has_not_the_form_of_an_entry_is_not_there() -> None:
    port = FakePort([b"\xc1", b"\xa1x", b"\xa1\xff", b""])
    assert await Vault(port).recall([key(number) for number in range(4)]) == []


def test_what_is_large_or_is_not_plain_data_stays_here() -> None:
    port = FakePort()
    vault = Vault(port)
    vault.keep(key("a"), {"reasoning_content": "x" * ENTRY_BYTES_MAX}, 1)
    vault.keep(key("b"), {"extra_content": 1 << 70}, 1)
    vault.keep(key("c"), {"extra_content": object()}, 1)
    assert port.sent == []
    vault.keep(key("d"), ENTRY, 1)
    assert [type(each) for each in port.sent] == [Keep]
    port.health.is_up = False
    vault.keep(key("e"), ENTRY, 1)
    assert len(port.sent) == 1, "nothing is kept for an engine that is away"


# --- through a real server ------------------------------------------------------------------------


@asynccontextmanager
async def members(url: str) -> AsyncIterator[list[tuple[Cluster, Vault]]]:
    """Two of them, without a cipher: its own tests are beside this file."""
    async with AsyncExitStack() as stack:
        found = []
        for number in range(2):
            port = cluster(
                Place(parse(url), "vault", f"m{number}", lambda: None, 10.0),
                Settings(1.0, "share", 0.05, 2),
                host="h",
                clock=time.monotonic,
                wall=time.time,
                seal=Seal("s" * 32, "vault", None, secrets.token_bytes),
            )
            port.begin()
            stack.push_async_callback(port.membership.aclose)
            assert port.vault is not None
            found.append((port, port.vault))
        await until(lambda: all(port.health.is_up for port, _ in found))
        yield found


async def sync(port: Cluster) -> None:
    """What was sent before has been done."""
    await port.membership.ask("snapshot")


@needs_redis
async def test_an_entry_comes_back_at_another_member_and_is_counted(server: RedisServer) -> None:
    async with members(server.url) as ((one, here), (other, there)):
        here.keep(key("a"), ENTRY, 1)
        await sync(one)
        wanted = [key("a"), key("b"), key("a", owner="other")]
        assert await there.recall(wanted) == [(key("a"), ENTRY)]
        assert other.health.asks["Recall", "answered"] == 1
        with server.client() as client:
            [name] = client.keys("{gw:vault}:vault:*")
            assert 86_000_000 < client.pttl(name) <= 86_400_000


@needs_redis
async def test_whatever_is_written_into_the_engine_no_member_is_harmed(
    server: RedisServer,
) -> None:
    async with members(server.url) as ((one, here), (other, there)):
        keys = [key(number) for number in range(4)]
        for each in keys:
            here.keep(each, ENTRY, 1)
        await sync(one)
        names = [f"{{gw:vault}}:vault:{_name(one, each)}" for each in keys]
        with server.client() as client:
            client.set(names[0], b"\xff\xfe\0\1")
            client.set(names[1], client.get(names[2]))
            client.delete(names[3])
            client.rpush(names[3], "a list")
        assert await there.recall(keys) == [(keys[2], ENTRY)]
        assert other.health.is_up


@needs_redis
async def test_an_answer_ends_before_the_commands_behind_it_wait_for_it(
    server: RedisServer,
) -> None:
    large = {"reasoning_content": "x" * (ENTRY_BYTES_MAX - 1000)}
    keys = [key(f"large {number}") for number in range(6)]
    async with members(server.url) as ((one, here), (_, there)):
        for each in keys:
            here.keep(each, large, 1)
        await sync(one)
        for expected in ([5, 4, 3, 2], [1, 0]):
            found = await there.recall(keys)
            assert found == [(keys[number], large) for number in expected]
            keys = keys[:2]


def _name(port: Cluster, each: Key) -> str:
    assert port.names.seal is not None
    return port.names.seal.name(each)
