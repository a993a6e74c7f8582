"""Places at a model, and the order of those who wait for one."""

from __future__ import annotations

from dataclasses import replace

from gateway.shared.slots import Capacity, FairOrder
from gateway.types import Agent, Call, Client, Model
from tests.makers import call, model

LOCAL = model("custom", name="local", max_concurrent=2)
FREE = model(name="free")


def calls_of(agent: str, count: int, weight: int = 1) -> list[Call]:
    one = Agent(agent, (LOCAL,), weight=weight)
    return [Call(f"{agent}{number}", one, Client("tests"), {}, False, 0.0) for number in range(1, count + 1)]


def order_of(*groups: list[Call]) -> list[str]:
    order = FairOrder()
    for group in groups:
        for each in group:
            order.join(each, each.agent.models)
    return [ticket.call.id for ticket in order]


def test_agents_take_turns_whatever_their_number_of_calls() -> None:
    assert order_of(calls_of("a", 4), calls_of("b", 2)) == ["a1", "b1", "a2", "b2", "a3", "a4"]


def test_a_heavier_agent_takes_more_turns() -> None:
    assert order_of(calls_of("a", 4), calls_of("b", 4, weight=2)) == ["a1", "b1", "b2", "a2", "b3", "b4", "a3", "a4"]


def test_a_newcomer_does_not_profit_from_having_been_idle() -> None:
    order = FairOrder()
    busy = [order.join(each, each.agent.models) for each in calls_of("a", 6)]
    for ticket in busy[:3]:
        order.leave(ticket, served=True)
    order.join(calls_of("b", 1)[0], (LOCAL,))
    assert [ticket.call.id for ticket in order] == ["b1", "a4", "a5", "a6"]


def test_whoever_leaves_unserved_gives_the_turn_back() -> None:
    order = FairOrder()
    first, second = (order.join(each, each.agent.models) for each in calls_of("a", 2))
    order.leave(second, served=False)
    order.join(calls_of("b", 1)[0], (LOCAL,))
    again = order.join(calls_of("a", 3)[2], (LOCAL,))
    assert again.starts == second.starts
    assert first.starts == 0.0


def test_a_model_without_a_limit_always_has_room() -> None:
    capacity = Capacity()
    for _ in range(1000):
        capacity.take(call(FREE), FREE)
    assert capacity.has_room(call(FREE), FREE)


def test_a_full_model_has_none_until_one_is_given_back() -> None:
    capacity = Capacity()
    for _ in range(2):
        capacity.take(call(LOCAL), LOCAL)
    assert not capacity.has_room(call(LOCAL), LOCAL)
    capacity.give(LOCAL)
    assert capacity.has_room(call(LOCAL), LOCAL)


def full_with_a_waiter(waiter: Call) -> Capacity:
    waiting = [waiter]

    def next_in_line(_: Model) -> Call | None:
        return waiting.pop() if waiting else None

    capacity = Capacity(next_in_line)
    for _ in range(2):
        capacity.take(call(LOCAL), LOCAL)
    capacity.give(LOCAL)
    return capacity


def test_a_freed_place_is_kept_for_the_call_that_waited() -> None:
    waiter, newcomer = calls_of("a", 2)
    capacity = full_with_a_waiter(waiter)
    assert not capacity.has_room(newcomer, LOCAL)
    assert capacity.has_room(waiter, LOCAL)
    capacity.take(waiter, LOCAL)
    assert not capacity.has_room(waiter, LOCAL)


def test_a_promise_that_is_not_needed_goes_on() -> None:
    waiter, newcomer = calls_of("a", 2)
    capacity = full_with_a_waiter(waiter)
    capacity.forgo(waiter)
    assert capacity.has_room(newcomer, LOCAL)


def test_models_that_share_a_breaker_share_their_places() -> None:
    capacity = Capacity()
    other = replace(LOCAL, name="other")
    capacity.take(call(LOCAL), LOCAL)
    capacity.take(call(other), other)
    assert not capacity.has_room(call(other), other)


def test_two_calls_of_one_id_are_two_calls() -> None:
    first, second = calls_of("a", 1) + calls_of("a", 1)
    waiting = [second, first]
    capacity = Capacity(lambda _: waiting.pop() if waiting else None)
    for _ in range(2):
        capacity.take(call(LOCAL), LOCAL)
    for _ in range(2):
        capacity.give(LOCAL)
    for each in (first, second):
        assert capacity.has_room(each, LOCAL)
        capacity.take(each, LOCAL)
    for _ in range(2):
        capacity.give(LOCAL)
    assert capacity.has_room(call(LOCAL), LOCAL)


def test_whoever_takes_another_place_keeps_none() -> None:
    waiter, newcomer = calls_of("a", 2)
    capacity = full_with_a_waiter(waiter)
    capacity.take(waiter, FREE)
    assert capacity.has_room(newcomer, LOCAL)
