"""The export of traces: a thread sends finished calls to an OpenTelemetry collector by OTLP/HTTP.

A call only puts a record into a queue. Whatever the collector does (hangs, refuses, answers
nonsense, redirects), the queue stays bounded, the oldest spans make room, and losses are counted.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol

import orjson
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from gateway.observe.otlp import Record, export_request, record
from gateway.observe.trace_settings import Settings
from gateway.text import ratelimits
from gateway.text.trace_context import Trace, parse_parent, parse_state
from gateway.types import Call

log = logging.getLogger("gateway.traces")

CLOSE_S: Final = 3.0
"""What a stop of the process gives the collector for what still waits."""
JOIN_S: Final = 4.0
RETRIED: Final = frozenset({429, 502, 503, 504})
"""Statuses after which the OTLP specification allows another try; any other loses the batch."""
BACKOFF_S: Final = 1.0
BACKOFF_MAX_S: Final = 32.0
PAUSE_MAX_S: Final = 300.0
"""The longest pause that a collector can ask for."""


class Answer(NamedTuple):
    """The answer of a collector."""

    status: int
    retry_after: str | None = None
    body: bytes = b""


class Unreachable(Exception):
    """The collector could not be reached or did not answer in time. The message holds no header and
    no path."""


class Post(Protocol):
    """Sends a request body to the collector."""

    def __call__(self, body: bytes, timeout_s: float) -> Answer:
        """Returns within `timeout_s`. Raises `Unreachable`."""
        ...

    def close(self) -> None:
        """Closes the connection."""
        ...


class _Batch(NamedTuple):
    body: bytes
    spans: int
    until: float
    """When it is given up, in seconds of the monotonic clock."""


class _Queue:
    """Records that wait, at most `spans_max` spans of them, and what became of all spans. Used by
    two threads."""

    def __init__(self, spans_max: int) -> None:
        self.spans = 0
        """How many wait."""
        self._spans_max = spans_max
        self._records: deque[Record] = deque()
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(("sent", "dropped", "failed"), 0)

    def put(self, new: Record) -> None:
        """Adds a record. The oldest ones make room for it."""
        with self._lock:
            self._records.append(new)
            self.spans += new.spans
            while self.spans > self._spans_max:
                self._counts["dropped"] += self._pop().spans

    def take(self, spans_max: int) -> list[Record]:
        """The oldest records, of `spans_max` spans together, or the first one if it has more."""
        taken: list[Record] = []
        count = 0
        with self._lock:
            while self._records and (not taken or count + self._records[0].spans <= spans_max):
                taken.append(self._pop())
                count += taken[-1].spans
        return taken

    def _pop(self) -> Record:
        oldest = self._records.popleft()
        self.spans -= oldest.spans
        return oldest

    def count(self, outcome: str, spans: int) -> None:
        """Counts what became of so many spans."""
        with self._lock:
            self._counts[outcome] += spans

    def counts(self) -> dict[str, int]:
        """Spans by outcome."""
        with self._lock:
            return dict(self._counts)


class Tracer(Collector):
    """Begins traces and exports them. `record` is an `observer.Sink`; as a metric it counts spans
    by outcome.

    `clock` is monotonic and `wall` Unix time, both in seconds; `bits` makes random numbers of so
    many bits, and `jitter` one between 0 and 1.
    """

    def __init__(
        self,
        settings: Settings,
        post: Post,
        version: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        bits: Callable[[int], int] = random.getrandbits,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._post = post
        self._version = version
        self._clock = clock
        self._wall = wall
        self._bits = bits
        self._jitter = jitter
        self._queue = _Queue(settings.queue_max)
        self._batch: _Batch | None = None
        self._due_at: float | None = None
        self._tries = 0
        self._reported = ""
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    # --- on the event loop ------------------------------------------------------------------------

    def begin(self, scope: Mapping[str, Any]) -> Trace:
        """The trace of a request, by its ASGI scope."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        parent = parse_parent(_values(headers, b"traceparent"))
        trace_id = parent.trace_id if parent is not None else f"{self._bits(128) or 1:032x}"
        return Trace(
            trace_id,
            self._bits(62) + 1,  # so that the attempts' ids, which follow it, have 64 bits too
            parent.span_id if parent is not None else "",
            self._settings.sampler.flags(trace_id, parent),
            parse_state(_values(headers, b"tracestate")) if parent is not None else "",
            scope["path"],
            scope.get("scheme", "http"),
            self._settings.propagates,
        )

    def record(self, call: Call, status: int, seconds: float) -> None:
        """Takes a finished call; never waits for a collector."""
        if call.trace is None or not call.trace.is_sampled:
            return
        new = record(call, call.trace, status, seconds)
        batch_max = self._settings.batch_max
        before = self._queue.spans
        self._queue.put(new)
        if not before or before < batch_max <= self._queue.spans:
            self._wake.set()

    def collect(self) -> Iterator[CounterMetricFamily]:
        """`gateway_trace_spans_total`."""
        words = "Spans by outcome: sent, dropped (the queue was full), failed."
        family = CounterMetricFamily("gateway_trace_spans", words, labels=["outcome"])
        for outcome, count in self._queue.counts().items():
            family.add_metric([outcome], count)
        yield family

    # --- in the thread ----------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the thread that sends."""
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Sends what waits, as far as `CLOSE_S` allows, and ends the thread."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)
            if self._thread.is_alive():
                log.warning("the traces' collector does not answer; what waited for it is lost")
            self._thread = None

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._wake.wait(self._survived())
                self._wake.clear()
            self.flush(self._clock() + CLOSE_S)
        finally:
            self._post.close()

    def _survived(self) -> float | None:
        """`step`, after which the thread goes on: a fault of the gateway costs one batch."""
        try:
            return self.step()
        except Exception:
            log.exception("internal error in the export of traces")
            self._lose(self._batch.spans if self._batch is not None else 0)
            self._batch = None
            return BACKOFF_S

    def step(self) -> float | None:
        """Sends what is due. Returns the seconds until something is; None while nothing waits."""
        now = self._clock()
        if self._batch is None and not self._queue.spans:
            return None
        if self._due_at is None:
            self._due_at = now + self._settings.delay_s
        is_full = self._tries == 0 and self._queue.spans >= self._settings.batch_max
        if now < self._due_at and not is_full:
            return self._due_at - now
        self._send(self._settings.timeout_s)
        return 0.0

    def flush(self, deadline: float) -> None:
        """Sends what waits until `deadline` or the first failure, and counts the rest as lost."""
        left_s = deadline - self._clock()
        while (self._batch is not None or self._queue.spans) and left_s > 0:
            self._send(min(left_s, self._settings.timeout_s))
            left_s = deadline - self._clock() if self._tries == 0 else 0.0
        if self._batch is not None:
            self._lose(self._batch.spans)
            self._batch = None
        self._lose(sum(each.spans for each in self._queue.take(self._settings.queue_max)))

    def _send(self, timeout_s: float) -> None:
        """One try for one batch; afterwards `_due_at` says when the next may follow."""
        batch = self._batch = self._batch or self._next_batch()
        try:
            answer = self._post(batch.body, timeout_s)
        except Unreachable as error:
            self._pause(batch, str(error), None)
            return
        if answer.status in RETRIED:
            self._pause(batch, f"HTTP {answer.status}", answer.retry_after)
            return
        self._batch, self._due_at, self._tries = None, None, 0
        if 200 <= answer.status < 300:
            self._accepted(batch, answer)
        else:
            self._lose(batch.spans)
            self._report(f"HTTP {answer.status}")

    def _next_batch(self) -> _Batch:
        records = self._queue.take(self._settings.batch_max)
        count = sum(each.spans for each in records)
        offset_ns = round(self._wall() * 1e9) - round(self._clock() * 1e9)
        resource = self._settings.resource
        body = orjson.dumps(export_request(records, resource, self._version, offset_ns))
        return _Batch(body, count, self._clock() + self._settings.retry_s)

    def _accepted(self, batch: _Batch, answer: Answer) -> None:
        rejected = min(_rejected(answer.body), batch.spans)
        self._lose(rejected)
        self._queue.count("sent", batch.spans - rejected)
        self._report(f"{rejected} spans were rejected" if rejected else "")

    def _pause(self, batch: _Batch, reason: str, retry_after: str | None) -> None:
        """Back-off. A batch whose time is over by then is lost; the pause holds for the next."""
        now = self._clock()
        delay_s = min(BACKOFF_S * 2**self._tries, BACKOFF_MAX_S) * (0.5 + self._jitter() / 2)
        if retry_after is not None:
            stated_s = ratelimits.retry_after_s({"retry-after": retry_after}, self._wall())
            delay_s = min(max(delay_s, stated_s or 0.0), PAUSE_MAX_S)
        self._due_at = now + delay_s
        self._tries = min(self._tries + 1, 16)
        self._report(reason)
        if self._due_at > batch.until:
            self._batch = None
            self._lose(batch.spans)

    def _lose(self, spans: int) -> None:
        self._queue.count("failed", spans)

    def _report(self, reason: str) -> None:
        """Logs a problem once, until it is another one or over."""
        if reason and reason != self._reported:
            log.warning("traces cannot be sent: %s", reason)
        self._reported = reason


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


def _rejected(body: bytes) -> int:
    """How many spans a collector did not take, although its status says success."""
    try:
        return max(0, int(orjson.loads(body)["partialSuccess"]["rejectedSpans"]))
    except (ValueError, TypeError, LookupError, OverflowError):
        return 0
