"""A whole answer: the hub's message → content blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.anthropic.inbound.content import (
    NO_IMAGES,
    call_of,
    citations_of,
    input_of,
    signature_of,
    texts,
)
from gateway.dialects.anthropic.inbound.notes import Notes
from gateway.dialects.anthropic.inbound.usage import encode_stop, encode_usage
from gateway.hub.contracts import Answer
from gateway.types import Chat


def encode_response(chat: Chat, answer: Answer) -> Mapping[str, Any]:
    """The `message` of a chat completion. Its id is unique: Claude Code merges turns of one id."""
    choice = chat["choices"][0]
    message, reason = choice["message"], choice["finish_reason"]
    refusal = message.get("refusal") or ""
    notes = answer.request.notes or Notes()
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [*_thinking(message, notes), *_text(message, reason), *_tool_uses(message)],
        **encode_stop(reason, refusal),
        "usage": encode_usage(chat.get("usage")),
    }


def _thinking(message: Mapping[str, Any], notes: Notes) -> list[dict[str, Any]]:
    if not notes.thinking:
        return []
    calls = message.get("tool_calls") or ()
    extras = {call["id"]: call["extra_content"] for call in calls if call.get("extra_content")}
    signature = signature_of(message.get("reasoning_details") or [], extras)
    text = (message.get("reasoning_content") or "") if notes.thinking_text else ""
    if not text and not signature:
        return []
    return [{"type": "thinking", "thinking": text, "signature": signature}]


def _text(message: Mapping[str, Any], reason: str) -> list[dict[str, Any]]:
    said = message.get("content") or ""
    if not said and reason == "stop":
        said = message.get("refusal") or ""  # the model's own words, in a field of their own
    blocks = texts([said])
    citations = citations_of(message.get("annotations"))
    if blocks and citations:
        blocks[0]["citations"] = citations
    return blocks + texts([NO_IMAGES] if message.get("images") else [])


def _tool_uses(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    calls = [call_of(call) for call in message.get("tool_calls") or ()]
    return [
        {"type": "tool_use", "id": id_, "name": name, "input": input_of(arguments)}
        for id_, name, arguments in calls
    ]
