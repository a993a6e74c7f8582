"""A whole answer: content blocks → one message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.anthropic.answer_fields import (
    answer_extras,
    decode_citations,
    other_citations,
    search_results,
    tool_call_extras,
)
from gateway.dialects.anthropic.errors import decode_error_value
from gateway.dialects.anthropic.thinking import decode_block
from gateway.dialects.anthropic.usage import encode_usage
from gateway.failures import Failed, Failure, Kind
from gateway.hub import exact_json
from gateway.hub.answer_fields import native_finish
from gateway.hub.answer_types import stated_text
from gateway.hub.calls import CallIds, whole_call
from gateway.hub.contracts import Encoded
from gateway.hub.shapes import table
from gateway.hub.structured_output import unfence
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


PLAIN: Final = frozenset({"end_turn", "tool_use", "max_tokens"})


def decode_response(body: dict[str, Any], encoded: Encoded) -> Chat:
    """A chat completion without `id` and `created`. Raises `Failed` for an error inside a 200."""
    if body.get("type") == "error" or "content" not in body:
        raise Failed(_failure_inside(body))
    message = decode_message(body["content"] or [], encoded, body.get("id"))
    reason = stated_text(body, "stop_reason")
    if not reason:
        words = "the provider's answer ended without a stop reason"
        raise Failed(Failure(Kind.TRUNCATED, words, status=200))
    if reason == "refusal":
        message["refusal"] = refusal_text(body)
    choice = native_finish(reason, PLAIN) | {
        "index": 0,
        "message": message,
        "finish_reason": decode_stop(reason, "tool_calls" in message),
        "logprobs": None,
    }
    return answer_extras(body) | {
        "object": "chat.completion",
        "model": body.get("model"),
        "choices": [choice],
        "usage": encode_usage(table(body, "usage")),
    }


def _failure_inside(body: Mapping[str, Any]) -> Failure:
    if body.get("type") == "error" or body.get("error"):
        return decode_error_value(body, None)
    return Failure(Kind.MALFORMED, "Anthropic's answer holds no content", status=200)


def decode_stop(reason: str, called: bool) -> str:
    """One of the four finish reasons; an unknown stop reason is a stop."""
    word = STOP_REASONS.get(reason, "stop")
    if word == "stop" and called:
        return "tool_calls"
    return "stop" if word == "tool_calls" and not called else word


def refusal_text(body: Mapping[str, Any]) -> str:
    """Why the model refused, in the provider's words where it gives any."""
    return stated_text(table(body, "stop_details"), "explanation") or "The model refused to answer."


def decode_message(
    blocks: list[dict[str, Any]], encoded: Encoded, answer_id: Any = None
) -> dict[str, Any]:
    """The hub's message of a list of content blocks, of the answer with this id. Raises `Failed`
    for a text that is none."""
    contents = _Contents(encoded, answer_id)
    for block in blocks:
        contents.add(block)
    joined = "".join(contents.text)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": (unfence(joined) if encoded.unfence else joined) or None,
    }
    return message | {key: value for key, value in contents.extras().items() if value}


class _Contents:
    """The contents of the blocks of a message, by kind."""

    def __init__(self, encoded: Encoded, answer_id: Any) -> None:
        self._encoded = encoded
        self._ids = CallIds(answer_id)
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.details: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.citations: list[Any] = []
        self.others: list[dict[str, Any]] = []

    def add(self, block: dict[str, Any]) -> None:
        kind = block.get("type")
        if kind == "text":
            self._cite(block.get("citations"))
            self.text.append(stated_text(block, "text"))
        elif kind in ("thinking", "redacted_thinking"):
            self._think(block)
        elif kind == "tool_use":
            self.calls.append(self._call(block))
        else:
            self._cite(search_results(block))
            self.others.append(block)

    def extras(self) -> dict[str, Any]:
        return {
            "reasoning_content": "".join(self.reasoning),
            "reasoning_details": self.details,
            "tool_calls": self.calls,
            "annotations": self.annotations,
            "native_annotations": self.citations,
            "native_content": self.others,
        }

    def _cite(self, citations: Any) -> None:
        self.annotations += decode_citations(citations, len(self.annotations))
        self.citations += other_citations(citations)

    def _think(self, block: dict[str, Any]) -> None:
        self.reasoning.append(stated_text(block, "thinking"))
        detail = decode_block(block, len(self.details))
        if detail is not None:
            self.details.append(detail)

    def _call(self, block: Mapping[str, Any]) -> dict[str, Any]:
        arguments = exact_json.dumps(block.get("input") or {}).decode()
        id_, name = self._ids.take(block.get("id")), block.get("name") or ""
        return tool_call_extras(block) | whole_call(id_, name, arguments, self._encoded)
