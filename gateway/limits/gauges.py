"""How full every limit is, in Prometheus' text format.

The limits are one for all processes, so these samples are made once, by the process that is
asked, and not added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.limits.rows import Row

LABELS = ("limit", "unit", "per")
"""Bounded: a limit is named by its owner, which is an agent, a key or the gateway."""


def text(rows: Iterable[Row]) -> str:
    """`gateway_limit_used` and `gateway_limit_cap`, in dollars, tokens or calls."""
    registry = CollectorRegistry()
    registry.register(_Gauges(list(rows)))
    return generate_latest(registry).decode()


class _Gauges(Collector):
    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for key, words in (
            ("used", "What is spent or reserved of a limit."),
            ("cap", "What a limit allows."),
        ):
            family = GaugeMetricFamily(f"gateway_limit_{key}", words, labels=LABELS)
            for row in self._rows:
                family.add_metric([row.owner, row.unit, row.per], getattr(row, key))
            yield family
