"""What happens to each field of a chat completion that a server sends, whole or streamed.

Sources: OpenAI's OpenAPI document 2.3.0, the vendors' SDKs and recorded traffic. A field that is
not named here is kept where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.chat.content import other_parts
from gateway.hub.answer_fields import (
    KEPT,
    MESSAGE_TYPES,
    Fields,
    dropped,
    is_url_citation,
    native_finish,
    not_kept,
    other_fields,
    translated,
    typed,
    url_citation,
)

_ENVELOPE: Final = translated("the gateway's own")
_TO_USAGE: Final = translated("usage")
_TO_REASONING: Final = translated("reasoning_content")
_IN_HEAD: Final = dropped("says only what kind of object it is")
_PADDING: Final = dropped("random characters that hide the length of a piece")
_FAILURE: Final = translated("a failure of the attempt")

ANSWER: Final[Mapping[str, Fields]] = {
    "answer": {
        "id": _ENVELOPE,
        "object": _IN_HEAD,
        "created": _ENVELOPE,
        "model": _ENVELOPE,
        "choices": translated("choices"),
        "usage": _TO_USAGE,
        "error": _FAILURE,
        "obfuscation": _PADDING,
        "p": _PADDING,
        "service_tier": KEPT,  # `native_service_tier` where the contract does not have the word
        "system_fingerprint": KEPT,
        "moderation": KEPT,
        "metadata": KEPT,
        "citations": KEPT,
        "search_results": KEPT,
        "provider": KEPT,
        "openrouter_metadata": KEPT,
        "x_groq": KEPT,  # without the `usage` inside
        "timings": KEPT,
    },
    "choice": {
        "index": translated("index"),
        "message": translated("message"),
        "delta": translated("message"),
        "finish_reason": translated("finish_reason, and native_finish_reason where that says less"),
        "logprobs": translated("logprobs, or native_logprobs where they have another form"),
        "usage": _TO_USAGE,
        "error": _FAILURE,
        "native_finish_reason": KEPT,
        "stop_reason": KEPT,
        "content_filter_results": KEPT,
    },
    "message": {
        "role": translated("role"),
        "content": translated("content, reasoning_content and native_content"),
        "reasoning_content": _TO_REASONING,
        "reasoning": _TO_REASONING,
        "reasoning_text": _TO_REASONING,
        "refusal": translated("refusal"),
        "tool_calls": translated("tool_calls"),
        "function_call": translated("tool_calls"),
        "annotations": translated(
            "annotations, and native_annotations for other kinds than addresses"
        ),
        "channel": dropped("says whether a text is reasoning, which its field says"),
        "prefix": dropped("repeats the request"),
        "obfuscation": _PADDING,
        "p": _PADDING,
        "audio": KEPT,
        "images": KEPT,
        "reasoning_details": KEPT,
        "executed_tools": KEPT,
    },
    "tool_call": {
        "id": translated("id"),
        "index": translated("index"),
        "type": translated("type"),
        "function": translated("function"),
        "custom": translated("custom"),
        "extra_content": KEPT,
    },
    "usage": {
        "prompt_tokens": _TO_USAGE,
        "completion_tokens": _TO_USAGE,
        "total_tokens": translated("the sum of the two"),
        "prompt_tokens_details": KEPT,
        "completion_tokens_details": KEPT,
        "cost": KEPT,
        "cost_details": KEPT,
        "is_byok": KEPT,
        "cost_in_usd_ticks": KEPT,
        "num_sources_used": KEPT,
        "server_side_tool_usage_details": KEPT,
        "prompt_cache_hit_tokens": KEPT,
        "prompt_cache_miss_tokens": KEPT,
        "num_cached_tokens": KEPT,
        "prompt_audio_seconds": KEPT,
        "queue_time": KEPT,
        "prompt_time": KEPT,
        "completion_time": KEPT,
        "total_time": KEPT,
    },
}


_NOT_KEPT: Final = {part: not_kept(fields) for part, fields in ANSWER.items()}
_NOT_OF_ANSWER: Final = _NOT_KEPT["answer"]
_NOT_OF_CHOICE: Final = _NOT_KEPT["choice"]


def answer_extras(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an answer or a chunk beside its choices."""
    extras = other_fields(body, _NOT_OF_ANSWER)
    if "x_groq" not in extras:
        return extras
    envelope = extras.pop("x_groq")
    inner = other_fields(envelope, _IN_ENVELOPE) if isinstance(envelope, Mapping) else envelope
    return {**extras, "x_groq": inner} if inner else extras


_IN_ENVELOPE: Final = frozenset({"usage", "error"})


def choice_extras(choice: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a choice beside its message."""
    reason = choice.get("finish_reason")
    if type(reason) is str and reason in _PLAIN and _NOT_OF_CHOICE.issuperset(choice):
        return {}
    return finish_extras(reason) | choice_facts(choice)


def choice_facts(choice: Mapping[str, Any]) -> dict[str, Any]:
    """The same without its finish reason, of which a stream may state several."""
    return {} if _NOT_OF_CHOICE.issuperset(choice) else other_fields(choice, _NOT_OF_CHOICE)


def finish_extras(reason: Any) -> dict[str, Any]:
    """The server's own word for the end, where the contract's says less."""
    return native_finish(reason, _PLAIN)


_PLAIN: Final = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})


def tool_call_extras(tool_call: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a tool call beside its id and its function."""
    return other_fields(tool_call, _NOT_KEPT["tool_call"])


def usage_extras(usage: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `usage` object beside the three counts."""
    return other_fields(usage, _NOT_KEPT["usage"])


def message_extras(message: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """The fields of a message or a delta beside text, reasoning and calls."""
    is_text = not isinstance(message.get("content"), list)
    if is_text and not message.get("annotations") and _NOT_KEPT["message"].issuperset(message):
        return {}
    extras = other_fields(message, _NOT_KEPT["message"])
    if whole:
        extras = typed(extras, MESSAGE_TYPES)
    extras |= _citations(message.get("annotations"))
    extras["native_content"] = [*(extras.get("native_content") or ()), *other_parts(message)]
    return {key: value for key, value in extras.items() if value not in ("", [], {})}


def _citations(items: Any) -> dict[str, Any]:
    """`annotations` with those of the contract, `native_annotations` with the others."""
    if not isinstance(items, list):
        return {"native_annotations": items} if items else {}
    known = [_citation(item) for item in items if is_url_citation(item)]
    others = [item for item in items if not is_url_citation(item)]
    found = {"annotations": known, "native_annotations": others}
    return {key: value for key, value in found.items() if value}


def _citation(item: Mapping[str, Any]) -> dict[str, Any]:
    source = item["url_citation"]
    return {**item, "url_citation": url_citation(source, 0, **source)["url_citation"]}
