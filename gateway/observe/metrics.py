"""Metrics in Prometheus' text format. Names follow its conventions; labels are bounded by the
configuration.

A client's words never become a label: an unknown model is counted under no name at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.observe.collectors import Buckets, Cell, Counts, Level, Reading, Spread
from gateway.observe.costs import Costs
from gateway.observe.log import lost
from gateway.shared.circuits import Circuit
from gateway.text.limits import Limit
from gateway.types import Attempt, Call

_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_OVERHEAD: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1)
_STATES: Final = ("closed", "open", "half_open")


_TOKENS: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")


class _OfStatus(NamedTuple):
    """What counts the calls of one agent with one status."""

    requests: Cell
    duration: Buckets


class _OfModel(NamedTuple):
    """What counts the answers of one model to one agent; tokens in the order of `_TOKENS`."""

    first_token: Buckets
    answers: Cell
    input: Cell
    output: Cell
    cache_read: Cell
    cache_write: Cell
    cache_write_1h: Cell
    reasoning: Cell


class Metrics:
    """Every metric of the gateway, on a registry of its own."""

    def __init__(self) -> None:
        self.requests: Final = Counts(
            "gateway_requests", "Client requests by agent and HTTP status.", ["agent", "status"]
        )
        self.in_flight: Final = Level(
            "gateway_requests_in_flight", "Client requests being answered."
        )
        self.duration: Final = Spread(
            "gateway_request_duration_seconds",
            "From a request's arrival to the last byte of its answer.",
            ["agent"],
            _SECONDS,
        )
        self.first_token: Final = Spread(
            "gateway_time_to_first_token_seconds",
            "From a request's arrival to the first content of its answer.",
            ["agent"],
            _SECONDS,
        )
        self.overhead: Final = Spread(
            "gateway_overhead_seconds",
            "The gateway's own time before an answer begins.",
            [],
            _OVERHEAD,
        )
        self.attempts: Final = Counts(
            "gateway_upstream_attempts",
            (
                "Attempts by model and outcome: ok, the kind of failure, or cancelled (the client "
                "left)."
            ),
            ["model", "provider", "outcome"],
        )
        self.fallbacks: Final = Counts(
            "gateway_fallbacks",
            "Moves from one model to the next, by reason.",
            ["agent", "model", "reason"],
        )
        self.tokens: Final = Counts(
            "gateway_tokens",
            (
                "Tokens by model and type: input, output, cache_read, cache_write, cache_write_1h, "
                "reasoning."
            ),
            ["agent", "model", "type"],
        )
        self.broken: Final = Counts(
            "gateway_streams_broken", "Streams that ended in an error event.", ["agent", "model"]
        )
        self._overhead: Final = self.overhead.buckets(())
        self._of_status: Final[dict[tuple[str, int], _OfStatus]] = {}
        """By agent and status."""
        self._of_model: Final[dict[tuple[str, str, str], _OfModel]] = {}
        """By agent, model and provider."""
        self.costs: Final = Costs()
        self.limit_refusals: Final = Counts(
            "gateway_limit_refusals",
            "Calls that a budget or a rate has refused, by the limit's owner.",
            ["limit", "unit", "per"],
        )
        words = "Log lines that found no reader, or could not be written."
        lines = Reading("gateway_log_lines_lost", words, lost, only_grows=True)
        self.registry: Final = CollectorRegistry()
        for metric in (
            self.requests, self.in_flight, self.duration, self.first_token, self.overhead,
            self.attempts,
            self.fallbacks, self.tokens, self.costs, self.broken, self.limit_refusals, lines,
        ):  # fmt: skip
            self.registry.register(metric)

    def text(self) -> bytes:
        """The answer to `GET /metrics`."""
        return generate_latest(self.registry)

    def read_waiting(self, waiting: Callable[[], int]) -> None:
        """Adds the number of calls that wait for a model."""
        words = "Calls that wait for a model of their chain."
        self.registry.register(Reading("gateway_calls_waiting", words, waiting))

    def read_unrecorded(self, lost: Callable[[], int]) -> None:
        """Adds the number of calls that the ledger has not recorded."""
        words = "Calls that are missing in the ledger."
        self.registry.register(Reading("gateway_ledger_calls_lost", words, lost, only_grows=True))

    def ended(
        self, call: Call | None, status: int, seconds: float, overhead_s: float | None
    ) -> None:
        """Counts one finished request."""
        if call is None:
            self.requests.add(("", str(status)))
            return
        agent = call.agent.name
        of_status = self._of_status.get((agent, status)) or self._bind_status(agent, status)
        of_status.requests.value += 1
        of_status.duration.add(seconds)
        if overhead_s is not None:
            self._overhead.add(overhead_s)
        for attempt in call.attempts:
            self._attempt(call, attempt)

    def refused(self, limit: Limit) -> None:
        """Counts a call that a limit has refused."""
        self.limit_refusals.add((limit.owner, limit.unit, limit.per))

    def _attempt(self, call: Call, attempt: Attempt) -> None:
        agent, model, usage = call.agent.name, attempt.model, attempt.usage
        key = (agent, model.name, model.provider.name)
        of_model = self._of_model.get(key) or self._bind_model(*key)
        if attempt.committed_at is not None:
            of_model.first_token.add(attempt.committed_at - call.received_at)
        if attempt.committed_at is not None and attempt.failure is None:
            of_model.answers.value += 1
        else:
            self._unanswered(call, attempt)
        if usage is not None:
            of_model.input.value += usage.input
            of_model.output.value += usage.output
            of_model.cache_read.value += usage.cache_read
            of_model.cache_write.value += usage.cache_write
            of_model.cache_write_1h.value += usage.cache_write_1h
            of_model.reasoning.value += usage.reasoning
            self.costs.add(agent, model, usage)

    def _unanswered(self, call: Call, attempt: Attempt) -> None:
        """Counts an attempt that failed, broke off, or was cancelled."""
        agent, model, failure = call.agent.name, attempt.model, attempt.failure
        outcome = failure.kind.value if failure is not None else "cancelled"
        self.attempts.add((model.name, model.provider.name, outcome))
        if failure is None:
            return
        if attempt.committed_at is not None:
            self.broken.add((agent, model.name))
        elif attempt is not call.attempts[-1]:
            self.fallbacks.add((agent, model.name, outcome))

    def _bind_status(self, agent: str, status: int) -> _OfStatus:
        found = self._of_status[agent, status] = _OfStatus(
            self.requests.cell((agent, str(status))), self.duration.buckets((agent,))
        )
        return found

    def _bind_model(self, agent: str, model: str, provider: str) -> _OfModel:
        found = self._of_model[agent, model, provider] = _OfModel(
            self.first_token.buckets((agent,)),
            self.attempts.cell((model, provider, "ok")),
            *(self.tokens.cell((agent, model, kind)) for kind in _TOKENS),
        )
        return found


class CircuitStates(Collector):
    """The breaker's states, read when they are asked for."""

    def __init__(
        self, circuits: Callable[[], Iterable[Circuit]], clock: Callable[[], float]
    ) -> None:
        self._circuits = circuits
        self._clock = clock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "gateway_circuit_state",
            (
                "1 for the state a circuit is in; a circuit without a model is that of a whole "
                "credential."
            ),
            labels=["provider", "address", "credential", "model", "state"],
        )
        now = self._clock()
        for circuit in self._circuits():
            provider, address, credential = circuit.id[:3]
            model = circuit.id[3] if len(circuit.id) > 3 else ""
            for state in _STATES:
                family.add_metric(
                    [provider, address, credential, model, state],
                    float(circuit.shown(now) == state),
                )
        yield family
