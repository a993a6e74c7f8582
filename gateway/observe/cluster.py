"""How a member gets on with the engine of its cluster, as metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway.shared.redis.health import BUCKETS_S, Health


class ClusterMetrics(Collector):
    """Reads `health` when it is asked. `clock` is the one that stamps it."""

    def __init__(self, health: Health, clock: Callable[[], float]) -> None:
        self._health = health
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        health = self._health
        gauges = {
            "up": ("1 while the engine is there.", float(health.is_up)),
            "members": ("Processes of the group.", health.members),
            "clock_offset_seconds": (
                "The engine's clock against that of this host.",
                health.clock_offset_s,
            ),
            "outbox": ("Commands that are kept until the engine is back.", health.outbox),
            "places_over": (
                "Slots above maxConcurrent when this member came back.",
                health.slots_over,
            ),
        }
        for name, (words, value) in gauges.items():
            yield GaugeMetricFamily(f"gateway_cluster_{name}", words, value=value)
        counts = {
            "reconnects": ("Times that the engine was there again.", health.connects),
            "degraded_seconds": (
                "Time in which this process decided alone.",
                health.away_s(self._clock()),
            ),
        }
        for name, (words, value) in counts.items():
            yield CounterMetricFamily(f"gateway_cluster_{name}", words, value=value)
        yield self._asks()
        yield self._news()
        yield self._took()

    def _asks(self) -> Metric:
        words = "Questions by command and result: answered, late (decided alone), or away."
        family = CounterMetricFamily("gateway_cluster_asks", words, labels=["command", "result"])
        for (command, result), times in self._health.asks.items():
            family.add_metric([command.lower(), result], times)
        return family

    def _news(self) -> Metric:
        words = "Messages of other members and of this one, by kind."
        family = CounterMetricFamily("gateway_cluster_news", words, labels=["kind"])
        for kind, times in self._health.news.items():
            family.add_metric([kind], times)
        return family

    def _took(self) -> Metric:
        ends = [*map(str, BUCKETS_S), "+Inf"]
        buckets = list(zip(ends, accumulate(self._health.took), strict=True))
        return HistogramMetricFamily(
            "gateway_cluster_ask_seconds",
            "From a question to its answer.",
            buckets=buckets,
            sum_value=self._health.took_sum_s,
        )
