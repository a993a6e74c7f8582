"""Finish reasons: what servers say, and the four words clients know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.dialects.whole import JsonText
from gateway.failures import Failed, Failure, Kind
from gateway.hub.answer_types import wrong_type
from gateway.hub.contracts import Encoded

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
    """One of `stop`, `length`, `tool_calls`, `content_filter`. Raises `Failed` for a finish that
    is a failure, and for one that is not a string.

    Agents go by this word: calls that came with `stop` are calls all the same, and `tool_calls`
    without one is a stop.
    """
    if type(reason) is not str:
        raise wrong_type("finish_reason", reason)
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


def check_end(reason: Any, arguments: Iterable[JsonText], encoded: Encoded) -> None:
    """Checks that an answer is whole although its finish reason is empty or null. Raises `Failed`.

    Some servers send none (`rows.Quirks.finish`). With any server, tool calls whose `arguments` are
    all there end an answer: the model waits for their results.
    """
    if encoded.finish == "none" or (encoded.finish == "empty" and reason == ""):
        return
    whole = [text.is_whole() for text in arguments]
    if not whole or not all(whole):
        words = "the provider's answer ended without a finish reason"
        raise Failed(Failure(Kind.TRUNCATED, words))
