"""The two places of the engine, in the process and in the supervisor, answer the same."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.failures import Failure, Kind
from gateway.shared.circuits import Change
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
    Permit,
    Woken,
)
from gateway.shared.limits import Charge, LimitStates, Renew, Reserve, Seed, Settle
from gateway.shared.local import Local
from gateway.shared.port import Pending, Shared
from gateway.shared.replay import Replay
from gateway.shared.switchboard import Switchboard
from gateway.shared.wire import Frames, Message, pack
from gateway.shared.workers import READ_BYTES, Workers
from tests.makers import Clock

ACCOUNT = ("custom", "http://lab", "key:default")
MODELS = [(*ACCOUNT, "a"), (*ACCOUNT, "b")]
LIMITED = Failure(Kind.RATE_LIMIT, "slow down", status=429)


class Desk:
    """A supervisor without a process: real sockets, the real switchboard."""

    def __init__(self, clock: Clock, workers: int) -> None:
        self._clock = clock
        self._switchboard = Switchboard()
        self._links: dict[int, tuple[socket.socket, Frames]] = {}
        self.orphaned, self._alive = os.pipe()
        self.workers = [self._worker(number, workers) for number in range(1, workers + 1)]

    def _worker(self, number: int, workers: int) -> Workers:
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
        self._links[number] = (ours, Frames())
        self._switchboard.started(number)
        asyncio.get_running_loop().add_reader(ours, self._read, number)
        worker = Workers(theirs, self.orphaned, self._clock, workers=workers, snapshot=[])
        worker.join(lambda: f"page {number}")
        return worker

    def _read(self, number: int) -> None:
        sock, frames = self._links[number]
        for message in frames.feed(sock.recv(READ_BYTES)):
            for other, out in self._switchboard.receive(number, message, self._clock()):
                self._links[other][0].send(pack(out))

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for sock, _ in self._links.values():
            loop.remove_reader(sock)
            sock.close()
        for worker in self.workers:
            worker.close()
        os.close(self.orphaned)
        os.close(self._alive)


async def answer(shared: Shared, command: Command) -> Any:
    found = shared.ask(command)
    return await found.answer if isinstance(found, Pending) else found


class Player:
    """Plays a script through a port, and notes what a call would see."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._permits: dict[int, Permit] = {}
        self.seen: list[Any] = []
        self.woken: list[Any] = []
        shared.subscribe(self._receive)

    def _receive(self, news: News) -> None:
        if isinstance(news, Woken):
            self.woken.append(news.ticket)

    async def play(self, word: str, ticket: int, model: int) -> None:
        circuit_id = MODELS[model]
        if word == "admit" and ticket not in self._permits:
            permit = await answer(self._shared, Admit(ticket, (circuit_id, ACCOUNT), 2))
            self.seen.append(permit)
            if permit is not None:
                self._permits[ticket] = permit
        elif word == "open":
            self._shared.tell(Open(circuit_id, 60.0 + ticket, LIMITED))
        elif word == "join" and ticket not in self._permits:
            self._shared.tell(Join(ticket, f"agent {ticket % 2}", 1, (circuit_id,)))
        elif word == "leave":
            self._shared.tell(Leave(ticket))
        elif word in LIMIT_WORDS:
            await self._limit(word, ticket, model)
        elif word in ("succeed", "release", "give") and ticket in self._permits:
            self._settle(word, self._permits.pop(ticket))

    async def _limit(self, word: str, ticket: int, day: int) -> None:
        held, true = charges(day, 20 + ticket), charges(day, 15 * ticket)
        if word == "reserve":
            self.seen.append(await answer(self._shared, Reserve(ticket, held, 100.0)))
        elif word == "settle":
            self._shared.tell(Settle(ticket, true))
        elif word == "renew":
            self._shared.tell(Renew(ticket, 100.0))
        elif word == "seed":
            self._shared.tell(Seed(held[0]))
        self.seen.append(await answer(self._shared, LimitStates()))

    def _settle(self, word: str, permit: Permit) -> None:
        for circuit_id, generation, is_probe in zip(*permit[1:4], strict=True):
            if is_probe:
                command = Close if word == "succeed" else EndProbe
                self._shared.tell(command(circuit_id, generation))
        self._shared.tell(Give(permit.ticket, permit.circuit_ids[0]))


LIMIT_WORDS = ("reserve", "settle", "renew", "seed")


def charges(day: int, amount: int) -> tuple[Charge, ...]:
    """A budget of 100 a day and a rate of 60 a minute."""
    budget = Charge("all", amount, 100, f"2026-11-{25 + day}", 86_400.0 * (1 + day))
    return (budget, Charge("dev", amount, 60, per_s=60.0))


ECHO = Admit(999, (("x", "y", "z", "echo"), ("x", "y", "z")))
"""Holds nothing; its answer says that everything before it has been done."""

STEPS = st.tuples(
    st.sampled_from(
        [
            "admit",
            "admit",
            "admit",
            "open",
            "join",
            "leave",
            "succeed",
            "release",
            "give",
            "reserve",
            *LIMIT_WORDS,
        ]
    ),
    st.integers(1, 6),
    st.integers(0, 1),
    st.sampled_from([0.0, 0.0, 30.0, 90.0]),
)


async def played(
    shared: Shared, clock: Clock, steps: Sequence[tuple[str, int, int, float]]
) -> tuple[Any, ...]:
    player = Player(shared)
    for word, ticket, model, passes_s in steps:
        if passes_s:
            await answer(shared, ECHO)  # all earlier commands have been executed by now
            clock.now += passes_s
        await player.play(word, ticket, model)
    await answer(shared, ECHO)
    return player.seen, player.woken


async def compare(steps: Sequence[tuple[str, int, int, float]]) -> None:
    clock = Clock(0.0)
    local = await played(Local(clock), clock, steps)
    clock = Clock(0.0)
    desk = Desk(clock, 1)
    try:
        assert await played(desk.workers[0], clock, steps) == local
    finally:
        desk.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=30))
def test_both_places_answer_the_same(steps: list[tuple[str, int, int, float]]) -> None:
    asyncio.run(compare(steps))


async def sync(*workers: Workers) -> None:
    """Returns when every worker has received the news of the others."""
    for _ in range(2):
        for worker in workers:
            await answer(worker, ECHO)


@pytest.mark.anyio
async def test_an_opening_in_one_worker_is_known_in_the_other() -> None:
    desk = Desk(Clock(), 2)
    first, second = desk.workers
    first.tell(Open(MODELS[0], 60.0, LIMITED))
    await sync(first, second)
    assert second.circuits.get(MODELS[0]).failure == LIMITED
    desk.close()


@pytest.mark.anyio
async def test_one_probe_among_all_workers_and_its_success_is_known_to_all() -> None:
    clock = Clock()
    desk = Desk(clock, 2)
    first, second = desk.workers
    first.tell(Open(MODELS[0], 60.0, LIMITED))
    await sync(first, second)
    clock.now += 60
    command = Admit(7, (MODELS[0], ACCOUNT))
    probe = await answer(second, command)
    assert probe.probes == (True, False)
    assert await answer(first, command) is None
    closed: list[tuple[str, bool]] = []
    for worker, name in ((first, "first"), (second, "second")):
        worker.subscribe(lambda news, name=name: closed.append((name, news.is_own)))  # type: ignore[misc]
    second.tell(Close(MODELS[0], probe.generations[0]))
    await sync(first, second)
    assert sorted(closed) == [("first", False), ("second", True)]
    assert (await answer(first, command)).probes == (False, False)
    desk.close()


@pytest.mark.anyio
async def test_the_metrics_are_there_as_soon_as_all_have_answered() -> None:
    desk = Desk(Clock(), 3)
    await sync(*desk.workers)
    assert sorted(await desk.workers[1].pages()) == ["page 1", "page 2", "page 3"]
    desk.close()


@pytest.mark.anyio
async def test_what_one_worker_keeps_the_other_recalls() -> None:
    desk = Desk(Clock(), 2)
    first, second = desk.workers
    key, entry = ("me", "call", "call_12345678"), {"reasoning_content": "hm"}
    replay = Replay(on_kept=first.keep)
    replay.put("me", entry, {"id": "call_12345678"})
    await sync(first, second)
    assert await second.recall([("me", "call", "other"), key]) == [(key, entry)]
    assert await second.recall([]) == []
    desk.close()


def test_what_a_worker_held_is_free_once_it_is_gone() -> None:
    board, now = Switchboard(), 0.0

    def ask(worker: int, ticket: int) -> Any:
        command = Admit(ticket, (MODELS[0], ACCOUNT), 1)
        return [
            message.body for _, message in board.receive(worker, Message("Admit", 1, command), now)
        ]

    for worker in (1, 2):
        board.started(worker)
    assert ask(1, 5) != [None]
    assert ask(2, 5) == [None]
    list(board.receive(2, Message("Join", 0, Join(6, "dev", 1, (MODELS[0],))), now))
    assert list(board.gone(1, now)) == [(2, Message("woken", 0, 6))]


@given(st.lists(st.integers(1, 7), max_size=60))
def test_messages_are_the_same_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    messages = [
        Message("ready"),
        Message("answer", 3, None),
        Message("change", 0, {"a": ["b"] * 40}),
    ]
    data, frames = b"".join(map(pack, messages)), Frames()
    found: list[Message] = []
    for cut in cuts:
        found += frames.feed(data[:cut])
        data = data[cut:]
    assert found + list(frames.feed(data)) == messages


def test_what_a_worker_has_reserved_is_charged_once_it_is_gone() -> None:
    board, now = Switchboard(), 0.0
    for worker in (1, 2):
        board.started(worker)
    list(board.receive(1, Message("Reserve", 1, Reserve(5, charges(0, 30))), now))
    list(board.gone(1, now))
    ((_, answered),) = board.receive(2, Message("LimitStates", 2, LimitStates()), now)
    budget = answered.body[0]
    assert (budget.spent, budget.reserved, budget.orphaned) == (30, 0, 30)


@pytest.mark.anyio
async def test_a_budget_is_one_for_all_workers() -> None:
    desk = Desk(Clock(), 2)
    first, second = desk.workers
    granted = [
        (await answer(worker, Reserve(ticket, charges(0, 20)[:1]))).is_granted
        for ticket in range(3)
        for worker in (first, second)
    ]
    assert granted == [True] * 5 + [False]
    desk.close()


@pytest.mark.anyio
async def test_what_is_reserved_for_a_caller_that_has_left_is_given_back() -> None:
    desk = Desk(Clock(), 1)
    worker = desk.workers[0]
    asking = asyncio.ensure_future(answer(worker, Reserve(1, charges(0, 100))))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait((asking,))
    await answer(worker, ECHO)  # the answer to the question has come, and the return has left
    assert (await answer(worker, Reserve(2, charges(0, 100)))).is_granted
    desk.close()


@pytest.mark.anyio
async def test_without_the_supervisor_a_worker_uses_its_share_of_a_limit() -> None:
    sockets = socket.socketpair()
    sockets[1].setblocking(False)
    orphaned, alive = os.pipe()
    worker = Workers(sockets[1], orphaned, Clock(), workers=2, snapshot=[], answer_s=0.0)
    worker.tell(Seed(charges(0, 10)[0]))
    granted = [
        (await answer(worker, Reserve(ticket, charges(0, 20)[:1]))).is_granted
        for ticket in (1, 2, 3)
    ]
    assert granted == [True, True, False], "10 + 20 + 20 of 50, which is half of 100"
    worker.tell(Settle(1, charges(0, 0)[:1]))
    assert (await answer(worker, Reserve(3, charges(0, 20)[:1]))).is_granted
    worker.close()
    for each in sockets:
        each.close()
    os.close(orphaned)
    os.close(alive)


@pytest.mark.anyio
async def test_a_supervisor_that_does_not_answer_is_decided_without() -> None:
    _, theirs = sockets = socket.socketpair()
    theirs.setblocking(False)
    orphaned, alive = os.pipe()
    opened = Change(MODELS[1], "open", 60.0, LIMITED, 1)
    worker = Workers(theirs, orphaned, Clock(), workers=2, snapshot=[opened], answer_s=0.0)
    admitted = [await answer(worker, Admit(ticket, (MODELS[0], ACCOUNT), 2)) for ticket in (1, 2)]
    assert [permit is not None for permit in admitted] == [True, False], (
        "its share is one of two slots"
    )
    assert await answer(worker, Admit(3, (MODELS[1], ACCOUNT), 2)) is None
    worker.tell(Give(1, MODELS[0]))
    assert await answer(worker, Admit(2, (MODELS[0], ACCOUNT), 2)) is not None
    assert worker.unanswered == 4
    worker.close()
    for each in (*sockets,):
        each.close()
    os.close(orphaned)
    os.close(alive)
