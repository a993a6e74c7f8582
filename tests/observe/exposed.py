"""Every metric that the gateway can expose, from a registry on which all of them have been
counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from gateway.failures import Failure, Kind
from gateway.observe.cluster import ClusterMetrics
from gateway.observe.metrics import CircuitStates, Metrics
from gateway.observe.shipping.database import Database
from gateway.observe.shipping.shipper import Shipper, Shipping
from gateway.observe.trace_settings import Settings
from gateway.observe.traces import Answer, Tracer
from gateway.shared.redis.health import Health
from gateway.types import Attempt, Usage
from tests import makers
from tests.makers import Clock, call, model

SONNET: Final = model(name="sonnet")
LOCAL: Final = model("custom", name="local", price={"input": 1.0, "output": 2.0})
LIMITED: Final = Failure(Kind.RATE_LIMIT, "slow down", status=429)
CUT: Final = Failure(Kind.TRUNCATED, "cut")


class _NoCollector:
    def __call__(self, body: bytes, timeout_s: float) -> Answer:
        return Answer(200)

    def close(self) -> None: ...


def everything() -> Metrics:
    """Metrics, all of which have a value."""
    metrics, breaker = Metrics(), makers.breaker(Clock())
    breaker.cool_down(LOCAL, 60.0, LIMITED)
    metrics.registry.register(CircuitStates(breaker.circuits, Clock()))
    metrics.registry.register(Tracer(Settings("http://collector"), _NoCollector(), "1"))
    health = Health()
    health.asked("Reserve", "answered", 0.001)
    health.received("open")
    metrics.registry.register(ClusterMetrics(health, Clock()))
    database = Database("postgresql://localhost/gateway", lambda: None, 90)
    metrics.registry.register(Shipper(Shipping(Path("ledger.db"), database)))
    metrics.read_waiting(lambda: 1)
    metrics.read_unrecorded(lambda: 2)
    metrics.ended(None, 404, 0.0, None)
    asked = call(SONNET, LOCAL)
    asked.attempts = [
        Attempt(SONNET, 1, failure=LIMITED),
        Attempt(LOCAL, 2, committed_at=1.0, failure=CUT, usage=Usage(1, 1)),
    ]
    metrics.ended(asked, 200, 1.0, 0.001)
    return metrics


def samples(metrics: Metrics) -> Iterator[Sample]:
    """Every sample of the page."""
    for family in text_string_to_metric_families(metrics.text().decode()):
        yield from (sample for sample in family.samples if not sample.name.endswith("_created"))


def metrics_and_labels() -> dict[str, set[str]]:
    """Metric, as the documentation names it → its labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(everything().text().decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                found.setdefault(name, set()).update(set(sample.labels) - {"le"})
    return found
