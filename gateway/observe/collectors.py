"""Counters as plain numbers: a call adds to a dict; the library's families are made when they are
asked for.

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


class Cell:
    """The number of one set of label values. Who counts often keeps it, and adds to `value`."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0


class Counts(Collector):
    """A number that only grows, for each set of label values."""

    def __init__(self, name: str, words: str, labels: Sequence[str]) -> None:
        self._about: Final = (name, words)
        self._labels: Final = labels
        self._cells: dict[Labels, Cell] = {}

    def add(self, labels: Labels, amount: float = 1) -> None:
        (self._cells.get(labels) or self.cell(labels)).value += amount

    def cell(self, labels: Labels) -> Cell:
        return self._cells.setdefault(labels, Cell())

    def collect(self) -> Iterator[CounterMetricFamily]:
        """A number that was never added to is not shown."""
        family = CounterMetricFamily(*self._about, labels=self._labels)
        for labels, cell in self._cells.items():
            if cell.value:
                family.add_metric(labels, cell.value)
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


class Buckets:
    """The values of one set of labels: `counts` by bucket, the last one without a bound."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class Spread(Collector):
    """How values are distributed over buckets (their upper bounds), for each set of label
    values."""

    def __init__(
        self, name: str, words: str, labels: Sequence[str], bounds: Sequence[float]
    ) -> None:
        self._about: Final = (name, words)
        self._labels: Final = labels
        self._bounds: Final = bounds
        self._buckets: dict[Labels, Buckets] = {}
        if not labels:
            self.buckets(())  # a metric without labels is there from the beginning

    def buckets(self, labels: Labels) -> Buckets:
        buckets = self._buckets.get(labels)
        if buckets is None:
            buckets = self._buckets[labels] = Buckets(self._bounds)
        return buckets

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(*self._about, labels=self._labels)
        names = [*map(str, self._bounds), "+Inf"]
        for labels, each in self._buckets.items():
            buckets = list(zip(names, accumulate(each.counts), strict=True))
            family.add_metric(labels, buckets, each.total)
        yield family
