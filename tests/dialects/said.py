"""Streams in every provider's own format, written by hand, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.dialects import DIALECTS, Encoded
from tests.goldens import decode_stream

HIGH, LOW = "\\ud83d", "\\ude42"
"""The two halves of one character, as JSON escapes them."""
SMILE = "\U0001f642"

Text = Callable[[str], bytes]
"""An event that holds a piece of text; the text is JSON already, so that it may hold half a
character."""


def event(data: str, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + data.encode() + b"\n\n"


def typed(data: str) -> bytes:
    return event(data, data.split('"')[3])


def chat(delta: str, finish: str = "null", index: str = "0") -> bytes:
    return event(
        '{"choices":[{"index":%s,"delta":%s,"finish_reason":%s}]}' % (index, delta, finish)  # noqa: UP031
    )


def google(parts: str, more: str = "") -> bytes:
    return event('{"candidates":[{"index":0,"content":{"parts":[%s]}%s}]}' % (parts, more))  # noqa: UP031


def anthropic_delta(kind: str, key: str, text: str) -> bytes:
    return typed(
        '{"type":"content_block_delta","index":0,"delta":{"type":"%s","%s":"%s"}}'  # noqa: UP031
        % (kind, key, text)
    )


def responses_delta(kind: str, text: str) -> bytes:
    return typed('{"type":"response.%s.delta","output_index":0,"delta":"%s"}' % (kind, text))  # noqa: UP031


TEXT: Mapping[str, Text] = {
    "chat": lambda text: chat('{"content":"%s"}' % text),  # noqa: UP031
    "anthropic": lambda text: anthropic_delta("text_delta", "text", text),
    "google": lambda text: google('{"text":"%s"}' % text),  # noqa: UP031
    "responses": lambda text: responses_delta("output_text", text),
}
THOUGHT: Mapping[str, Text] = {
    "chat": lambda text: chat('{"reasoning_content":"%s"}' % text),  # noqa: UP031
    "anthropic": lambda text: anthropic_delta("thinking_delta", "thinking", text),
    "google": lambda text: google('{"thought":true,"text":"%s"}' % text),  # noqa: UP031
    "responses": lambda text: responses_delta("reasoning_summary_text", text),
}
REFUSED: Mapping[str, Text] = {
    "chat": lambda text: chat('{"refusal":"%s"}' % text),  # noqa: UP031
    "responses": lambda text: responses_delta("refusal", text),
}
CALL: Mapping[str, bytes] = {
    "chat": chat('{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}'),
    "anthropic": typed(
        '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}'
    ),
    "responses": typed(
        '{"type":"response.output_item.added","output_index":0,'
        '"item":{"type":"function_call","id":"i","call_id":"a","name":"f","arguments":""}}'
    ),
}
ARGUMENTS: Mapping[str, Text] = {
    "chat": lambda text: chat('{"tool_calls":[{"index":0,"function":{"arguments":"%s"}}]}' % text),  # noqa: UP031
    "anthropic": lambda text: anthropic_delta("input_json_delta", "partial_json", text),
    "responses": lambda text: responses_delta("function_call_arguments", text),
}
FINISH: Mapping[str, bytes] = {
    "chat": chat("{}", '"stop"'),
    "anthropic": typed(
        '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}'
    ),
    "google": google("", ',"finishReason":"STOP"').replace(
        b"}]}", b'}],"usageMetadata":{"promptTokenCount":1}}'
    ),
    "responses": typed(
        '{"type":"response.completed","response":{"status":"completed","usage":{"output_tokens":3}}}'
    ),
}
LAST: Mapping[str, bytes] = {
    "chat": b"data: [DONE]\n\n",
    "anthropic": typed('{"type":"message_stop"}'),
    "google": b"",
    "responses": b"",
}
ERROR: Mapping[str, bytes] = {
    "chat": event('{"error":{"message":"overloaded","code":503}}'),
    "anthropic": typed(
        '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    ),
    "google": event('{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}'),
    "responses": typed('{"type":"error","code":"server_error","message":"overloaded"}'),
}


class Said:
    """The chunks of a stream, put together as a client does."""

    def __init__(self, chunks: list[Any]) -> None:
        self.failed = next((chunk["failed"] for chunk in chunks if "failed" in chunk), None)
        self.usage = next((chunk["usage"] for chunk in chunks if chunk.get("usage")), None)
        self.finishes: list[str] = []
        self.fields: dict[str, str] = {}
        self.calls: list[dict[str, Any]] = []
        for choice in (choice for chunk in chunks for choice in chunk.get("choices", ())):
            assert not self.finishes, "something came behind the finish"
            self.finishes += [choice["finish_reason"]] * (choice["finish_reason"] is not None)
            self._add(choice["delta"])

    def _add(self, delta: dict[str, Any]) -> None:
        for call in delta.pop("tool_calls", ()):
            if "id" in call:
                assert call["index"] == len(self.calls)
                self.calls.append(call)
            else:
                kind, field = ("custom", "input") if "custom" in call else ("function", "arguments")
                self.calls[call["index"]][kind][field] += call[kind][field]
        for field, text in delta.items():
            self.fields[field] = self.fields.get(field, "") + text

    @property
    def named(self) -> list[tuple[str, str]]:
        return [(call["function"]["name"], call["function"]["arguments"]) for call in self.calls]


def said(dialect: str, *pieces: bytes, **encoded: Any) -> Said:
    return Said(
        decode_stream(
            DIALECTS[dialect], list(pieces), Encoded("/", encoded.pop("body", {}), **encoded)
        )
    )
