"""The port of one member: what it asks, gives back, decides alone and restores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest

from gateway.failures import Failure, Kind
from gateway.shared.circuits import State
from gateway.shared.engine import (
    Admit,
    Close,
    Command,
    EndProbe,
    Give,
    Join,
    Leave,
    News,
    Open,
    Woken,
)
from gateway.shared.limits import Charge, LimitStates, Reserve, Seed, Settle
from gateway.shared.port import Pending
from gateway.shared.redis.cluster import Cluster, Settings, cluster
from gateway.shared.redis.session import Place
from gateway.text.engine_urls import parse
from gateway.text.limits import WhenDown
from tests.e2e.cluster import until
from tests.redis_proxy import Proxy, proxy
from tests.redis_server import RedisServer, needs_redis

pytestmark = [needs_redis, pytest.mark.anyio]

ACCOUNT: Final = ("custom", "http://lab", "key:default")
MODEL: Final = (*ACCOUNT, "a")
IDS: Final = (MODEL, ACCOUNT)
LIMITED: Final = Failure(Kind.RATE_LIMIT, "the key sk-abcdefghij is limited", status=429)
WAIT_S: Final = 1.0
"""Long, so that a busy machine changes nothing."""


@pytest.fixture(autouse=True)
def empty(server: RedisServer) -> None:
    with server.client() as client:
        client.flushall()


@pytest.fixture
async def between(server: RedisServer) -> AsyncIterator[Proxy]:
    with TemporaryDirectory() as folder:
        async with proxy(Path(folder) / "p.sock", server.path) as found:
            yield found


@asynccontextmanager
async def members(
    url: str,
    count: int = 2,
    *,
    wait_s: float = WAIT_S,
    silent_s: float = 10.0,
    rule: WhenDown = "share",
    beat_s: float = 0.05,
) -> AsyncIterator[list[Cluster]]:
    async with AsyncExitStack() as stack:
        found = []
        for number in range(count):
            place = Place(parse(url), "tests", f"m{number}", lambda: None, silent_s)
            port = cluster(
                place,
                Settings(wait_s, rule, beat_s, count),
                host=f"host {number}",
                clock=time.monotonic,
                wall=time.time,
            )
            for circuit_id in IDS:
                port.names.circuit(circuit_id)
            port.begin()
            stack.push_async_callback(port.membership.aclose)
            found.append(port)
        await until(lambda: all(port.health.is_up for port in found))
        yield found


async def answer(port: Cluster, command: Command) -> Any:
    found = port.ask(command)
    return await found.answer if isinstance(found, Pending) else found


async def sync(*ports: Cluster) -> None:
    """What was said before has been done, and has been received by all."""
    for port in ports:
        await port.membership.ask("snapshot")
    await asyncio.sleep(0.01)


def charges(amount: int, cap: int = 100) -> tuple[Charge, ...]:
    return (Charge("all", amount, cap, "2026-11-26", time.time() + 86_400),)


async def spent(port: Cluster) -> tuple[int, int]:
    (state,) = await answer(port, LimitStates(charges(0)))
    return state.spent, state.reserved


# --- while the engine is there --------------------------------------------------------------------


async def test_an_opening_is_known_to_all_without_what_names_a_host(server: RedisServer) -> None:
    async with members(server.url) as (first, second):
        first.tell(Open(MODEL, 60.0, LIMITED))
        await until(lambda: second.circuits.get(MODEL).state is State.OPEN)
        failure = second.circuits.get(MODEL).failure
        assert failure is not None
        assert (failure.message, failure.status) == ("the key *** is limited", 429)
        with server.client() as client:
            kept = b"".join(client.hgetall("{gw:tests}:circuits"))
        assert b"lab" not in kept
        generations = {port.circuits.get(MODEL).generation for port in (first, second)}
        assert generations == {1}


async def test_one_probe_and_its_success_is_known_to_all(server: RedisServer) -> None:
    async with members(server.url) as (first, second):
        first.tell(Open(MODEL, 0.0, LIMITED))
        await until(lambda: second.circuits.get(MODEL).state is State.OPEN)
        answers = [await answer(port, Admit(7, IDS)) for port in (first, second, second)]
        assert [each is not None for each in answers] == [True, False, False]
        assert answers[0].probes == (True, False)
        assert second.health.asks["Admit", "answered"] == 1, "a denied probe is not asked again"
        closed: list[bool] = []
        second.subscribe(lambda news: closed.append(getattr(news, "is_own", True)))
        first.tell(Close(MODEL, answers[0].generations[0]))
        assert first.circuits.get(MODEL).state is State.CLOSED
        await until(lambda: second.circuits.get(MODEL).state is State.CLOSED)
        assert closed == [False]


async def test_a_newer_failure_fences_the_probe(server: RedisServer) -> None:
    async with members(server.url) as (first, second):
        first.tell(Open(MODEL, 0.0, LIMITED))
        await until(lambda: second.circuits.get(MODEL).state is State.OPEN)
        permit = await answer(first, Admit(1, IDS))
        second.tell(Open(MODEL, 60.0, LIMITED))
        await until(lambda: first.circuits.get(MODEL).generation == 2)
        first.tell(Close(MODEL, permit.generations[0]))
        await sync(first, second)
        assert [port.circuits.get(MODEL).state for port in (first, second)] == [State.OPEN] * 2


async def test_a_slot_is_handed_to_the_member_whose_call_waits(server: RedisServer) -> None:
    async with members(server.url) as (first, second):
        woken: list[News] = []
        second.subscribe(woken.append)
        assert await answer(first, Admit(1, IDS, 1))
        assert await answer(second, Admit(5, IDS, 1)) is None
        second.tell(Join(5, "dev", 1, (MODEL,)))
        await sync(second)
        first.tell(Give(1, MODEL))
        await until(lambda: woken == [Woken(5)])
        assert await answer(first, Admit(2, IDS, 1)) is None, "the slot is promised"
        assert await answer(second, Admit(5, IDS, 1))
        second.tell(Leave(5))


async def test_each_host_seeds_a_budget_once(server: RedisServer) -> None:
    async with members(server.url) as (first, second):
        for port, amount in ((first, 10), (second, 5), (first, 70)):
            port.tell(Seed(charges(amount)[0]))
        await sync(first, second)
        assert await spent(first) == (15, 0)


async def test_every_key_ends_by_itself(server: RedisServer) -> None:
    async with members(server.url) as (first, second):
        first.tell(Open(MODEL, 60.0, LIMITED))
        rate = Charge("dev", 1, 60, per_s=60.0)
        await answer(first, Reserve(1, (*charges(10), rate)))
        await answer(second, Admit(2, ((*ACCOUNT, "b"), ACCOUNT), 1))
        second.tell(Join(3, "dev", 1, ((*ACCOUNT, "b"),)))
        await second.membership.ask("keys_put", ["a", "b"])
        await sync(first, second)
        with server.client() as client:
            keys = client.keys("*")
            assert len(keys) >= 12
            assert [key for key in keys if client.pttl(key) < 0] == []
            assert all(key.startswith(b"{gw:tests}:") for key in keys)


# --- answers that come too late -------------------------------------------------------------------


async def test_what_a_late_answer_grants_is_given_back(server: RedisServer, between: Proxy) -> None:
    async with members(between.url, 1, wait_s=0.3, beat_s=30.0) as (port,):
        assert (await answer(port, Reserve(9, charges(60)))).is_granted
        between.delay_s = 0.5
        decision = await answer(port, Reserve(1, charges(30)))
        assert (decision.is_granted, decision.is_alone) == (True, True)
        assert not (await answer(port, Reserve(2, charges(30)))).is_granted, "70 + 30 of 100"
        asking = asyncio.ensure_future(answer(port, Reserve(3, charges(5))))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait((asking,))
        with server.client() as client:
            await until(lambda: client.zcard("{gw:tests}:holds") == 3)
            await until(lambda: client.zcard("{gw:tests}:holds") == 2)
        between.delay_s = 0.0
        await sync(port)
        assert await spent(port) == (0, 90), "of those two that were granted, and still hold"
        port.tell(Settle(1, charges(20)))
        port.tell(Settle(9, charges(60)))
        await sync(port)
        assert await spent(port) == (80, 0)


async def test_a_late_slot_and_a_late_probe_are_given_back(
    server: RedisServer, between: Proxy
) -> None:
    async with members(between.url, 1, wait_s=0.3, beat_s=30.0) as (port,):
        port.tell(Open(MODEL, 0.0, LIMITED))
        await sync(port)
        between.delay_s = 0.5
        asking = asyncio.ensure_future(answer(port, Admit(1, IDS, 1)))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait((asking,))
        with server.client() as client:
            slots = f"{{gw:tests}}:slots:{port.names.circuit(MODEL)}"
            await until(lambda: client.hlen(slots) == 1)
            await until(lambda: client.hlen(slots) == 0)
        between.delay_s = 0.0
        await sync(port)
        permit = await answer(port, Admit(2, IDS, 1))
        assert permit.probes == (True, False)
        port.tell(EndProbe(MODEL, permit.generations[0]))
        port.tell(Give(2, MODEL))


# --- without the engine ---------------------------------------------------------------------------


async def without_engine(port: Cluster, between: Proxy) -> None:
    between.refuses = True
    between.drop()
    await until(lambda: not port.health.is_up)


async def again(port: Cluster, between: Proxy) -> None:
    between.refuses = False
    await until(lambda: port.health.is_up)


@pytest.mark.parametrize(
    ("rule", "slots", "calls"), [("share", 2, 4), ("open", 4, 9), ("closed", 0, 0)]
)
async def test_what_a_member_may_use_alone(
    rule: WhenDown, slots: int, calls: int, server: RedisServer, between: Proxy
) -> None:
    async with members(server.url, 1), members(between.url, 1, rule=rule) as (port,):
        await until(lambda: port.health.members == 1 or port.health.members == 2)
        port.health.members = 2
        assert (await answer(port, Reserve(99, charges(20)))).is_granted
        await without_engine(port, between)
        permits = [await answer(port, Admit(number, IDS, 4)) for number in range(6)]
        assert sum(each is not None for each in permits) == slots
        assert all(each.is_alone for each in permits if each is not None)
        decisions = [await answer(port, Reserve(number, charges(10))) for number in range(9)]
        assert sum(each.is_granted for each in decisions) == calls, "of 100 - 20, halved"
        assert all(each.is_alone for each in decisions)
        if rule == "closed":
            assert decisions[0].levels == ()


async def test_a_limit_may_say_otherwise_than_the_group(
    server: RedisServer, between: Proxy
) -> None:
    day = charges(10)[0]

    def limit(name: str, when_down: WhenDown, **more: Any) -> Charge:
        return day._replace(limit_id=name, when_down=when_down, **more)

    rate: Final = {"period": "", "per_s": 60.0}
    mine, all_of_it = limit("mine", "share"), limit("all", "open")
    calls = limit("calls", "open", **rate, cap=1, amount=1)
    async with members(between.url, 1, rule="closed") as (port,):
        port.health.members = 2
        await without_engine(port, between)
        assert not (await answer(port, Reserve(1, (day, all_of_it)))).is_granted
        assert not (await answer(port, Reserve(2, (limit("no", "closed"),)))).is_granted
        asked = [await answer(port, Reserve(n, (mine, all_of_it, calls))) for n in range(3, 10)]
        assert sum(each.is_granted for each in asked) == 5, "half of 100"
        assert {level.limit_id for level in asked[-1].levels} == {"mine"}
        free = [await answer(port, Reserve(n, (all_of_it, calls))) for n in range(10, 30)]
        assert all(each.is_granted for each in free)
        assert free[-1].levels[0][:3] == ("all", 250, 100), "counted all the same"
        port.tell(Settle(29, (all_of_it, calls)))
        assert (await answer(port, Reserve(30, (all_of_it, calls)))).is_granted


async def test_what_was_granted_alone_is_known_to_the_engine_afterwards(
    server: RedisServer, between: Proxy
) -> None:
    async with members(between.url, 1) as (port,):
        await without_engine(port, between)
        assert (await answer(port, Reserve(1, charges(30)))).is_granted
        assert (await answer(port, Reserve(2, charges(30)))).is_granted
        port.tell(Settle(2, charges(25)))
        assert await answer(port, Admit(3, IDS, 4))
        port.tell(Open(ACCOUNT, 60.0, LIMITED))
        await again(port, between)
        assert await spent(port) == (25, 30)
        with server.client() as client:
            name = port.names.circuit(MODEL)
            assert client.hkeys(f"{{gw:tests}}:slots:{name}") == [b"m0:3"]
            assert client.hlen("{gw:tests}:circuits") == 1
        assert port.circuits.get(ACCOUNT).state is State.OPEN


async def test_a_settlement_that_may_have_arrived_counts_once(
    server: RedisServer, between: Proxy
) -> None:
    async with members(between.url, 1, silent_s=0.25) as (port,):
        for ticket in (1, 2):
            assert (await answer(port, Reserve(ticket, charges(30)))).is_granted
        between.delay_s = 10.0  # it is carried out, and its answer is lost
        port.tell(Settle(1, charges(20)))
        await until(lambda: not port.health.is_up)
        between.delay_s = 0.0
        await until(lambda: port.health.is_up)
        await until(lambda: port.health.outbox == 0)
        assert await spent(port) == (20, 30)


async def test_calls_that_wait_are_served_by_this_process_alone_and_then_by_all(
    server: RedisServer, between: Proxy
) -> None:
    async with members(between.url, 1) as (port,):
        woken: list[News] = []
        port.subscribe(woken.append)
        assert await answer(port, Admit(1, IDS, 1))
        for ticket in (2, 3):
            port.tell(Join(ticket, "dev", 1, (MODEL,)))
        await without_engine(port, between)
        port.tell(Give(1, MODEL))
        assert woken == [Woken(2)]
        assert await answer(port, Admit(2, IDS, 1))
        await again(port, between)
        with server.client() as client:
            assert client.hkeys("{gw:tests}:waiting") == [b"m0:3"]
        port.tell(Give(2, MODEL))
        await until(lambda: woken == [Woken(2), Woken(3)])


async def test_what_a_dead_member_held_is_free_after_its_lease(server: RedisServer) -> None:
    async with members(server.url) as (first, second):
        assert await answer(first, Admit(1, IDS, 1))
        assert (await answer(first, Reserve(1, charges(40)))).is_granted
        session, beats = first.membership.session, first.membership.task
        assert session is not None
        assert beats is not None
        beats.cancel()  # before its session ends, or it begins another one
        await asyncio.wait([beats])
        await session.aclose()
        with server.client() as client:
            client.zincrby("{gw:tests}:members", -16e6, "m0")  # 16 s ago
            await until(lambda: client.zscore("{gw:tests}:members", "m0") is None)
        assert await answer(second, Admit(1, IDS, 1))
        assert await spent(second) == (40, 0)


async def test_a_rate_that_was_used_before_is_not_used_up_alone(
    server: RedisServer, between: Proxy
) -> None:
    rate = (Charge("dev", 1, 60, per_s=6000.0),)  # so slow that a busy machine gets none back
    async with members(between.url, 1) as (port,):
        for ticket in range(50):
            assert (await answer(port, Reserve(ticket, rate))).is_granted
            port.tell(Settle(ticket, rate))
        port.health.members = 3
        await without_engine(port, between)
        granted = 0
        for ticket in range(100, 140):
            granted += (await answer(port, Reserve(ticket, rate))).is_granted
            port.tell(Settle(ticket, rate))
        assert granted == 20, "the share of three, also after what was used is settled"


async def test_a_late_answer_does_not_fix_the_share_of_a_budget_forever(
    server: RedisServer, between: Proxy
) -> None:
    async with members(between.url, 1, wait_s=0.3, beat_s=30.0) as (port,):
        between.delay_s = 0.5
        assert (await answer(port, Reserve(1, charges(100)))).is_alone
        between.delay_s = 0.0
        await sync(port)
        port.tell(Settle(1, charges(0)))
        for ticket in (2, 3):
            assert (await answer(port, Reserve(ticket, charges(40)))).is_granted
            port.tell(Settle(ticket, charges(40)))
        between.delay_s = 0.5
        assert (await answer(port, Reserve(4, charges(20)))).is_granted
        assert not (await answer(port, Reserve(5, charges(1)))).is_granted


# --- an engine that has lost its memory -----------------------------------------------------------


async def test_budgets_are_exact_whenever_the_engine_loses_its_memory(server: RedisServer) -> None:
    async with members(server.url, 3, beat_s=0.5) as ports:
        with server.client() as client:
            for port, amount in zip(ports, (10, 5, 0), strict=True):
                port.tell(Seed(charges(amount)[0]))
            for ticket in range(90):
                port = ports[ticket % 3]
                assert (await answer(port, Reserve(ticket, charges(2, 1000)))).is_granted
                if ticket in (30, 31, 60):
                    client.flushall()
                port.tell(Settle(ticket, charges(1)))
            assert (await answer(ports[0], Reserve(99, charges(7)))).is_granted
            client.flushall()
            await until(lambda: client.hlen("{gw:tests}:infos") == 3)
        await until(lambda: all(port.health.is_up for port in ports))
        await sync(*ports)
        assert await spent(ports[1]) == (15 + 90, 7), "a call under way holds its part"


async def test_what_a_call_took_without_the_engine_is_counted_once(
    server: RedisServer, between: Proxy
) -> None:
    async with members(between.url, 1) as (port,):
        await without_engine(port, between)
        assert (await answer(port, Reserve(1, charges(30)))).is_granted
        assert (await answer(port, Reserve(2, charges(30)))).is_granted
        port.tell(Settle(1, charges(25)))
        with server.client() as client:
            client.flushall()
        await again(port, between)
        assert await spent(port) == (25, 30)
