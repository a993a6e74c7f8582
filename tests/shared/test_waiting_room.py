"""The waiting room: who is woken, when, and that nobody stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateway.shared.waiting_room import WaitingRoom
from gateway.types import Agent, Call, Client, Model
from tests.makers import model

LOCAL = model("custom", name="local", max_concurrent=1)
OTHER = model(name="other")
LONG_S = 60.0


def call_of(agent: str, number: int = 1, *, models: tuple[Any, ...] = (LOCAL,)) -> Call:
    return Call(f"{agent}{number}", Agent(agent, models), Client("tests"), {}, False, 0.0)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 5))


def ready(_: Model) -> bool:
    return True


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


def test_a_circuit_that_closes_wakes_all_in_fair_order() -> None:
    async def work() -> None:
        room = WaitingRoom(ready)
        waiters = Waiters(room, call_of("a", 1), call_of("a", 2), call_of("b"), call_of("c", models=(OTHER,)))
        await settle()
        room.wake_all(LOCAL.key)
        await settle()
        assert waiters.back == ["a1", "b1", "a2"]
        assert len(room) == 1
        waiters.stop()

    run(work())


def test_a_credential_that_recovers_wakes_all_its_models() -> None:
    async def work() -> None:
        room = WaitingRoom(ready)
        waiters = Waiters(room, call_of("c", models=(OTHER,)))
        await settle()
        room.wake_all(OTHER.key[:3])
        await settle()
        assert waiters.back == ["c1"]

    run(work())


def test_a_place_that_becomes_free_goes_to_one() -> None:
    async def work() -> None:
        room = WaitingRoom(ready)
        room.capacity.take(call_of("x"), LOCAL)
        first, second = call_of("a"), call_of("b")
        waiters = Waiters(room, first, second)
        await settle()
        room.capacity.give(LOCAL)
        await settle()
        assert waiters.back == ["a1"]
        assert room.capacity.has_room(first, LOCAL)
        assert not room.capacity.has_room(call_of("newcomer"), LOCAL)
        waiters.stop()

    run(work())


def test_a_client_that_leaves_frees_its_place_in_the_room() -> None:
    async def work() -> None:
        room = WaitingRoom(ready, places_max=1)
        waiters = Waiters(room, call_of("a"))
        await settle()
        full_before = room.is_full
        waiters.stop()
        await settle()
        assert (full_before, room.is_full, len(room)) == (True, False, 0)

    run(work())


def test_time_runs_out() -> None:
    async def work() -> None:
        room = WaitingRoom(ready)
        await room.wait(call_of("a"), (LOCAL,), 0.0)
        assert len(room) == 0

    run(work())


def test_a_place_at_a_model_that_rests_is_promised_to_nobody() -> None:
    async def work() -> None:
        room = WaitingRoom(lambda _: False)
        room.capacity.take(call_of("x"), LOCAL)
        waiters = Waiters(room, call_of("a"), call_of("b"))
        await settle()
        room.capacity.give(LOCAL)
        await settle()
        assert (waiters.back, len(room)) == ([], 2)
        assert room.capacity.has_room(call_of("newcomer"), LOCAL)
        waiters.stop()

    run(work())


def test_nobody_is_woken_for_a_model_that_cannot_serve_the_call_any_more() -> None:
    async def work() -> None:
        room = WaitingRoom(ready)
        room.capacity.take(call_of("x"), LOCAL)
        waiting = asyncio.create_task(room.wait(call_of("a", models=(LOCAL, OTHER)), (OTHER,), LONG_S))
        await settle()
        room.capacity.give(LOCAL)
        room.wake_all(LOCAL.key)
        await settle()
        assert (waiting.done(), len(room)) == (False, 1)
        waiting.cancel()

    run(work())
