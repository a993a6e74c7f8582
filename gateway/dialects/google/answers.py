"""A whole answer: the first candidate's parts → one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.dialects.google.answer_fields import (
    answer_extras,
    choice_extras,
    decode_grounding,
    decode_image,
    is_image,
    is_native,
    says_something,
    signed,
    usage_extras,
)
from gateway.dialects.google.errors import decode_error_value
from gateway.failures import Failed, Failure, Kind
from gateway.hub import exact_json
from gateway.hub.answer_types import stated_name, stated_text
from gateway.hub.calls import CallIds, whole_call
from gateway.hub.chunks import usage_dict
from gateway.hub.contracts import Encoded
from gateway.hub.counts import token_count
from gateway.hub.shapes import table
from gateway.hub.structured_output import unfence
from gateway.hub.tools import digest
from gateway.types import Chat, Usage

_FINISH: Final[Mapping[str, str]] = {
    "STOP": "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR", "PUP_LIMITED_DISABLED",
            "ESCALATION",
        ),
        "content_filter",
    ),
}  # fmt: skip
_FAILURES: Final = frozenset(
    {"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE"}
)
"""The model produced nothing usable: `stop` would be wrong."""
_FAILURES_WITHOUT_CALL: Final = frozenset({"UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"})
"""The calls are whole, although the request declares no such tool or fewer were wanted: the client
answers them as it answers those of any other model."""


def decode_response(body: dict[str, Any], encoded: Encoded) -> Chat:
    """A chat completion without `id` and `created`. Raises `Failed` for an error inside a 200."""
    if "error" in body:
        raise Failed(decode_error_value(body, None))
    candidates = body.get("candidates") or []
    blocked = blocked_reason(body)
    if first_choice(candidates) is None and blocked is None:
        raise Failed(Failure(Kind.EMPTY, "Google answered without a candidate", status=200))
    candidate = first_choice(candidates) or {}
    message = _message(candidate, body, encoded)
    if blocked is not None:
        message["refusal"] = blocked
        reason = "content_filter"
    else:
        reason = decode_finish(candidate, "tool_calls" in message, _has_content(message))
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    chat: Chat = answer_extras(body) | {
        "object": "chat.completion",
        "model": stated_name(body, "modelVersion"),
        "choices": [choice_extras(candidate) | choice],
    }
    if usage := table(body, "usageMetadata"):
        chat["usage"] = encode_usage(usage)
    return chat


def first_choice(candidates: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The candidate that was asked for, which is the first one; None where only others came."""
    for candidate in candidates:
        if candidate.get("index") in (None, 0):
            return candidate
    return None


def _message(
    candidate: Mapping[str, Any], body: Mapping[str, Any], encoded: Encoded
) -> dict[str, Any]:
    text: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    ids = CallIds(body.get("responseId"))
    images: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    extra_content: dict[str, Any] = {}
    for part in (candidate.get("content") or {}).get("parts") or ():
        if "functionCall" in part:
            calls.append(_call(part, body, ids, encoded))
        elif is_image(part):
            images.append(decode_image(part, len(images)))
        elif is_native(part):
            others.append(part)
        elif part.get("thought"):
            thoughts.append(stated_text(part, "text"))
        else:
            text.append(stated_text(part, "text"))
            extra_content |= signed(part)
    joined = "".join(text)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": (unfence(joined) if encoded.unfence else joined) or None,
    }
    annotations = decode_grounding(candidate)
    extras = {
        "reasoning_content": "".join(thoughts),
        "tool_calls": calls,
        "annotations": annotations,
        "images": images,
        "native_content": others,
    }
    return message | {key: value for key, value in extras.items() if value} | extra_content


def _has_content(message: Mapping[str, Any]) -> bool:
    if message.get("content") or message.get("images"):
        return True
    return any(map(says_something, message.get("native_content", ())))


def _call(
    part: Mapping[str, Any], body: Mapping[str, Any], ids: CallIds, encoded: Encoded
) -> dict[str, Any]:
    id_, name, arguments, extra = decode_call(part, body, ids.count)
    return whole_call(ids.take(id_), name, arguments, encoded) | extra


def decode_call(
    part: Mapping[str, Any], body: Mapping[str, Any], place: int
) -> tuple[Any, str, str, dict[str, Any]]:
    """(id, name, arguments, what has to come back with it) of a functionCall part.

    An id is made of the response's own where the call has none, so that it is new in every answer;
    of all that is known of the call where the response has none either.
    """
    call = part["functionCall"]
    arguments = exact_json.dumps(call.get("args") or {}).decode()
    signature = part.get("thoughtSignature")
    answer = body.get("responseId") or f"{signature} {arguments}"
    id_ = call.get("id") or "call_" + digest(f"{answer} {call.get('name')} {place}", 24)
    return id_, stated_text(call, "name"), arguments, signed(part)


def decode_finish(candidate: Mapping[str, Any], called: bool, has_content: bool) -> str:
    """One of the four finish reasons. Raises `Failed` where the model produced nothing usable, and
    where it has not stopped: "if empty, the model has not stopped generating tokens"."""
    reason = stated_text(candidate, "finishReason")
    if not reason:
        words = "the provider's answer ended without a finish reason"
        raise Failed(Failure(Kind.TRUNCATED, words, status=200))
    unusable = reason in _FAILURES or (reason in _FAILURES_WITHOUT_CALL and not called)
    if unusable or (reason not in _FINISH and not has_content and not called):
        words = candidate.get("finishMessage") or f"the model ended with {reason}"
        raise Failed(Failure(Kind.MALFORMED, str(words), status=200, code=reason))
    word = _FINISH.get(reason, "stop")
    return "tool_calls" if word == "stop" and called else word


def blocked_reason(body: Mapping[str, Any]) -> str | None:
    """Why the prompt was blocked, in words; None if it was not."""
    feedback = table(body, "promptFeedback")
    reason = feedback.get("blockReason")
    if not reason or body.get("candidates"):
        return None
    return str(feedback.get("blockReasonMessage") or f"The prompt was blocked: {reason}.")


def decode_usage(counts: Mapping[str, Any]) -> Usage:
    """`candidatesTokenCount` leaves thoughts out, the hub's output includes them."""

    def count(key: str) -> int:
        return token_count(counts.get(key))

    thoughts = count("thoughtsTokenCount")
    return Usage(
        input=count("promptTokenCount") + count("toolUsePromptTokenCount"),
        output=count("candidatesTokenCount") + thoughts,
        cache_read=count("cachedContentTokenCount"),
        reasoning=thoughts,
    )


def encode_usage(counts: Mapping[str, Any]) -> dict[str, Any]:
    """The hub's usage of the counts, with everything else that they state."""
    return usage_dict(decode_usage(counts), usage_extras(counts))
