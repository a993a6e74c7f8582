"""A custom tool that was sent as a function comes back as a custom call, with whatever has to come
back with it."""

from __future__ import annotations

from typing import Any

from gateway.dialects import DIALECTS, Encoded
from gateway.hub.chunks import ToolCalls

ENCODED = Encoded("/", {}, custom_tools=frozenset({"patch"}))
EXTRA = {"google": {"thought_signature": "c2ln"}}
CUSTOM = {
    "type": "custom",
    "custom": {"name": "patch", "input": "*** Begin"},
    "extra_content": EXTRA,
}


def without_id(call: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in call.items() if key not in ("id", "index")}


def test_a_streamed_custom_call() -> None:
    calls = ToolCalls(ENCODED)
    assert calls.start("a", "call_1", "patch", {"extra_content": EXTRA}) == []
    assert calls.arguments("a", '{"input": "*** ') == calls.arguments("a", 'Begin"}') == []
    [chunk] = calls.end("a")
    assert without_id(chunk["choices"][0]["delta"]["tool_calls"][0]) == CUSTOM


def test_a_whole_custom_call() -> None:
    arguments = {"input": "*** Begin"}
    part = {"functionCall": {"name": "patch", "args": arguments}, "thoughtSignature": "c2ln"}
    google = {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}
    call = {
        "id": "call_1",
        "function": {"name": "patch", "arguments": arguments},
        "extra_content": EXTRA,
    }
    openai = {"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    for dialect, body in (("google", google), ("chat", openai)):
        chat = DIALECTS[dialect].decode_response(body, ENCODED)
        assert without_id(chat["choices"][0]["message"]["tool_calls"][0]) == CUSTOM, dialect
