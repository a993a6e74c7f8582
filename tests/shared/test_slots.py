"""Slots at a model, and the order of the calls that wait for one."""

from __future__ import annotations

from typing import Any

from gateway.failures import Failure, Kind
from gateway.shared.engine import (
    Admit,
    Close,
    Command,
    Engine,
    Give,
    Join,
    Leave,
    News,
    Open,
    Permit,
    Woken,
)
from gateway.shared.slots import FairOrder

LOCAL, OTHER, FREE = ("a", "b", "c", "local"), ("a", "b", "c", "other"), ("a", "b", "c", "free")
SLOTS_MAX = 2


def order_of(*groups: tuple[str, int, int]) -> list[Any]:
    order = FairOrder()
    for agent, count, weight in groups:
        for number in range(1, count + 1):
            order.join(f"{agent}{number}", agent, weight, (LOCAL,))
    return [waiting.ticket for waiting in order]


def test_agents_take_turns_whatever_their_number_of_calls() -> None:
    assert order_of(("a", 4, 1), ("b", 2, 1)) == ["a1", "b1", "a2", "b2", "a3", "a4"]


def test_a_heavier_agent_takes_more_turns() -> None:
    assert order_of(("a", 4, 1), ("b", 4, 2)) == ["a1", "b1", "b2", "a2", "b3", "b4", "a3", "a4"]


def test_a_newcomer_does_not_profit_from_having_been_idle() -> None:
    order = FairOrder()
    for number in range(1, 7):
        order.join(f"a{number}", "a", 1, (LOCAL,))
    for number in range(1, 4):
        order.leave(f"a{number}", served=True)
    order.join("b1", "b", 1, (LOCAL,))
    assert [waiting.ticket for waiting in order] == ["b1", "a4", "a5", "a6"]


def test_a_call_that_leaves_unserved_gives_the_turn_back() -> None:
    order = FairOrder()
    for number in (1, 2):
        order.join(f"a{number}", "a", 1, (LOCAL,))
    before = [waiting.starts for waiting in order]
    order.leave("a2", served=False)
    order.join("b1", "b", 1, (LOCAL,))
    order.join("a3", "a", 1, (LOCAL,))
    after = {waiting.ticket: waiting.starts for waiting in order}
    assert before == [0.0, after["a3"]]


class Bench:
    """An engine, and the tickets that it woke."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.woken: list[Any] = []
        self.now = 0.0

    def do(self, command: Command) -> Any:
        answer, news = self.engine.do(command, self.now)
        self._note(news)
        return answer

    def _note(self, news: list[News]) -> None:
        self.woken += [each.ticket for each in news if isinstance(each, Woken)]

    def takes(self, ticket: str, model: tuple[str, ...] = LOCAL) -> bool:
        slots_max = None if model is FREE else SLOTS_MAX
        return isinstance(self.do(Admit(ticket, (model, model[:-1]), slots_max)), Permit)

    def full_with_a_waiter(self, *waiting: str) -> Bench:
        assert self.takes("x")
        assert self.takes("y")
        for ticket in waiting:
            self.do(Join(ticket, ticket, 1, (LOCAL,)))
        self.do(Give("x", LOCAL))
        return self


def test_a_model_without_a_limit_always_has_room() -> None:
    bench = Bench()
    assert all(bench.takes(str(number), FREE) for number in range(1000))


def test_a_full_model_has_none_until_one_is_given_back() -> None:
    bench = Bench()
    assert [bench.takes(ticket) for ticket in "abc"] == [True, True, False]
    bench.do(Give("a", LOCAL))
    assert bench.takes("c")


def test_a_slot_is_given_back_once() -> None:
    bench = Bench()
    assert bench.takes("a")
    assert bench.takes("b")
    for _ in range(3):
        bench.do(Give("a", LOCAL))
    assert [bench.takes("c"), bench.takes("d")] == [True, False]


def test_a_freed_slot_is_kept_for_the_call_that_waited() -> None:
    bench = Bench().full_with_a_waiter("a")
    assert bench.woken == ["a"]
    assert not bench.takes("newcomer")
    assert bench.takes("a")
    assert not bench.takes("b")


def test_a_call_that_waits_and_finds_a_slot_by_itself_waits_no_longer() -> None:
    bench = Bench()
    assert bench.takes("x")
    bench.do(Join("a", "a", 1, (LOCAL,)))
    assert bench.takes("a")
    bench.do(Give("x", LOCAL))
    assert bench.woken == []
    bench.do(Give("a", LOCAL))
    assert [bench.takes("c"), bench.takes("d")] == [True, True]


def test_a_promise_that_is_not_needed_passes_on() -> None:
    bench = Bench().full_with_a_waiter("a", "b")
    bench.do(Leave("a"))
    assert bench.woken == ["a", "b"]
    bench.do(Leave("b"))
    assert bench.takes("newcomer")


def test_a_call_that_is_served_elsewhere_loses_its_promised_slot() -> None:
    bench = Bench().full_with_a_waiter("a")
    assert bench.takes("a", FREE)
    assert bench.takes("newcomer")


def test_a_call_that_waits_again_loses_its_promised_slot() -> None:
    bench = Bench().full_with_a_waiter("a")
    bench.do(Join("a", "a", 1, (OTHER,)))
    assert bench.takes("newcomer")


def test_a_slot_of_a_model_that_cools_down_is_promised_to_no_call() -> None:
    bench = Bench()
    assert bench.takes("x")
    assert bench.takes("y")
    bench.do(Join("a", "a", 1, (LOCAL,)))
    bench.do(Open(LOCAL, 60.0, Failure(Kind.RATE_LIMIT, "slow down")))
    bench.do(Give("x", LOCAL))
    assert bench.woken == []
    bench.now = 60.0
    assert bench.takes("newcomer")


def test_a_circuit_that_closes_wakes_all_in_fair_order() -> None:
    bench = Bench()
    for ticket, agent in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        bench.do(Join(ticket, agent, 1, (LOCAL,)))
    bench.do(Join("c1", "c", 1, ((*FREE[:2], "another", "model"),)))
    bench.do(Open(LOCAL[:-1], 60.0, None))
    bench.do(Close(LOCAL[:-1]))
    assert bench.woken == ["a1", "b1", "a2"]


def test_no_call_is_woken_for_a_model_that_it_does_not_wait_for() -> None:
    bench = Bench().full_with_a_waiter()
    bench.do(Join("a", "a", 1, (OTHER,)))
    bench.do(Give("y", LOCAL))
    assert bench.woken == []
