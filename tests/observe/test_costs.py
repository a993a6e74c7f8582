"""Dollars as a metric: what a price is known for, priced as the ledger's reports do, and loaded off
the path."""

from __future__ import annotations

import pytest

from gateway.observe.costs import STEP, Costs, Job
from gateway.observe.prices import cost
from gateway.types import Model, Usage
from tests.makers import model

NOW = 1_790_000_000.0
GPT = model("openai", "gpt-4o", name="gpt")
SONNET = model("anthropic", "claude-sonnet-4-5", name="sonnet")
UNKNOWN = model("custom", name="unknown")
PRICED = model("custom", name="priced", price={"input": 1.0, "output": 2.0})


class Counting:
    """Costs whose library is loaded when a test says so."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.costs = Costs(lambda: NOW, self.jobs.append)

    def load(self) -> None:
        self.dollars()
        for job in self.jobs:
            job()

    def dollars(self) -> dict[tuple[str, str], float]:
        (family,) = self.costs.collect()
        return {(each.labels["agent"], each.labels["model"]): each.value for each in family.samples}


def library(model: Model, usage: Usage) -> float:
    counts = {
        name: getattr(usage, name)
        for name in ("input", "output", "cache_read", "cache_write", "cache_write_1h")
    }
    price = cost(model.provider.name, model.model_id, counts, NOW)
    assert price is not None
    return price


@pytest.mark.parametrize(
    ("made", "usage", "dollars"),
    [
        (PRICED, Usage(input=1_000_000, output=500_000), 2.0),
        (PRICED, Usage(input=1_000_000, output=500_000, cost=9.0), 2.0),
        (UNKNOWN, Usage(input=1, output=1, cost=0.25), 0.25),
        (GPT, Usage(input=1, output=1, cost=0.25), 0.25),
    ],
)
def test_a_stated_price_counts_at_once(made: Model, usage: Usage, dollars: float) -> None:
    counting = Counting()
    counting.costs.add("dev", made, usage)
    assert counting.dollars() == {("dev", made.name): pytest.approx(dollars)}
    assert counting.jobs == []


def test_the_library_is_loaded_once_when_metrics_are_read_and_a_price_is_needed() -> None:
    counting = Counting()
    assert counting.dollars() == {}
    assert counting.jobs == []
    counting.costs.add("dev", GPT, Usage(input=1000, output=100))
    assert counting.jobs == []
    assert counting.dollars() == {}
    assert counting.dollars() == {}
    assert len(counting.jobs) == 1
    counting.load()
    assert counting.dollars() == {
        ("dev", "gpt"): pytest.approx(library(GPT, Usage(input=1000, output=100)))
    }


def test_many_calls_cost_what_each_of_them_costs() -> None:
    counting = Counting()
    counting.costs.add("dev", GPT, Usage(input=1, output=1))
    counting.load()
    usages = [
        Usage(
            input=90_000 + number,
            output=10 * number,
            cache_read=40_000,
            cache_write=number,
            cache_write_1h=number // 2,
        )
        for number in range(0, 100, 7)
    ]
    for usage in usages:
        counting.costs.add("dev", SONNET, usage)
    expected = sum(library(SONNET, usage) for usage in usages)
    assert counting.dollars()["dev", "sonnet"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "lengths", [[199_000, 201_000], [120_000, 300_000], [100_000] * 3, [500_000, 99_999]]
)
def test_long_prompts_cost_their_own_price(lengths: list[int]) -> None:
    """A sum or an average of short and long prompts would take one tier for all of them."""
    counting = Counting()
    for length in lengths:
        counting.costs.add("dev", SONNET, Usage(input=length, output=1000))
    counting.load()
    expected = sum(library(SONNET, Usage(input=length, output=1000)) for length in lengths)
    assert counting.dollars()["dev", "sonnet"] == pytest.approx(expected, rel=1e-3)


def test_the_steps_meet_the_tiers() -> None:
    assert [tier % STEP for tier in (128_000, 200_000, 272_000)] == [0, 0, 0]


def test_what_has_no_price_costs_nothing_and_is_not_kept() -> None:
    counting = Counting()
    counting.costs.add("dev", UNKNOWN, Usage(input=1, output=1))
    counting.load()
    assert counting.dollars() == {}
    assert counting.costs.waiting == 0


def test_a_counter_never_goes_down() -> None:
    counting = Counting()
    counting.costs.add("dev", PRICED, Usage(input=1_000_000))
    counting.costs.add("dev", PRICED, Usage(input=0, cache_read=1_000_000, output=-5))
    counting.costs.add("dev", UNKNOWN, Usage(cost=-1.0))
    assert counting.dollars() == {("dev", "priced"): pytest.approx(1.0)}


def test_what_waits_for_its_price_is_bounded() -> None:
    counting = Counting()
    for length in range(0, 10_000_000, 1000):
        counting.costs.add("dev", GPT, Usage(input=length))
    assert counting.costs.waiting < 500
