"""A whole answer: content blocks → one message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from gateway.dialects.anthropic.citations import decode_citations
from gateway.dialects.anthropic.errors import decode_error_value
from gateway.dialects.anthropic.thinking import decode_block
from gateway.dialects.anthropic.usage import decode_usage
from gateway.failures import Failed, Failure, Kind
from gateway.hub.chunks import usage_dict
from gateway.hub.contracts import Encoded
from gateway.hub.structured_output import unfence
from gateway.hub.tools import custom_input
from gateway.types import Chat

STOP_REASONS: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "compaction": "length",
    "refusal": "content_filter",
}


def decode_response(body: dict[str, Any], encoded: Encoded) -> Chat:
    """A chat completion without `id` and `created`. Raises `Failed` for an error inside a 200."""
    if body.get("type") == "error" or "content" not in body:
        raise Failed(_failure_inside(body))
    message = decode_message(body["content"] or [], encoded)
    if body.get("stop_reason") == "refusal":
        message["refusal"] = refusal_text(body)
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": decode_stop(body.get("stop_reason"), "tool_calls" in message),
        "logprobs": None,
    }
    return {
        "object": "chat.completion",
        "model": body.get("model"),
        "choices": [choice],
        "usage": usage_dict(decode_usage(body.get("usage") or {})),
    }


def _failure_inside(body: Mapping[str, Any]) -> Failure:
    if body.get("type") == "error" or body.get("error"):
        return decode_error_value(body, None)
    return Failure(Kind.MALFORMED, "Anthropic's answer holds no content", status=200)


def decode_stop(reason: str | None, called: bool) -> str:
    """One of the four finish reasons; an unknown stop reason is a stop."""
    word = STOP_REASONS.get(reason or "", "stop")
    if word == "stop" and called:
        return "tool_calls"
    return "stop" if word == "tool_calls" and not called else word


def refusal_text(body: Mapping[str, Any]) -> str:
    """Why the model refused, in the provider's words where it gives any."""
    details = body.get("stop_details") or {}
    return details.get("explanation") or "The model refused to answer."


def decode_message(blocks: list[dict[str, Any]], encoded: Encoded) -> dict[str, Any]:
    """The hub's message of a list of content blocks. Blocks of unknown types are passed over, as documented."""
    text: list[str] = []
    reasoning: list[str] = []
    details: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            annotations += decode_citations(block.get("citations"), len(annotations))
            text.append(block.get("text") or "")
        elif kind in ("thinking", "redacted_thinking"):
            reasoning.append(block.get("thinking") or "")
            detail = decode_block(block, len(details))
            if detail is not None:
                details.append(detail)
        elif kind == "tool_use":
            calls.append(_call(block, encoded))
    joined = "".join(text)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": (unfence(joined) if encoded.unfence else joined) or None,
    }
    extras = {
        "reasoning_content": "".join(reasoning),
        "reasoning_details": details,
        "tool_calls": calls,
        "annotations": annotations,
    }
    return message | {key: value for key, value in extras.items() if value}


def _call(block: Mapping[str, Any], encoded: Encoded) -> dict[str, Any]:
    name = encoded.names.get(block.get("name", ""), block.get("name", ""))
    arguments = orjson.dumps(block.get("input") or {}).decode()
    if name in encoded.custom_tools:
        return {
            "id": block["id"],
            "type": "custom",
            "custom": {"name": name, "input": custom_input(arguments)},
        }
    return {"id": block["id"], "type": "function", "function": {"name": name, "arguments": arguments}}
