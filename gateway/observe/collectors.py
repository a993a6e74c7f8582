"""What is counted, as plain numbers: a call adds to a dict; the library's families are made when
they are asked for.

The library's own counters and histograms take a lock and a search for each number; on the path of
every call that cost ten times what counting does. One event loop writes these, so there is nothing
to lock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

Labels = tuple[str, ...]
"""The values of a metric's labels, in their order."""


class Counts(Collector):
    """A number that only grows, for each set of label values."""

    def __init__(self, name: str, words: str, labels: Sequence[str]) -> None:
        self._about: Final = (name, words)
        self._labels: Final = labels
        self._values: dict[Labels, float] = {}

    def add(self, labels: Labels, amount: float = 1) -> None:
        self._values[labels] = self._values.get(labels, 0) + amount

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(*self._about, labels=self._labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        yield family


class Level(Collector):
    """A number that goes up and down."""

    def __init__(self, name: str, words: str) -> None:
        self._about: Final = (name, words)
        self.value = 0

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(*self._about, value=self.value)


class Reading(Collector):
    """A number that is kept elsewhere, read when it is asked for."""

    def __init__(
        self, name: str, words: str, read: Callable[[], float], *, only_grows: bool = False
    ) -> None:
        self._about: Final = (name, words)
        self._read: Final = read
        self._family: Final = CounterMetricFamily if only_grows else GaugeMetricFamily

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        yield self._family(*self._about, value=self._read())


class Spread(Collector):
    """How values are distributed over buckets (their upper bounds), for each set of label
    values."""

    def __init__(
        self, name: str, words: str, labels: Sequence[str], bounds: Sequence[float]
    ) -> None:
        self._about: Final = (name, words)
        self._labels: Final = labels
        self._bounds: Final = bounds
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        if not labels:
            self._begin(())  # a metric without labels is there from the beginning

    def _begin(self, labels: Labels) -> list[int]:
        self._sums[labels] = 0.0
        counts = self._counts[labels] = [0] * (len(self._bounds) + 1)
        return counts

    def observe(self, labels: Labels, value: float) -> None:
        counts = self._counts.get(labels) or self._begin(labels)
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(*self._about, labels=self._labels)
        names = [*map(str, self._bounds), "+Inf"]
        for labels, counts in self._counts.items():
            buckets = list(zip(names, accumulate(counts), strict=True))
            family.add_metric(labels, buckets, self._sums[labels])
        yield family
