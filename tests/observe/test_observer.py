"""Every sink receives every call, once."""

from __future__ import annotations

from gateway.failures import Failure, Kind
from gateway.observe.metrics import Metrics
from gateway.observe.observer import Observer
from gateway.types import Attempt, Call
from tests.makers import call, model

Received = list[tuple[str, int, float]]


def observing() -> tuple[Observer, Received]:
    received: Received = []

    def sink(call: Call, status: int, seconds: float) -> None:
        received.append((call.id, status, seconds))

    return Observer(Metrics(), sink), received


def answered() -> Call:
    asked = call(model(), received_at=100.0)
    asked.attempts = [Attempt(model(), 1, sent_at=100.25, committed_at=101.0)]
    return asked


def test_a_call_is_counted_while_it_is_under_way() -> None:
    observer, received = observing()
    observer.started()
    observer.started()
    assert observer.in_flight == 2
    assert b"gateway_requests_in_flight 2.0" in observer.metrics.text()
    observer.ended(answered(), 200, None, 102.5)
    assert observer.in_flight == 1
    assert received == [("req_1", 200, 2.5)]


def test_a_stream_that_broke_off_is_reported_as_a_failure() -> None:
    """The client had its 200; the ledger must not call it a success."""
    observer, received = observing()
    observer.started()
    observer.ended(answered(), 200, Failure(Kind.TRUNCATED, "cut"), 102.0)
    assert received == [("req_1", 502, 2.0)]


def test_a_request_that_never_became_a_call_is_counted_and_not_logged() -> None:
    observer, received = observing()
    observer.started()
    observer.ended(None, 401, None, 102.0)
    assert received == []
    assert observer.in_flight == 0
    assert b'gateway_requests_total{agent="",status="401"} 1.0' in observer.metrics.text()


def test_what_waits_to_be_written_holds_no_prompt() -> None:
    observer, _ = observing()
    asked = answered()
    assert asked.chat["messages"]
    observer.started()
    observer.ended(asked, 200, None, 102.0)
    assert asked.chat == {}


def test_overhead_is_our_own_time_before_the_answer_began() -> None:
    observer, _ = observing()
    observer.started()
    observer.ended(answered(), 200, None, 150.0)
    assert b"gateway_overhead_seconds_sum 0.25" in observer.metrics.text()


def test_without_an_answer_there_is_no_overhead() -> None:
    observer, _ = observing()
    asked = call(model(), received_at=100.0)
    asked.attempts = [Attempt(model(), 1, failure=Failure(Kind.TIMEOUT, "slow"))]
    observer.started()
    observer.ended(asked, 504, None, 160.0)
    assert b"gateway_overhead_seconds_count 0.0" in observer.metrics.text()
