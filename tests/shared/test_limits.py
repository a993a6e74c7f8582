"""Budgets and rates: all or nothing, never above the cap, and nothing outlives its call."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.shared.limits import (
    HOLD_S,
    Charge,
    Decision,
    Limits,
    LimitState,
    Renew,
    Reserve,
    Seed,
    Settle,
)

MINUTE = 60.0
DAY = "2026-11-25"


def budget(amount: int, cap: int | None = 1000, period: str = DAY, limit_id: str = "all") -> Charge:
    """The next period ends later."""
    return Charge(limit_id, amount, cap, period, ends_at=float(period.replace("-", "")))


def rate(amount: int = 1, cap: int = 60, limit_id: str = "calls") -> Charge:
    return Charge(limit_id, amount, cap, per_s=MINUTE)


class Book:
    """Limits with a clock and tickets of their own."""

    def __init__(self) -> None:
        self.limits = Limits()
        self.now = 0.0
        self._tickets = 0

    def reserve(self, *charges: Charge, ticket: Any = None) -> Decision:
        self._tickets += 1
        return self.limits.reserve(
            Reserve(self._tickets if ticket is None else ticket, charges), self.now
        )

    def settle(self, ticket: Any, *charges: Charge) -> None:
        self.limits.settle(Settle(ticket, charges), self.now)

    def state(self, limit_id: str = "all", period: str = DAY) -> LimitState:
        return next(each for each in self.limits.states(self.now) if each[:2] == (limit_id, period))

    def granted(self, calls: int, *charges: Charge) -> int:
        return sum(self.reserve(*charges).is_granted for _ in range(calls))


def test_twenty_calls_against_a_budget_for_ten() -> None:
    assert Book().granted(20, budget(100)) == 10


def test_a_call_that_costs_less_makes_room_and_one_that_costs_more_takes_it() -> None:
    book = Book()
    book.reserve(budget(600), ticket=1)
    assert not book.reserve(budget(600), ticket=2).is_granted
    book.settle(1, budget(300))
    assert book.reserve(budget(600), ticket=2).is_granted
    book.settle(2, budget(900))
    assert book.state().spent == 1200, "over the cap by what the call cost above its estimate"
    refused = book.reserve(budget(1))
    assert refused.levels[0][:3] == ("all", 1200, 1000)


def test_all_or_nothing() -> None:
    book = Book()
    decision = book.reserve(budget(10, limit_id="agent"), budget(2000), rate())
    assert [level.limit_id for level in decision.levels] == ["all"]
    assert book.state("agent")[2:4] == (0, 0)
    assert book.state("calls", "").spent == 0


def test_what_costs_nothing_passes_a_spent_budget() -> None:
    book = Book()
    book.reserve(budget(1000))
    assert book.reserve(budget(0)).is_granted


def test_without_a_cap_it_counts_and_refuses_nothing() -> None:
    book = Book()
    assert book.granted(3, budget(900, None)) == 3
    assert book.state().reserved == 2700


def test_a_call_belongs_to_the_day_in_which_it_began() -> None:
    book = Book()
    tomorrow = "2026-11-26"
    book.reserve(budget(400), ticket=1)
    book.reserve(budget(1000, period=tomorrow), ticket=2)
    assert book.state().reserved == 400
    book.settle(2, budget(1000, period=tomorrow))
    assert not book.reserve(budget(1, period=tomorrow)).is_granted
    book.settle(1, budget(500))
    assert [state.period for state in book.limits.states(0.0)] == [tomorrow], (
        "the day before is forgotten"
    )


def test_a_seed_counts_once_per_period() -> None:
    book = Book()
    for amount in (700, 600):
        book.limits.seed(Seed(budget(amount)), 0.0)
    assert book.state().spent == 700
    book.limits.seed(Seed(budget(5, period="2026-11-26")), 0.0)
    assert book.state(period="2026-11-26").spent == 5


def test_the_warning_comes_once_per_period() -> None:
    book = Book()
    crossed = [book.reserve(budget(200)).levels[0].crossed for _ in range(5)]
    assert crossed == [False, False, False, True, False]
    assert book.reserve(budget(800, period="2026-11-26")).levels[0].crossed


def test_a_hold_that_is_not_renewed_is_charged_at_its_estimate_and_corrected_later() -> None:
    book = Book()
    book.reserve(budget(300), ticket=1)
    book.now = HOLD_S - 1
    book.reserve(budget(200), ticket=2)
    book.limits.renew(Renew(2), book.now)
    book.now = HOLD_S
    assert book.state()[2:5] == (300, 200, 300)
    book.settle(1, budget(120))
    assert book.state()[2:5] == (120, 200, 0)


def test_a_settlement_without_a_hold_counts() -> None:
    book = Book()
    book.settle(7, budget(30)._replace(is_estimated=True), rate(60))
    assert (book.state().spent, book.state().estimated) == (30, 30)
    assert not book.reserve(rate()).is_granted


def test_the_holds_of_a_process_that_is_gone_are_orphaned() -> None:
    book = Book()
    book.reserve(budget(100), ticket=(1, 5))
    book.reserve(budget(200), ticket=(2, 5))
    book.limits.gone(lambda ticket: isinstance(ticket, tuple) and ticket[0] == 1)
    assert book.state()[2:5] == (100, 200, 100)


def test_an_orphan_stays_charged_when_a_later_call_has_its_ticket() -> None:
    book = Book()
    book.reserve(budget(40), ticket=(1, 1))
    book.limits.gone(lambda ticket: True)
    book.reserve(budget(0), ticket=(1, 1))
    book.settle((1, 1), budget(0))
    assert (book.state().spent, book.state().orphaned) == (40, 40)


def test_a_rate_passes_its_bucket_at_once_and_then_evenly() -> None:
    book = Book()
    assert book.granted(100, rate()) == 60
    assert book.reserve(rate()).levels[0].wait_s == pytest.approx(1.0)
    passed = []
    for second in range(1, 11):
        book.now = float(second)
        passed.append(book.granted(5, rate()))
    assert passed == [1] * 10


def test_tokens_that_were_not_used_are_given_back() -> None:
    book = Book()
    book.reserve(rate(60), ticket=1)
    assert not book.reserve(rate(30)).is_granted
    book.settle(1, rate(20))
    assert book.reserve(rate(30)).is_granted


def test_a_cost_above_the_bucket_passes_when_it_is_full_and_delays_what_follows() -> None:
    book = Book()
    assert book.reserve(rate(180)).is_granted
    assert book.reserve(rate()).levels[0].wait_s == pytest.approx(121.0)


AMOUNTS = st.integers(0, 400)
EVENTS = st.lists(
    st.tuples(st.sampled_from(["reserve", "settle", "leave"]), AMOUNTS, AMOUNTS), max_size=60
)


@given(EVENTS)
def test_a_budget_is_exceeded_only_by_what_calls_cost_above_their_estimates(
    events: list[tuple[str, int, int]],
) -> None:
    book, held, overrun, spent = Book(), list[tuple[int, int]](), 0, 0
    for number, (word, amount, true) in enumerate(events):
        if word == "reserve" and book.reserve(budget(amount), ticket=number).is_granted:
            held.append((number, amount))
        elif word != "reserve" and held:
            ticket, estimate = held.pop(0)
            cost = true if word == "settle" else 0
            book.settle(ticket, budget(cost))
            overrun, spent = overrun + max(0, cost - estimate), spent + cost
        used = sum(each.spent + each.reserved for each in book.limits.states(0.0))
        assert used == spent + sum(estimate for _, estimate in held)
        assert used <= 1000 + overrun
    for ticket, _ in held:
        book.settle(ticket)
    assert (len(book.limits), sum(each.reserved for each in book.limits.states(0.0))) == (0, 0)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 20)), max_size=80))
def test_a_rate_holds_over_any_window(calls: list[tuple[float, int]]) -> None:
    book, passed = Book(), list[tuple[float, int]]()
    for passes_s, amount in calls:
        book.now += passes_s
        if book.reserve(rate(amount)).is_granted:
            passed.append((book.now, amount))
    for first, (began, _) in enumerate(passed):
        total = 0
        for at, amount in passed[first:]:
            total += amount
            assert total <= 60 * (1 + (at - began) / MINUTE) + 1e-6
