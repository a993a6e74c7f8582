"""Metrics in Prometheus' text format. Names follow its conventions; labels are bounded by the configuration.

A client's words never become a label: an unknown model is counted under no name at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.breaker import Circuit
from gateway.types import Attempt, Call

MetricT = TypeVar("MetricT", Counter, Histogram)

_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_OVERHEAD: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1)
_STATES: Final = ("closed", "open", "half_open")


class Metrics:
    """Every metric of the gateway, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._children: dict[tuple[object, ...], Counter | Histogram] = {}
        r = self.registry
        self.requests = Counter(
            "gateway_requests", "Client requests by agent and HTTP status.", ["agent", "status"], registry=r
        )
        self.in_flight = Gauge("gateway_requests_in_flight", "Client requests being answered.", registry=r)
        self.duration = Histogram(
            "gateway_request_duration_seconds",
            "From a request's arrival to the last byte of its answer.",
            ["agent"],
            buckets=_SECONDS,
            registry=r,
        )
        self.first_token = Histogram(
            "gateway_time_to_first_token_seconds",
            "From a request's arrival to the first content of its answer.",
            ["agent"],
            buckets=_SECONDS,
            registry=r,
        )
        self.overhead = Histogram(
            "gateway_overhead_seconds",
            "The gateway's own time before an answer begins.",
            buckets=_OVERHEAD,
            registry=r,
        )
        self.attempts = Counter(
            "gateway_upstream_attempts",
            "Attempts by model and outcome: ok, or the kind of failure.",
            ["model", "provider", "outcome"],
            registry=r,
        )
        self.fallbacks = Counter(
            "gateway_fallbacks",
            "Moves from one model to the next, by reason.",
            ["agent", "model", "reason"],
            registry=r,
        )
        self.tokens = Counter(
            "gateway_tokens",
            "Tokens by model and type: input, output, cache_read, cache_write, reasoning.",
            ["agent", "model", "type"],
            registry=r,
        )
        self.broken = Counter(
            "gateway_streams_broken", "Streams that ended in an error event.", ["agent", "model"], registry=r
        )

    def _of(self, metric: MetricT, *labels: str) -> MetricT:
        """The child of a metric with these labels; the library's own way to it takes longer than what it counts."""
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return cast(MetricT, child)

    def text(self) -> bytes:
        """What `GET /metrics` answers."""
        return generate_latest(self.registry)

    def ended(self, call: Call | None, status: int, seconds: float, overhead_s: float | None) -> None:
        """Counts one finished request."""
        agent = call.agent.name if call is not None else ""
        self._of(self.requests, agent, str(status)).inc()
        if call is None:
            return
        self._of(self.duration, agent).observe(seconds)
        if overhead_s is not None:
            self.overhead.observe(overhead_s)
        for attempt in call.attempts:
            self._attempt(call, attempt)

    def _attempt(self, call: Call, attempt: Attempt) -> None:
        agent, model = call.agent.name, attempt.model
        outcome = attempt.failure.kind.value if attempt.failure is not None else "ok"
        self._of(self.attempts, model.name, model.provider.name, outcome).inc()
        if attempt.committed_at is not None:
            self._of(self.first_token, agent).observe(attempt.committed_at - call.received_at)
            if attempt.failure is not None:
                self._of(self.broken, agent, model.name).inc()
        elif attempt.failure is not None and attempt is not call.attempts[-1]:
            self._of(self.fallbacks, agent, model.name, outcome).inc()
        if attempt.usage is not None:
            for kind in ("input", "output", "cache_read", "cache_write", "reasoning"):
                count = getattr(attempt.usage, kind)
                if count:
                    self._of(self.tokens, agent, model.name, kind).inc(count)


class CircuitStates(Collector):
    """The breaker's states, read when they are asked for."""

    def __init__(self, circuits: Callable[[], Iterable[Circuit]], clock: Callable[[], float]) -> None:
        self._circuits = circuits
        self._clock = clock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "gateway_circuit_state",
            "1 for the state a circuit is in; a circuit without a model stands for a whole credential.",
            labels=["provider", "address", "credential", "model", "state"],
        )
        now = self._clock()
        for circuit in self._circuits():
            provider, address, credential = circuit.key[:3]
            model = circuit.key[3] if len(circuit.key) > 3 else ""
            for state in _STATES:
                family.add_metric([provider, address, credential, model, state], float(circuit.state(now) == state))
        yield family
