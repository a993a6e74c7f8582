"""The cost of calls, in dollars, as a metric. Nothing is looked up while a call is answered.

A price that the user or the provider states is added at once. For others, tokens are added up, and
the price library is asked when the metrics are read. A thread loads it: that takes half a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from gateway.observe.prices import LONG_CONTEXT, cost, load
from gateway.types import Model, Usage

STEP: Final = 8_000
"""Long prompts are added up with others of about their length: providers charge more from 128,000,
200,000 and 272,000 tokens on, which are multiples of this."""
STEPS_MAX: Final = 400

COUNTS: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h")

Job = Callable[[], None]
Run = Callable[[Job], None]


def in_background(job: Job) -> None:
    """Runs `job` in a thread that keeps no process alive."""
    threading.Thread(target=job, name="prices", daemon=True).start()


class _Key(NamedTuple):
    agent: str
    model: str
    provider: str
    model_id: str
    step: int
    """The length of the prompt in steps; 0 for one that is not long."""


class Costs(Collector):
    """Dollars by agent and model. `wall` is Unix time in seconds; `run` does the loading."""

    def __init__(self, wall: Callable[[], float] = time.time, run: Run = in_background) -> None:
        self._wall: Final = wall
        self._run: Final = run
        self._dollars: dict[tuple[str, str], float] = {}
        self._unpriced: dict[tuple[str, str, str, str, int], list[int]] = {}
        """By the fields of a `_Key`: tokens in the order of `COUNTS`, then the number of calls."""
        self._is_loading = False
        self._is_loaded = False

    @property
    def waiting(self) -> int:
        """How many sums of tokens wait for their price."""
        return len(self._unpriced)

    def add(self, agent: str, model: Model, usage: Usage) -> None:
        """Counts one answer."""
        if model.price is not None or usage.cost is not None:
            counts = {name: getattr(usage, name) for name in (*COUNTS, "cost")}
            self._pay(agent, model.name, cost("", "", counts, 0.0, model.price))
            return
        step = min(usage.input // STEP, STEPS_MAX) if usage.input >= LONG_CONTEXT else 0
        key = (agent, model.name, model.provider.name, model.model_id, step)
        sums = self._unpriced.get(key)
        if sums is None:
            sums = self._unpriced[key] = [0] * (len(COUNTS) + 1)
        sums[0] += usage.input
        sums[1] += usage.output
        sums[2] += usage.cache_read
        sums[3] += usage.cache_write
        sums[4] += usage.cache_write_1h
        sums[5] += 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        if self._is_loaded:
            self._price_all()
        elif self._unpriced and not self._is_loading:
            self._is_loading = True
            self._run(self._load)
        words = "What answers cost in dollars, where a price is known."
        family = CounterMetricFamily("gateway_cost_dollars", words, labels=["agent", "model"])
        for labels, dollars in self._dollars.items():
            family.add_metric(labels, dollars)
        yield family

    def _load(self) -> None:
        load()
        self._is_loaded = True

    def _price_all(self) -> None:
        """Prices what has been added up since the last time."""
        unpriced, self._unpriced = self._unpriced, {}
        for fields, sums in unpriced.items():
            key = _Key(*fields)
            self._pay(key.agent, key.model, _dollars(key, sums, self._wall()))

    def _pay(self, agent: str, model: str, dollars: float | None) -> None:
        """A counter never goes down, whatever a provider counts."""
        if dollars is not None and dollars > 0:
            labels = (agent, model)
            self._dollars[labels] = self._dollars.get(labels, 0.0) + dollars


def _dollars(key: _Key, sums: list[int], at: float) -> float | None:
    *tokens, calls = sums
    if key.step:
        each = dict(zip(COUNTS, (count // calls for count in tokens), strict=True))
        price = cost(key.provider, key.model_id, each, at)
        return price * calls if price is not None else None
    return cost(key.provider, key.model_id, dict(zip(COUNTS, tokens, strict=True)), at, calls=calls)
