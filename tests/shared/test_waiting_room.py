"""The waiting room: which call is woken, when, and that none stays behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.shared.engine import Admit, Close, Give, Open
from gateway.shared.local import Local
from gateway.shared.waiting_room import WaitingRoom
from gateway.types import Agent, Call, Client, Request
from tests.makers import Clock, model

LOCAL = model("custom", name="local", max_concurrent=1)
OTHER = model(name="other")
LONG_S = 60.0


def call_of(agent: str, number: int = 1, *, models: tuple[Any, ...] = (LOCAL,)) -> Call:
    return Call(f"{agent}{number}", Agent(agent, models), Client("tests"), Request({}), False, 0.0)


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


class Waiters:
    """Calls that wait, and the order in which they came back."""

    def __init__(self, room: WaitingRoom, *calls: Call) -> None:
        self.back: list[str] = []
        self.tasks = {call.id: asyncio.create_task(self._wait(room, call)) for call in calls}

    async def _wait(self, room: WaitingRoom, call: Call) -> None:
        await room.wait(call, call.agent.models, LONG_S)
        self.back.append(call.id)

    def stop(self) -> None:
        for task in self.tasks.values():
            task.cancel()


class Bench:
    def __init__(self, calls_max: int = 500) -> None:
        self.shared = Local(Clock())
        self.room = WaitingRoom(self.shared, calls_max)

    def reopen(self, circuit_id: tuple[str, ...]) -> None:
        self.shared.tell(Open(circuit_id, 60.0, None))
        self.shared.tell(Close(circuit_id))

    def admit(self, call: Call) -> bool:
        return self.shared.ask(Admit(call.ticket, (LOCAL.key, LOCAL.credential_key), 1)) is not None


@pytest.mark.anyio
async def test_a_circuit_that_closes_wakes_all_in_fair_order() -> None:
    bench = Bench()
    waiters = Waiters(
        bench.room, call_of("a", 1), call_of("a", 2), call_of("b"), call_of("c", models=(OTHER,))
    )
    await settle()
    bench.reopen(LOCAL.key)
    await settle()
    assert waiters.back == ["a1", "b1", "a2"]
    assert len(bench.room) == 1
    waiters.stop()


@pytest.mark.anyio
async def test_a_slot_that_becomes_free_goes_to_one() -> None:
    bench = Bench()
    holder, first, second = call_of("x"), call_of("a"), call_of("b")
    assert bench.admit(holder)
    waiters = Waiters(bench.room, first, second)
    await settle()
    bench.shared.tell(Give(holder.ticket, LOCAL.key))
    await settle()
    assert waiters.back == ["a1"]
    assert not bench.admit(call_of("newcomer"))
    assert bench.admit(first)
    waiters.stop()


@pytest.mark.anyio
async def test_a_call_that_is_over_passes_its_promised_slot_on() -> None:
    bench = Bench()
    holder, first, second = call_of("x"), call_of("a"), call_of("b")
    assert bench.admit(holder)
    waiters = Waiters(bench.room, first, second)
    await settle()
    bench.shared.tell(Give(holder.ticket, LOCAL.key))
    await settle()
    bench.room.leave(first)
    await settle()
    assert waiters.back == ["a1", "b1"]


@pytest.mark.anyio
async def test_a_client_that_leaves_frees_its_place_in_the_room() -> None:
    bench = Bench(calls_max=1)
    waiters = Waiters(bench.room, call_of("a"))
    await settle()
    full_before = bench.room.is_full
    waiters.stop()
    await settle()
    assert (full_before, bench.room.is_full, len(bench.room)) == (True, False, 0)


@pytest.mark.anyio
async def test_time_runs_out() -> None:
    bench = Bench()
    await bench.room.wait(call_of("a"), (LOCAL,), 0.0)
    assert len(bench.room) == 0


@pytest.mark.anyio
async def test_two_calls_of_one_id_are_two_calls() -> None:
    bench = Bench()
    holder = call_of("x")
    assert bench.admit(holder)
    waiters = [Waiters(bench.room, call_of("a", 1)), Waiters(bench.room, call_of("a", 1))]
    await settle()
    bench.reopen(LOCAL.key)
    await settle()
    assert [each.back for each in waiters] == [["a1"], ["a1"]]
