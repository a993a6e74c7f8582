"""A whole answer: output items → one message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.chat.errors import CODES, decode_error_value
from gateway.dialects.responses.answer_fields import (
    answer_extras,
    decode_annotation,
    is_native,
    native_fields,
    tool_call_extras,
    usage_extras,
)
from gateway.failures import Failed, Failure, Kind
from gateway.hub.answer_fields import is_logprobs
from gateway.hub.answer_types import stated_text
from gateway.hub.calls import CallIds, whole_call
from gateway.hub.chunks import usage_dict
from gateway.hub.contracts import Encoded
from gateway.hub.counts import token_count
from gateway.hub.shapes import table
from gateway.hub.tools import arguments_text
from gateway.types import Chat, Usage

_KINDS: Final[Mapping[str, Kind]] = {
    **CODES,
    **dict.fromkeys(
        (
            "invalid_prompt",
            "invalid_image",
            "invalid_image_format",
            "invalid_image_mode",
            "invalid_image_url",
            "invalid_base64_image",
            "image_too_large",
            "image_too_small",
            "image_file_too_large",
            "image_parse_error",
            "unsupported_image_media_type",
            "empty_image_file",
        ),
        Kind.INVALID_REQUEST,
    ),
    "image_content_policy_violation": Kind.POLICY,
    "bio_policy": Kind.POLICY,
    "misalignment_policy_violation": Kind.POLICY,
    "failed_to_download_image": Kind.UNSUPPORTED,  # another provider may reach it
    "image_file_not_found": Kind.UNSUPPORTED,
}
"""The SDK's `ResponseError.code`. What is wrong with the client's request is wrong at the next
model too."""
_INCOMPLETE: Final[Mapping[str, str]] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
UNFINISHED: Final = frozenset({"", "queued", "in_progress", "cancelled"})
"""Statuses of a response that has not come to its end."""
SUMMARY_SEPARATOR: Final = "\n\n"


def decode_response(body: dict[str, Any], encoded: Encoded) -> Chat:
    """A chat completion without `id` and `created`. Raises `Failed` for an answer that failed, or
    that is not complete."""
    if body.get("error") or body.get("status") == "failed" or "output" not in body:
        raise Failed(failure_of(body))
    message, logprobs = _message(body["output"] or [], encoded, body.get("id"))
    choice = {"index": 0, "message": message}
    choice |= {"finish_reason": decode_finish(body, "tool_calls" in message), "logprobs": None}
    if logprobs:
        choice |= logprobs_of(logprobs)
    chat: Chat = answer_extras(body) | {
        "object": "chat.completion",
        "model": body.get("model"),
        "choices": [choice],
    }
    if usage := table(body, "usage"):
        chat["usage"] = encode_usage(usage)
    return chat


def logprobs_of(stated: Any) -> dict[str, Any]:
    """The field of a choice for the log probabilities of its text: `native_logprobs` where they are
    not in the contract's form."""
    logprobs = {"content": stated, "refusal": None}
    return {"logprobs": logprobs} if is_logprobs(logprobs) else {"native_logprobs": stated}


def failure_of(body: Mapping[str, Any]) -> Failure:
    """Why a response failed: from `error` of the response, or from an error event."""
    error = body.get("error") or body
    code = str(error.get("code") or "") if isinstance(error, Mapping) else ""
    if code in _KINDS and isinstance(error.get("message"), str) and error["message"].strip():
        return Failure(_KINDS[code], error["message"], status=200, code=code)
    return decode_error_value({"error": error}, None)


def decode_finish(body: Mapping[str, Any], called: bool) -> str:
    """One of the four finish reasons, from the status of the response. Raises `Failed` for one that
    is not at its end."""
    status = stated_text(body, "status")
    if status in UNFINISHED:
        words = f"the provider's response has not ended: its status is {status or 'not stated'}"
        raise Failed(Failure(Kind.TRUNCATED, words, status=200))
    if status == "failed":
        raise Failed(failure_of(body))
    if status == "incomplete":
        reason = stated_text(table(body, "incomplete_details"), "reason")
        return _INCOMPLETE.get(reason, "length")
    return "tool_calls" if called else "stop"


def decode_usage(counts: Mapping[str, Any]) -> Usage:
    inputs, outputs = table(counts, "input_tokens_details"), table(counts, "output_tokens_details")
    return Usage(
        input=token_count(counts.get("input_tokens")),
        output=token_count(counts.get("output_tokens")),
        cache_read=token_count(inputs.get("cached_tokens")),
        cache_write=token_count(inputs.get("cache_write_tokens")),
        reasoning=token_count(outputs.get("reasoning_tokens")),
    )


def encode_usage(counts: Mapping[str, Any]) -> dict[str, Any]:
    """The hub's usage of the counts, with everything else that they state."""
    return usage_dict(decode_usage(counts), usage_extras(counts))


def reasoning_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """A reasoning item as it has to come back: verbatim, but for what only answers carry."""
    return {key: value for key, value in item.items() if key != "status" and value is not None}


def summary_of(item: Mapping[str, Any]) -> str:
    """The reasoning that may be shown."""
    pieces = [*(item.get("summary") or ()), *(item.get("content") or ())]
    return SUMMARY_SEPARATOR.join(
        stated_text(piece, "text") for piece in pieces if isinstance(piece, Mapping)
    )


def _message(
    output: list[dict[str, Any]], encoded: Encoded, answer_id: Any
) -> tuple[dict[str, Any], list[Any]]:
    """(the message, the log probabilities of its text)."""
    contents = _Contents(encoded, answer_id)
    for item in output:
        contents.add(item)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(contents.text) or None}
    message |= {key: value for key, value in contents.extras().items() if value}
    return message, contents.logprobs


class _Contents:
    """The contents of the output items, by kind."""

    def __init__(self, encoded: Encoded, answer_id: Any) -> None:
        self._encoded = encoded
        self._ids = CallIds(answer_id)
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.shown: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.logprobs: list[Any] = []
        self.lists: dict[str, list[Any]] = {}
        self.thoughts: list[dict[str, Any]] = []

    def add(self, item: dict[str, Any]) -> None:
        kind = item.get("type")
        if kind == "message":
            for part in item.get("content") or ():
                self._say(part)
        elif kind == "reasoning":
            self.shown.append(summary_of(item))
            self.thoughts.append(reasoning_item(item))
        elif is_native(item):
            for key, items in native_fields(item, len(self.lists.get("images", ()))).items():
                self.lists.setdefault(key, []).extend(items)
        else:
            extra = call_extras(item, self.thoughts, self._encoded.origin)
            self.calls.append({**extra, **self._call(item)})
            self.thoughts = []

    def extras(self) -> dict[str, Any]:
        shown = SUMMARY_SEPARATOR.join(part for part in self.shown if part)
        said = {"refusal": "".join(self.refusal), "reasoning_content": shown}
        return said | {"tool_calls": self.calls} | self.lists

    def _say(self, part: Mapping[str, Any]) -> None:
        self.text.append(stated_text(part, "text"))
        self.refusal.append(stated_text(part, "refusal"))
        self.logprobs += part.get("logprobs") or ()
        for annotation in part.get("annotations") or ():
            found = decode_annotation(annotation, len(self.lists.get("annotations", ())))
            key = "native_annotations" if found is None else "annotations"
            self.lists.setdefault(key, []).append(found or annotation)

    def _call(self, item: Mapping[str, Any]) -> dict[str, Any]:
        id_, name = self._ids.take(item.get("call_id") or item.get("id")), item.get("name") or ""
        if item["type"] == "custom_tool_call":
            name = self._encoded.names.get(name, name)
            custom = {"name": name, "input": stated_text(item, "input")}
            return {"id": id_, "type": "custom", "custom": custom}
        arguments = arguments_text(item.get("arguments") or {}) or "{}"
        return whole_call(id_, name, arguments, self._encoded)


def call_extras(
    item: Mapping[str, Any], thoughts: list[dict[str, Any]], origin: str
) -> dict[str, Any]:
    """The fields of a call beside its arguments, with the reasoning that has to come back with
    it."""
    extra = extra_content(thoughts, origin)
    return tool_call_extras(item) | ({"extra_content": extra} if extra else {})


def extra_content(thoughts: list[dict[str, Any]], origin: str) -> dict[str, Any] | None:
    """The content that has to come back with a call: the encrypted reasoning that led to it, and
    who can read it."""
    kept = [item for item in thoughts if stated_text(item, "encrypted_content")]
    return {"openai": {"origin": origin, "reasoning": kept}} if kept else None
