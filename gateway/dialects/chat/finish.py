"""Finish reasons: what servers say, and the four words clients know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.failures import Failed, Failure, Kind

_WORDS: Final[Mapping[str, str]] = {
    "stop": "stop",
    "end": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_length": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
}
_FAILURES: Final[Mapping[str, Kind]] = {
    "error": Kind.UNAVAILABLE,
    "network_error": Kind.UNAVAILABLE,
    "abort": Kind.UNAVAILABLE,
    "insufficient_system_resource": Kind.OVERLOADED,
}


def decode_finish(reason: str, tool_calls: int) -> str:
    """One of `stop`, `length`, `tool_calls`, `content_filter`. Raises `Failed` for a finish that is
    none.

    Agents go by this word: calls that came with `stop` are calls all the same, and `tool_calls`
    without one is a stop.
    """
    known = reason.lower()
    if known in _FAILURES:
        raise Failed(
            Failure(
                _FAILURES[known], f"the provider ended the answer with finish_reason {reason!r}"
            )
        )
    word = _WORDS.get(known, "stop")
    if word == "stop" and tool_calls:
        return "tool_calls"
    if word == "tool_calls" and not tool_calls:
        return "stop"
    return word
