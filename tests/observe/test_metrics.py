"""What is counted, under which names, and that no word of a client becomes a label."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.failures import Failure, Kind
from gateway.observe.metrics import CircuitStates, Metrics
from gateway.shared.engine import Permit
from gateway.types import Attempt, Call, Usage
from tests import makers
from tests.makers import Clock, call, model
from tests.observe.exposed import metrics_and_labels

SONNET, LOCAL = model(name="sonnet"), model("custom", name="local")
LIMITED = Failure(Kind.RATE_LIMIT, "slow down", status=429)
CUT = Failure(Kind.TRUNCATED, "cut")

NAMES = {
    "gateway_requests",
    "gateway_requests_in_flight",
    "gateway_request_duration_seconds",
    "gateway_time_to_first_token_seconds",
    "gateway_overhead_seconds",
    "gateway_upstream_attempts",
    "gateway_fallbacks",
    "gateway_tokens",
    "gateway_streams_broken",
}


def documented() -> dict[str, set[str]]:
    """Every metric of the documentation → its labels."""
    docs = Path(__file__).parents[2] / "docs"
    pages = "".join((docs / name).read_text() for name in ("operations.md", "cluster.md"))
    rows = re.findall(r"^\| `(gateway_\w+)` \| ([\w, ]*)\|", pages, re.MULTILINE)
    return {name: {label.strip() for label in labels.split(",")} - {""} for name, labels in rows}


def test_each_metric_is_documented_with_its_labels() -> None:
    assert metrics_and_labels() == documented()


def samples(metrics: Metrics) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield sample.name, dict(sample.labels), sample.value


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    found = [number for other, has, number in samples(metrics) if other == name and has == labels]
    return found[0] if found else None


def answered(*attempts: Attempt) -> Call:
    asked = call(SONNET, LOCAL, received_at=100.0)
    asked.attempts = list(attempts)
    return asked


def served(failure: Failure | None = None, **more: Any) -> Attempt:
    return Attempt(
        LOCAL, 2, started_at=101.0, sent_at=101.0, committed_at=102.0, failure=failure, **more
    )


def test_names_are_as_documented() -> None:
    families = list(text_string_to_metric_families(Metrics().text().decode()))
    assert {family.name for family in families} >= NAMES
    assert all(family.name.startswith("gateway_") for family in families)
    assert all(family.documentation for family in families if not family.name.endswith("_created"))


def test_an_answer_after_a_fallback() -> None:
    metrics = Metrics()
    usage = Usage(input=12, output=34, cache_read=5, reasoning=6)
    failed = Attempt(SONNET, 1, started_at=100.0, sent_at=100.0, ended_at=101.0, failure=LIMITED)
    metrics.ended(answered(failed, served(usage=usage)), 200, 3.0, 0.002)
    assert value(metrics, "gateway_requests_total", agent="dev", status="200") == 1
    assert value(metrics, "gateway_request_duration_seconds_sum", agent="dev") == 3
    assert value(metrics, "gateway_time_to_first_token_seconds_sum", agent="dev") == 2
    assert value(metrics, "gateway_overhead_seconds_sum") == pytest.approx(0.002)
    labels = {"model": "sonnet", "provider": "anthropic", "outcome": "rate_limit"}
    assert value(metrics, "gateway_upstream_attempts_total", **labels) == 1
    assert (
        value(
            metrics,
            "gateway_upstream_attempts_total",
            model="local",
            provider="custom",
            outcome="ok",
        )
        == 1
    )
    assert (
        value(metrics, "gateway_fallbacks_total", agent="dev", model="sonnet", reason="rate_limit")
        == 1
    )
    tokens = {
        labels["type"]: number
        for name, labels, number in samples(metrics)
        if name == "gateway_tokens_total"
    }
    assert tokens == {"input": 12, "output": 34, "cache_read": 5, "reasoning": 6}
    assert value(metrics, "gateway_streams_broken_total", agent="dev", model="local") is None


def test_an_attempt_whose_client_left_does_not_count_as_a_success() -> None:
    metrics = Metrics()
    metrics.ended(answered(Attempt(LOCAL, 1, started_at=101.0)), 499, 3.0, None)
    labels = {"model": "local", "provider": "custom"}
    assert value(metrics, "gateway_upstream_attempts_total", **labels, outcome="cancelled") == 1
    assert value(metrics, "gateway_upstream_attempts_total", **labels, outcome="ok") is None


def test_numbers_that_are_kept_elsewhere_are_read_when_they_are_asked_for() -> None:
    metrics, waiting, lost = Metrics(), [1], [1]
    metrics.read_waiting(waiting.pop)
    metrics.read_unrecorded(lost.pop)
    waiting[:], lost[:] = [7], [3]
    page = metrics.text().decode()
    assert "gateway_calls_waiting 7.0" in page
    assert "gateway_ledger_calls_lost_total 3.0" in page


def test_a_stream_that_broke_off_does_not_count_as_a_fallback() -> None:
    metrics = Metrics()
    metrics.ended(answered(served(CUT)), 200, 3.0, 0.002)
    assert value(metrics, "gateway_streams_broken_total", agent="dev", model="local") == 1
    assert (
        value(
            metrics,
            "gateway_upstream_attempts_total",
            model="local",
            provider="custom",
            outcome="truncated",
        )
        == 1
    )
    assert not [name for name, _, _ in samples(metrics) if name == "gateway_fallbacks_total"]


def test_the_last_failure_does_not_count_as_a_fallback() -> None:
    metrics = Metrics()
    metrics.ended(answered(Attempt(SONNET, 1, failure=LIMITED)), 429, 1.0, None)
    assert value(metrics, "gateway_requests_total", agent="dev", status="429") == 1
    assert not [name for name, _, _ in samples(metrics) if name == "gateway_fallbacks_total"]
    assert value(metrics, "gateway_overhead_seconds_count") == 0


def test_a_request_that_never_became_a_call_has_no_agent() -> None:
    metrics = Metrics()
    for status in (400, 401, 404, 413):
        metrics.ended(None, status, 0.0, None)
        assert value(metrics, "gateway_requests_total", agent="", status=str(status)) == 1


def test_labels_are_bounded_by_the_configuration() -> None:
    """A thousand different clients and requests leave no more series than one."""
    metrics = Metrics()
    sizes = []
    for number in range(1_000):
        asked = answered(
            served(
                usage=Usage(1, 1), finish_reason=f"finish {number}", upstream_request_id=str(number)
            )
        )
        asked.id, asked.chat["user"] = f"req_{number}", f"user {number}"
        metrics.ended(asked, 200, float(number), 0.1)
        sizes.append(len(list(samples(metrics))) if number in (0, 999) else 0)
    assert sizes[0] == sizes[-1]


def test_the_states_of_circuits_are_read_when_they_are_asked_for() -> None:
    metrics, clock = Metrics(), Clock()
    breaker = makers.breaker(clock)
    metrics.registry.register(CircuitStates(breaker.circuits, clock))
    permit = breaker.admit(call(SONNET), SONNET)
    assert isinstance(permit, Permit)
    breaker.failed(permit, LIMITED)

    def states() -> dict[str, float]:
        return {
            labels["state"]: number
            for name, labels, number in samples(metrics)
            if name == "gateway_circuit_state" and labels["model"] == "claude-sonnet-5"
        }

    assert states() == {"closed": 0, "open": 1, "half_open": 0}
    clock.now += 60
    assert states() == {"closed": 0, "open": 0, "half_open": 1}
    whole = [
        has
        for name, has, _ in samples(metrics)
        if name == "gateway_circuit_state" and not has["model"]
    ]
    assert {has["credential"] for has in whole} == {"anthropic_key:default"}


def test_two_circuits_that_differ_in_their_address_alone_are_distinguished() -> None:
    """Otherwise a scrape holds the same series twice, and Prometheus refuses all of it."""
    metrics, clock = Metrics(), Clock()
    breaker = makers.breaker(clock)
    metrics.registry.register(CircuitStates(breaker.circuits, clock))
    for port in (1, 2):
        breaker.is_ready(model("custom", base_url=f"http://127.0.0.1:{port}/v1"))
    series = [
        tuple(sorted(has.items()))
        for name, has, _ in samples(metrics)
        if name == "gateway_circuit_state"
    ]
    assert len(series) == len(set(series))
