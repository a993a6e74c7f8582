"""Calls as OTLP: `ExportTraceServiceRequest` in its JSON form. Holds no prompt, answer or key.

Sources: the OTLP specification ("JSON Protobuf Encoding": ids are hexadecimal, 64-bit integers are
strings, enums are numbers) and OpenTelemetry's semantic conventions 1.44 for GenAI and HTTP. What
they have no name for begins with `gateway.`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from gateway.redact import redact
from gateway.text.trace_context import Trace
from gateway.types import Attempt, Call, Usage
from gateway.urls import target

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
SCOPE: Final = "gateway"
CHARS_MAX: Final = 256
"""Longer texts are cut: some are a provider's own words."""
CANCELLED: Final = "cancelled"
"""`error.type` of an attempt that ended because its client left."""
BROKE_OFF: Final = 502
"""The status that an observer's sink receives for a stream that failed after its 200."""

_SERVER: Final = 2
_CLIENT: Final = 3
_ERROR: Final = {"code": 2}
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_INT64: Final = 1 << 63
_NANOSECONDS: Final = 1_000_000_000

_NUMBERS: Final[Mapping[str, str]] = {
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
}
"""Field of a chat → attribute. Numbers alone: every other field may hold what a person wrote."""
_WHOLE: Final = {f"gen_ai.request.{name}" for name in ("max_tokens", "seed", "choice.count")}
_OPERATIONS: Final[Mapping[str, str]] = {"embeddings": "embeddings"}
"""Dialect → `gen_ai.operation.name`, where that is not `chat`."""

Value = str | bool | int | float | list[str]
Attributes = Mapping[str, Value | None]
"""None is an unknown attribute, which is left out."""
Json = dict[str, Any]


class Record(NamedTuple):
    """What is exported of a call. It keeps nothing of the request but numbers. Times are seconds of
    the monotonic clock."""

    trace: Trace
    id: str
    agent: str
    client: str
    operation: str
    stream: bool
    status: int
    received_at: float
    ended_at: float
    pauses: tuple[tuple[float, float], ...]
    attempts: tuple[Attempt, ...]
    numbers: Attributes

    @property
    def spans(self) -> int:
        return 1 + len(self.attempts)


def record(call: Call, trace: Trace, status: int, seconds: float) -> Record:
    """The record of a finished call."""
    return Record(
        trace,
        call.id,
        call.agent.name,
        call.client.name,
        _OPERATIONS.get(call.dialect, "chat"),
        call.stream,
        status,
        call.received_at,
        call.received_at + seconds,
        call.pauses,
        tuple(call.attempts),
        dict(_numbers(call.chat)),
    )


def _numbers(chat: Mapping[str, Any]) -> Iterator[tuple[str, int | float]]:
    for field, name in _NUMBERS.items():
        value = chat.get(field)
        number = _whole(value) if name in _WHOLE else _fraction(value)
        if number is not None:
            yield name, number


def _whole(value: Any) -> int | None:
    """`value` if OTLP can hold it as an integer."""
    return value if type(value) is int and -_INT64 <= value < _INT64 else None


def _fraction(value: Any) -> float | None:
    """`value` if OTLP can hold it as a double."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    number = _whole(value)
    return float(number) if number is not None else None


def export_request(
    batch: Iterable[Record], about: Attributes, version: str, offset_ns: int
) -> Json:
    """One request for a collector. `about` is the resource; `offset_ns` is what the monotonic clock
    lacks of Unix time."""
    found = [span for each in batch for span in spans(each, offset_ns)]
    scope = {"scope": {"name": SCOPE, "version": version}, "spans": found, "schemaUrl": SCHEMA_URL}
    resource = {"attributes": _attributes(about)}
    return {
        "resourceSpans": [{"resource": resource, "scopeSpans": [scope], "schemaUrl": SCHEMA_URL}]
    }


def spans(record: Record, offset_ns: int) -> Iterator[Json]:
    """The server span of a call, then a client span for each attempt."""
    yield _call_span(record, offset_ns)
    for attempt in record.attempts:
        yield _attempt_span(record, attempt, offset_ns)


# --- the call -------------------------------------------------------------------------------------


def _call_span(record: Record, offset_ns: int) -> Json:
    trace = record.trace
    status, error = _outcome(record)
    attributes: Attributes = {
        "http.request.method": "POST",
        "http.route": trace.path,
        "url.path": trace.path,
        "url.scheme": trace.scheme,
        "http.response.status_code": status,
        "error.type": error,
        "gen_ai.operation.name": record.operation,
        "gen_ai.agent.name": record.agent,
        "gateway.request_id": record.id,
        "gateway.client": record.client,
        "gateway.attempts": len(record.attempts),
    }
    span = {
        **_head(trace, trace.span(), trace.parent_id, is_remote=bool(trace.parent_id)),
        "name": f"POST {_text(trace.path)}",
        "kind": _SERVER,
        **_times(record.received_at, record.ended_at, offset_ns),
        "attributes": _attributes(attributes),
        "events": [_wait(begin, end, offset_ns) for begin, end in record.pauses],
    }
    return {**span, "status": _ERROR} if error is not None else span


def _outcome(record: Record) -> tuple[int, str | None]:
    """(HTTP status, `error.type`). As the HTTP conventions say, a 4xx is not a server's error."""
    last = record.attempts[-1] if record.attempts else None
    if last is not None and last.committed_at is not None and last.failure is not None:
        return (200 if record.status == BROKE_OFF else record.status), last.failure.kind.value
    return record.status, str(record.status) if record.status >= 500 else None


def _wait(begin: float, end: float, offset_ns: int) -> Json:
    duration = _attributes({"gateway.wait.duration": end - begin})
    at = _nanos(begin, offset_ns)
    return {"name": "gateway.wait", "timeUnixNano": at, "attributes": duration}


# --- an attempt -----------------------------------------------------------------------------------


def _attempt_span(record: Record, attempt: Attempt, offset_ns: int) -> Json:
    trace, error = record.trace, _error(attempt)
    ended_at = attempt.ended_at if attempt.ended_at is not None else record.ended_at
    span = {
        **_head(trace, trace.span(attempt.number), trace.span(), is_remote=False),
        "name": _text(f"{record.operation} {attempt.model.model_id}"),
        "kind": _CLIENT,
        **_times(attempt.started_at, ended_at, offset_ns),
        "attributes": _attributes({**_about(record, attempt), "error.type": error}),
        "events": _first_token(record, attempt, offset_ns),
    }
    return {**span, "status": _status(attempt)} if error is not None else span


def _error(attempt: Attempt) -> str | None:
    if attempt.failure is not None:
        return attempt.failure.kind.value
    return CANCELLED if attempt.committed_at is None else None


def _status(attempt: Attempt) -> Json:
    """Never a provider's message: it may quote the prompt."""
    words = attempt.failure.brief() if attempt.failure is not None else CANCELLED
    return {**_ERROR, "message": words}


def _about(record: Record, attempt: Attempt) -> Attributes:
    model = attempt.model
    finish = attempt.finish_reason
    return {
        "gen_ai.operation.name": record.operation,
        "gen_ai.provider.name": model.provider.trace_name or model.provider.name,
        "gen_ai.request.model": model.model_id,
        "gen_ai.request.stream": record.stream,
        **record.numbers,
        "gen_ai.response.model": attempt.response_model,
        "gen_ai.response.finish_reasons": [finish] if finish is not None else None,
        "gen_ai.response.time_to_first_chunk": _first_chunk_s(record, attempt),
        **_usage(attempt.usage),
        **_server(model.base_url),
        "http.response.status_code": _http_status(attempt),
        "gateway.model": model.name,
        "gateway.attempt": attempt.number,
        "gateway.cooldown": attempt.cooldown_s or None,
        "gateway.upstream_request_id": attempt.upstream_request_id,
    }


def _first_chunk_s(record: Record, attempt: Attempt) -> float | None:
    """Seconds from the request to the first content of a stream."""
    if not record.stream or attempt.committed_at is None or attempt.sent_at is None:
        return None
    return attempt.committed_at - attempt.sent_at


def _http_status(attempt: Attempt) -> int | None:
    """None where the provider sent none."""
    if attempt.committed_at is not None:
        return 200
    return attempt.failure.status if attempt.failure is not None else None


def _usage(usage: Usage | None) -> Attributes:
    if usage is None:
        return {}
    return {
        "gen_ai.usage.input_tokens": usage.input,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read or None,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write or None,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning or None,
        "gateway.cost": usage.cost,
    }


def _server(base_url: str) -> Attributes:
    """Host and port, never the path: it may hold a key. Nor a host that looks like one."""
    try:
        origin = target(base_url).origin
    except (ValueError, UnicodeError):
        return {}
    if redact(origin.host) != origin.host:
        return {}
    return {"server.address": origin.host, "server.port": origin.port}


def _first_token(record: Record, attempt: Attempt, offset_ns: int) -> list[Json]:
    if not record.stream or attempt.committed_at is None:
        return []
    at = _nanos(attempt.committed_at, offset_ns)
    return [{"name": "gateway.first_token", "timeUnixNano": at}]


# --- the encoding ---------------------------------------------------------------------------------


def _head(trace: Trace, span_id: str, parent_id: str, *, is_remote: bool) -> Json:
    flags = trace.flags | _HAS_IS_REMOTE | (_IS_REMOTE if is_remote else 0)
    head = {"traceId": trace.trace_id, "spanId": span_id, "flags": flags}
    if parent_id:
        head["parentSpanId"] = parent_id
    if trace.state:
        head["traceState"] = trace.state
    return head


def _times(begin: float, end: float, offset_ns: int) -> Json:
    return {
        "startTimeUnixNano": _nanos(begin, offset_ns),
        "endTimeUnixNano": _nanos(max(begin, end), offset_ns),
    }


def _nanos(at: float, offset_ns: int) -> str:
    return str(round(at * _NANOSECONDS) + offset_ns)


def _attributes(values: Attributes) -> list[Json]:
    known = ((name, value) for name, value in values.items() if value is not None)
    return [{"key": name, "value": _value(value)} for name, value in known]


def _value(value: Value) -> Json:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": _text(value)}
    return {"arrayValue": {"values": [_value(each) for each in value]}}


def _text(value: str) -> str:
    """Half a surrogate pair has no UTF-8, and would cost the whole batch."""
    return value[:CHARS_MAX].encode("utf-8", "replace").decode()
