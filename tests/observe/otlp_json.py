"""Reads OTLP's JSON form with the official protocol buffers, and refuses what they do not know."""

from __future__ import annotations

import base64
from typing import Any, Final

import orjson
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_IDS: Final = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def parse(data: bytes) -> ExportTraceServiceRequest:
    """Raises if it is not OTLP. Ids are hexadecimal there and base64 in plain protobuf JSON."""
    message = ExportTraceServiceRequest()
    ParseDict(_in_base64(orjson.loads(data)), message)
    return message


def spans(data: bytes) -> list[Span]:
    """All spans of a request, in their order."""
    return [
        span
        for resource in parse(data).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def attributes(values: Any) -> dict[str, Any]:
    """Attributes as a dict; no name may come twice."""
    pairs: list[KeyValue] = list(values)
    found = {pair.key: _plain(pair.value) for pair in pairs}
    assert len(found) == len(pairs)
    return found


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    assert kind is not None
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return getattr(value, kind)


def _in_base64(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_base64(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _id(key, each) if key in _IDS else _in_base64(each) for key, each in value.items()}


def _id(key: str, value: str) -> str:
    raw = bytes.fromhex(value)
    assert len(raw) == _IDS[key]
    assert any(raw)
    return base64.b64encode(raw).decode()
