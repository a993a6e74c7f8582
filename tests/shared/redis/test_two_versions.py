"""Two versions of the function library on one server, as while gateways are updated one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from gateway.shared.circuits import State
from gateway.shared.engine import Admit, Close, Command, Give, Join, News, Open, Woken
from gateway.shared.limits import Reserve, Settle
from gateway.shared.redis import library, messages
from gateway.shared.redis.names import Names
from tests.e2e.cluster import until
from tests.redis_server import RedisServer, needs_redis, running
from tests.shared.redis.test_cluster import (
    IDS,
    LIMITED,
    MODEL,
    answer,
    charges,
    members,
    spent,
    sync,
)

pytestmark = [needs_redis, pytest.mark.anyio]

NEWS: Final = """
  say('news', {'drained', id})
  say('news', {'drained', id, 60000000, '', c.g + 5, me})
  say('news', {})
"""
"""What a later release may say of a circuit, in any shape."""


def next_release() -> str:
    """The library under the names of the next release, whose messages this one does not all
    know."""
    text = library.source().replace(library.NAME, "gateway2").replace(library.PREFIX, "gw2_")
    begin = "local function changed(state, id, c, now)"
    assert text.count(begin) == 1
    return text.replace(begin, begin + NEWS)


class Newer:
    """A member of the next release, as the server sees it."""

    def __init__(self, client: Any) -> None:
        self.names = Names("n0")
        for circuit_id in IDS:
            self.names.circuit(circuit_id)
        self._client = client

    def call(self, function: str, *arguments: Any) -> Any:
        packed = messages.pack(arguments)
        raw = self._client.fcall(f"gw2_{function}", 1, "{gw:tests}:", "n0", packed, "")
        return messages.unpack(raw)

    def do(self, command: Command) -> Any:
        function, arguments = messages.question(command, self.names)
        return messages.answer(command, self.call(function, *arguments), self.names)

    def hello(self) -> None:
        self.call("hello", "n0", '{"version": "next"}', "", 1)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running() as found:
        with found.client() as client:
            client.function_load(next_release())
        yield found


async def test_both_are_loaded_and_each_member_sees_the_others(server: RedisServer) -> None:
    async with members(server.url) as (first, _):
        with server.client() as client:
            Newer(client).hello()
            names = {each[1] for each in client.function_list()}
        assert names == {b"gateway1", b"gateway2"}
        await until(lambda: first.health.members == 3)
        group = await first.membership.group()
        assert [each.version for each in group.members if each.name == "n0"] == ["next"]


async def test_a_circuit_is_known_to_both_and_unknown_news_changes_nothing(
    server: RedisServer,
) -> None:
    async with members(server.url, 1) as (port,):
        with server.client() as client:
            newer = Newer(client)
            newer.do(Open(MODEL, 0.0, LIMITED))
            await until(lambda: port.circuits.get(MODEL).state is State.OPEN)
            assert port.health.news["drained"] == 2
            assert port.circuits.get(MODEL).generation == 1
            permit = await answer(port, Admit(1, IDS))
            assert permit.probes == (True, False)
            assert newer.do(Admit(1, IDS)) is None, "there is one probe"
            port.tell(Close(MODEL, permit.generations[0]))
            await sync(port)
            assert newer.do(Admit(2, IDS)) is not None
        assert port.health.is_up


async def test_slots_and_budgets_are_exact_among_both(server: RedisServer) -> None:
    async with members(server.url, 1) as (port,):
        woken: list[News] = []
        port.subscribe(woken.append)
        with server.client() as client:
            newer = Newer(client)
            newer.hello()
            assert newer.do(Admit(1, IDS, 1)) is not None
            assert await answer(port, Admit(2, IDS, 1)) is None
            port.tell(Join(2, "dev", 1, (MODEL,)))
            await sync(port)
            newer.do(Give(1, MODEL))
            await until(lambda: woken == [Woken(2)])
            granted = newer.do(Reserve(1, charges(60))).is_granted
            assert (granted, (await answer(port, Reserve(3, charges(60)))).is_granted) == (
                True,
                False,
            )
            newer.do(Settle(1, charges(30)))
            assert (await answer(port, Reserve(3, charges(60)))).is_granted
            assert await spent(port) == (30, 60)


async def test_the_older_release_goes_on_when_the_newer_one_leaves(server: RedisServer) -> None:
    async with members(server.url, 1) as (port,):
        with server.client() as client:
            newer = Newer(client)
            newer.hello()
            newer.do(Reserve(1, charges(40)))
            newer.call("gone", "n0")
            client.function_delete("gateway2")
        assert await spent(port) == (40, 0), "what it left is charged with its estimate"
        assert (await answer(port, Reserve(1, charges(10)))).is_granted
