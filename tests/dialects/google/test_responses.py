"""Whole answers of Gemini."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway import sse
from gateway.dialects import Encoded
from gateway.dialects.chat import as_chunks, is_empty
from gateway.dialects.google import StreamDecoder, decode_response
from gateway.failures import Failed, Kind
from gateway.types import Chat

CALL = {"functionCall": {"name": "look_up", "args": {"city": "Oslo"}}}


def decoded(
    *parts: dict[str, Any], reason: str = "STOP", encoded: Encoded | None = None, **more: Any
) -> Chat:
    candidate = {"content": {"parts": list(parts), "role": "model"}, "finishReason": reason}
    return decode_response(
        {"candidates": [candidate], "responseId": "r1", **more}, encoded or Encoded("/x", {})
    )


def message(chat: Chat) -> dict[str, Any]:
    return dict(chat["choices"][0]["message"])


@pytest.mark.parametrize("reason", ["UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"])
def test_a_whole_call_is_a_call_even_to_an_undeclared_tool(reason: str) -> None:
    """The client answers that there is no such tool, and the model corrects itself."""
    assert decoded(CALL, reason=reason)["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("reason", "parts"),
    [
        ("UNEXPECTED_TOOL_CALL", []),
        ("UNEXPECTED_TOOL_CALL", [{"text": "Let me see."}]),
        ("MALFORMED_FUNCTION_CALL", [{"text": "Let me see."}]),
        ("MALFORMED_FUNCTION_CALL", [CALL]),
        ("OTHER", []),
    ],
)
def test_an_unusable_answer_is_a_failure(reason: str, parts: list[dict[str, Any]]) -> None:
    with pytest.raises(Failed) as raised:
        decoded(*parts, reason=reason)
    assert (raised.value.failure.kind, raised.value.failure.code) == (Kind.MALFORMED, reason)


def test_ids_differ_from_call_to_call_even_without_the_answers_own() -> None:
    """The replay knows a signature by its call's id: one id for all would give one answer another's
    signature."""
    signed = [
        decoded({**CALL, "thoughtSignature": text}, responseId=None) for text in ("c2ln", "bmF0")
    ]
    ids = {message(chat)["tool_calls"][0]["id"] for chat in signed}
    assert len(ids) == 2


def test_an_image_is_an_answer() -> None:
    drawn = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    chat = decoded({**drawn, "thought": True}, drawn)
    image = {
        "type": "image_url",
        "index": 0,
        "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="},
    }
    assert message(chat)["images"] == [image]
    assert not is_empty(chat)
    assert [
        chunk for chunk in as_chunks(chat) if chunk["choices"][0]["delta"].get("images") == [image]
    ]


def test_a_custom_tools_call_keeps_its_signature() -> None:
    encoded = Encoded("/x", {}, custom_tools=frozenset({"patch"}))
    part = {
        "functionCall": {"name": "patch", "args": {"input": "*** Begin"}},
        "thoughtSignature": "c2ln",
    }
    [whole] = message(decoded(part, encoded=encoded))["tool_calls"]
    assert whole["custom"] == {"name": "patch", "input": "*** Begin"}
    assert whole["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    body = {
        "candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}],
        "responseId": "r1",
    }
    [chunk] = StreamDecoder(encoded).decode(sse.Event(b"", orjson.dumps(body)))
    assert chunk["choices"][0]["delta"]["tool_calls"] == [{"index": 0, **whole}]
