"""The queue and its thread: what is begun, what is sent when, what is dropped, and how a
collector's faults end."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from types import FunctionType, ModuleType
from typing import Any, Final

import orjson
import pytest

from gateway.observe.trace_settings import Settings
from gateway.observe.traces import BACKOFF_MAX_S, CLOSE_S, PAUSE_MAX_S, Answer, Tracer, Unreachable
from gateway.text.trace_context import Sampler
from gateway.types import Attempt, Call
from tests.makers import Clock, call, model
from tests.observe import otlp_json

LOCAL: Final = model("custom")
SETTINGS: Final = Settings("http://collector/v1/traces", delay_s=5.0, retry_s=1000.0)
OK: Final = Answer(200, None, b"{}")
ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
WALL: Final = 1_700_000_000.0


class Collector:
    """Answers as scripted, the last answer from then on."""

    def __init__(self, clock: Clock, *answers: Answer | Exception) -> None:
        self.bodies: list[bytes] = []
        self.timeouts: list[float] = []
        self.closed = False
        self.takes_s = 0.0
        self._clock = clock
        self._answers = list(answers) or [OK]

    def __call__(self, body: bytes, timeout_s: float) -> Answer:
        self.bodies.append(body)
        self.timeouts.append(timeout_s)
        self._clock.now += self.takes_s
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True

    @property
    def names(self) -> list[list[str]]:
        """The ids of the calls in each request."""
        return [
            [_call_id(span) for span in otlp_json.spans(body) if not _is_attempt(span)]
            for body in self.bodies
        ]


def _is_attempt(span: Any) -> bool:
    return bool(span.name.startswith("chat "))


def _call_id(span: Any) -> str:
    return str(otlp_json.attributes(span.attributes)["gateway.request_id"])


class Exporting:
    """A tracer without its thread, on a clock of its own."""

    def __init__(self, *answers: Answer | Exception, settings: Settings = SETTINGS) -> None:
        self.clock = Clock()
        self.collector = Collector(self.clock, *answers)
        self.bits = iter(range(1, 1_000_000))
        self.tracer = Tracer(
            settings,
            self.collector,
            "1",
            clock=self.clock,
            wall=lambda: WALL + self.clock.now,
            bits=lambda count: next(self.bits),
            jitter=lambda: 1.0,
        )

    def end(self, id_: str = "req_1", **headers: str) -> Call:
        """A call of one attempt that has just ended."""
        made = call(LOCAL, received_at=self.clock.now - 1.0)
        made.id, made.trace = id_, self.tracer.begin(scope(**headers))
        made.attempts = [
            Attempt(LOCAL, 1, started_at=self.clock.now - 1.0, committed_at=self.clock.now)
        ]
        self.tracer.record(made, 200, 1.0)
        return made

    def run(self) -> list[float]:
        """Steps until nothing waits; returns the waits between."""
        waits = []
        while (wait_s := self.tracer.step()) is not None:
            waits.append(wait_s)
            self.clock.now += wait_s
        return waits

    @property
    def counts(self) -> dict[str, float]:
        (family,) = self.tracer.collect()
        return {sample.labels["outcome"]: sample.value for sample in family.samples}


def _bits(value: int, count: int) -> int:
    return value % (1 << count)


def scope(**headers: str) -> dict[str, Any]:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"headers": pairs, "path": "/v1/chat/completions", "scheme": "https"}


@pytest.fixture
def warned() -> Iterator[list[str]]:
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, logger = Lines(), logging.getLogger("gateway.traces")
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


# --- beginning ------------------------------------------------------------------------------------


def test_a_client_that_has_a_trace_stays_in_it() -> None:
    trace = Exporting().tracer.begin(scope(traceparent=f"00-{ID}-{SPAN}-01", tracestate="a=1"))
    assert (trace.trace_id, trace.parent_id, trace.state, trace.is_sampled) == (
        ID,
        SPAN,
        "a=1",
        True,
    )
    assert (trace.path, trace.scheme) == ("/v1/chat/completions", "https")


@pytest.mark.parametrize("headers", [{}, {"traceparent": "nonsense", "tracestate": "a=1"}])
def test_a_client_without_a_traceparent_begins_a_trace(headers: dict[str, str]) -> None:
    trace = Exporting().tracer.begin(scope(**headers))
    assert (int(trace.trace_id, 16), trace.parent_id, trace.state, trace.is_sampled) == (
        1,
        "",
        "",
        True,
    )


def test_ids_have_their_lengths_and_are_never_zero() -> None:
    for value in (0, 2**128 - 1):
        tracer = Tracer(SETTINGS, Collector(Clock()), "1", bits=partial(_bits, value))
        trace = tracer.begin(scope())
        assert (len(trace.trace_id), len(trace.span()), len(trace.span(10_000))) == (32, 16, 16)
        assert int(trace.trace_id, 16)
        assert int(trace.span(), 16)


def test_what_is_not_sampled_is_not_kept() -> None:
    exporting = Exporting()
    exporting.end(traceparent=f"00-{ID}-{SPAN}-00")
    assert exporting.run() == []
    off = Exporting(settings=replace(SETTINGS, sampler=Sampler(0)))
    off.end()
    assert off.run() == []
    off.end("sampled", traceparent=f"00-{ID}-{SPAN}-01")
    off.run()
    assert off.collector.names == [["sampled"]]


def test_a_call_without_a_trace_is_nobodys() -> None:
    exporting = Exporting()
    exporting.tracer.record(call(LOCAL), 200, 1.0)
    assert exporting.run() == []


# --- sending --------------------------------------------------------------------------------------


def test_spans_wait_for_company() -> None:
    exporting = Exporting()
    exporting.end("a")
    assert exporting.tracer.step() == 5.0
    exporting.clock.now += 4.0
    exporting.end("b")
    assert exporting.tracer.step() == 1.0
    exporting.clock.now += 1.0
    assert exporting.tracer.step() == 0.0
    assert exporting.tracer.step() is None
    assert exporting.collector.names == [["a", "b"]]
    assert exporting.counts == {"sent": 4, "dropped": 0, "failed": 0}


def test_a_full_batch_does_not_wait() -> None:
    exporting = Exporting(settings=replace(SETTINGS, batch_max=4))
    for name in "abc":
        exporting.end(name)
    assert exporting.tracer.step() == 0.0
    assert exporting.collector.names == [["a", "b"]]
    assert exporting.tracer.step() == 5.0


def test_a_call_larger_than_a_batch_goes_alone() -> None:
    exporting = Exporting(settings=replace(SETTINGS, batch_max=1))
    exporting.end("a")
    exporting.end("b")
    exporting.run()
    assert exporting.collector.names == [["a"], ["b"]]


def test_times_are_converted_with_the_clocks_of_the_export() -> None:
    exporting = Exporting()
    exporting.end()
    exporting.run()
    server, _ = otlp_json.spans(exporting.collector.bodies[0])
    assert server.start_time_unix_nano == round((WALL + 999.0) * 1e9)


def test_the_oldest_make_room() -> None:
    exporting = Exporting(settings=replace(SETTINGS, queue_max=6, batch_max=6))
    for name in "abcde":
        exporting.end(name)
    exporting.run()
    assert exporting.collector.names == [["c", "d", "e"]]
    assert exporting.counts == {"sent": 6, "dropped": 4, "failed": 0}


def test_a_call_larger_than_the_queue_is_dropped() -> None:
    exporting = Exporting(settings=replace(SETTINGS, queue_max=1, batch_max=1))
    exporting.end()
    assert exporting.run() == []
    assert exporting.counts == {"sent": 0, "dropped": 2, "failed": 0}


def test_the_queue_holds_nothing_of_a_request() -> None:
    """A collector that hangs must not keep prompts of megabytes in memory."""
    exporting = Exporting()
    made = exporting.end()
    found = reachable(exporting.tracer)
    assert id(made.attempts[0]) in found
    assert not {id(made), id(made.request), id(made.chat)} & found


def reachable(root: object) -> set[int]:
    """The ids of all objects that `root` keeps alive, code aside."""
    found: set[int] = set()
    left = [root]
    while left:
        each = left.pop()
        if id(each) not in found and not isinstance(each, type | ModuleType | FunctionType):
            found.add(id(each))
            left += gc.get_referents(each)
    return found


# --- faults of a collector ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [Answer(429), Answer(502), Answer(503), Answer(504), Unreachable("refused")]
)
def test_back_off_grows_and_ends(fault: Answer | Exception, warned: list[str]) -> None:
    exporting = Exporting(*[fault] * 7, OK)
    exporting.end("a")
    assert [wait for wait in exporting.run() if wait] == [
        5.0,
        1.0,
        2.0,
        4.0,
        8.0,
        16.0,
        BACKOFF_MAX_S,
        BACKOFF_MAX_S,
    ]
    assert exporting.collector.names == [["a"]] * 8
    assert exporting.counts == {"sent": 2, "dropped": 0, "failed": 0}
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("stated", "wait_s"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("Tue, 14 Nov 2023 22:30:30 GMT", 25.0),
        ("86400", PAUSE_MAX_S),
        ("nonsense", 1.0),
        ("", 1.0),
        ("-5", 1.0),
    ],
)
def test_a_collector_says_when_to_come_back(stated: str, wait_s: float) -> None:
    exporting = Exporting(Answer(503, stated), OK)
    exporting.end()
    assert [wait for wait in exporting.run() if wait] == [5.0, wait_s]


def test_a_batch_is_given_up_in_time_and_its_pause_holds_for_the_next() -> None:
    exporting = Exporting(
        Answer(503, "20"), OK, settings=replace(SETTINGS, retry_s=10.0, batch_max=2)
    )
    exporting.end("a")
    assert exporting.tracer.step() == 0.0
    exporting.end("b")
    assert exporting.tracer.step() == 20.0
    exporting.run()
    assert exporting.collector.names == [["a"], ["b"]]
    assert exporting.counts == {"sent": 2, "dropped": 0, "failed": 2}


@pytest.mark.parametrize("status", [301, 307, 308, 400, 401, 403, 404, 413, 415, 500, 501])
def test_any_other_answer_loses_the_batch_and_no_more(status: int, warned: list[str]) -> None:
    exporting = Exporting(Answer(status), OK)
    exporting.end("a")
    exporting.run()
    exporting.end("b")
    exporting.run()
    assert exporting.collector.names == [["a"], ["b"]]
    assert exporting.counts == {"sent": 2, "dropped": 0, "failed": 2}
    assert warned == [f"traces cannot be sent: HTTP {status}"]


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        (b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"canary"}}', 1),
        (b'{"partialSuccess":{"rejectedSpans":2}}', 2),
        (b'{"partialSuccess":{"rejectedSpans":"99"}}', 2),
        (b'{"partialSuccess":{"rejectedSpans":-3}}', 0),
        (b'{"partialSuccess":{"rejectedSpans":1e400}}', 0),
        (b'{"partialSuccess":{"rejectedSpans":"' + b"9" * 5000 + b'"}}', 0),
        (b'{"partialSuccess":{}}', 0),
        (b'{"partialSuccess":[]}', 0),
        (b"[]", 0),
        (b"null", 0),
        (b"", 0),
        (b"\xff garbage", 0),
        (b"[" * 10_000, 0),
    ],
)
def test_what_a_collector_says_it_rejected(body: bytes, failed: int, warned: list[str]) -> None:
    exporting = Exporting(Answer(200, None, body))
    exporting.end()
    exporting.run()
    assert exporting.counts == {"sent": 2 - failed, "dropped": 0, "failed": failed}
    assert "canary" not in str(warned)


def test_a_problem_is_logged_once_until_it_is_over(warned: list[str]) -> None:
    exporting = Exporting(Answer(400), Answer(400), Answer(404), OK, Answer(404))
    for _ in range(5):
        exporting.end()
        exporting.run()
    assert [line[-3:] for line in warned] == ["400", "404", "404"]


# --- the end --------------------------------------------------------------------------------------


def test_what_waits_is_sent_at_the_end() -> None:
    exporting = Exporting(settings=replace(SETTINGS, batch_max=2))
    exporting.end("a")
    exporting.end("b")
    exporting.tracer.flush(exporting.clock.now + CLOSE_S)
    assert exporting.collector.names == [["a"], ["b"]]
    assert exporting.tracer.step() is None


def test_a_batch_in_its_back_off_has_one_more_try() -> None:
    exporting = Exporting(Answer(503), OK)
    exporting.end("a")
    exporting.tracer.step()
    exporting.clock.now += 5.0
    exporting.tracer.step()
    exporting.tracer.flush(exporting.clock.now + CLOSE_S)
    assert exporting.collector.names == [["a"], ["a"]]
    assert exporting.counts == {"sent": 2, "dropped": 0, "failed": 0}


def test_the_first_failure_ends_the_flush_at_the_end() -> None:
    exporting = Exporting(Unreachable("gone"), settings=replace(SETTINGS, batch_max=2))
    for name in "abc":
        exporting.end(name)
    exporting.tracer.flush(exporting.clock.now + CLOSE_S)
    assert exporting.collector.names == [["a"]]
    assert exporting.counts == {"sent": 0, "dropped": 0, "failed": 6}


def test_the_end_has_a_deadline() -> None:
    exporting = Exporting(settings=replace(SETTINGS, batch_max=2))
    exporting.collector.takes_s = 2.0
    for name in "abc":
        exporting.end(name)
    exporting.tracer.flush(exporting.clock.now + CLOSE_S)
    assert exporting.collector.names == [["a"], ["b"]]
    assert exporting.collector.timeouts == [3.0, 1.0]
    assert exporting.counts == {"sent": 4, "dropped": 0, "failed": 2}


class Signalling(Collector):
    """Tells a test that it was asked."""

    def __init__(self, *answers: Answer | Exception) -> None:
        super().__init__(Clock(), *answers)
        self.asked = threading.Event()

    def __call__(self, body: bytes, timeout_s: float) -> Answer:
        try:
            return super().__call__(body, timeout_s)
        finally:
            self.asked.set()


def in_a_thread(collector: Signalling, **settings: Any) -> Tracer:
    tracer = Tracer(replace(SETTINGS, **settings), collector, "1")
    tracer.start()
    return tracer


def end(tracer: Tracer, id_: str) -> None:
    made = call(LOCAL)
    made.id, made.trace = id_, tracer.begin(scope())
    tracer.record(made, 200, 1.0)


def test_the_thread_sends_and_closes() -> None:
    collector = Signalling()
    tracer = in_a_thread(collector, batch_max=1)
    end(tracer, "a")
    assert collector.asked.wait(10)
    end(tracer, "b")
    tracer.close()
    assert sorted(name for names in collector.names for name in names) == ["a", "b"]
    assert collector.closed


def test_a_fault_of_ours_costs_a_batch_and_not_the_thread(warned: list[str]) -> None:
    collector = Signalling(RuntimeError("a fault"), OK)
    tracer = in_a_thread(collector, batch_max=1)
    end(tracer, "a")
    assert collector.asked.wait(10)
    end(tracer, "b")
    tracer.close()
    assert collector.names == [["a"], ["b"]]
    (family,) = tracer.collect()
    assert [sample.value for sample in family.samples] == [1, 0, 1]
    assert warned == ["internal error in the export of traces"]


def test_a_tracer_that_was_never_started_closes() -> None:
    Exporting().tracer.close()


def test_the_body_is_json_of_otlp() -> None:
    exporting = Exporting(settings=replace(SETTINGS, resource={"service.name": "me"}))
    exporting.end()
    exporting.run()
    assert list(orjson.loads(exporting.collector.bodies[0])) == ["resourceSpans"]
    (resource,) = otlp_json.parse(exporting.collector.bodies[0]).resource_spans
    assert otlp_json.attributes(resource.resource.attributes) == {"service.name": "me"}
