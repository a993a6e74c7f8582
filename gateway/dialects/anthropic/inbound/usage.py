"""Token counts and stop reasons in Anthropic's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.hub.counts import token_count
from gateway.hub.shapes import table

STOP_REASONS: Final[Mapping[Any, str]] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}
_HUB_KEYS: Final = frozenset(
    {"prompt_tokens", "completion_tokens", "total_tokens"}
    | {"prompt_tokens_details", "completion_tokens_details"}
)


def encode_usage(usage: Mapping[str, Any] | None) -> dict[str, Any]:
    """The hub's counts: `input_tokens` leaves out what was read from or written to a cache.

    Every count is an integer, because clients add them up unguarded. Members that only the provider
    knows (`cost`) stay.
    """
    usage = usage or {}
    prompt = table(usage, "prompt_tokens_details")
    read = token_count(prompt.get("cached_tokens"))
    written = token_count(prompt.get("cache_write_tokens"))
    counts: dict[str, Any] = {
        "input_tokens": max(0, token_count(usage.get("prompt_tokens")) - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": token_count(usage.get("completion_tokens")),
    }
    details = table(usage, "completion_tokens_details")
    thinking = token_count(details.get("reasoning_tokens"))
    if thinking:
        counts["output_tokens_details"] = {"thinking_tokens": thinking}
    return counts | {key: usage[key] for key in usage if key not in _HUB_KEYS}


def with_usage(message: dict[str, Any]) -> dict[str, Any]:
    """A provider's own message with counts: the official SDKs crash where there are none. The same
    object where it has them."""
    if "output_tokens" in table(message, "usage"):
        return message
    return {**message, "usage": {**encode_usage(None), **table(message, "usage")}}


def encode_stop(reason: str | None, refusal: str) -> dict[str, Any]:
    """`stop_reason`, `stop_sequence` and, for a refusal, `stop_details`.

    The hub does not know which stop sequence ended an answer, so it counts as the end of the turn.
    """
    word = "refusal" if refusal else STOP_REASONS.get(reason, "end_turn")
    stop: dict[str, Any] = {"stop_reason": word, "stop_sequence": None}
    if word == "refusal":
        explanation = refusal or None
        stop["stop_details"] = {"type": "refusal", "category": None, "explanation": explanation}
    return stop
