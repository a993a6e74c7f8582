"""A whole answer: output items → one message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.chat.errors import CODES, decode_error_value
from gateway.failures import Failed, Failure, Kind
from gateway.hub.chunks import usage_dict
from gateway.hub.contracts import Encoded
from gateway.hub.counts import token_count
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
"""The SDK's `ResponseError.code`. What is wrong with the client's request is wrong at the next model too."""
_INCOMPLETE: Final[Mapping[str, str]] = {"max_output_tokens": "length", "content_filter": "content_filter"}
SUMMARY_SEPARATOR: Final = "\n\n"


def decode_response(body: dict[str, Any], encoded: Encoded) -> Chat:
    """A chat completion without `id` and `created`. Raises `Failed` for an answer that failed."""
    if body.get("error") or body.get("status") == "failed" or "output" not in body:
        raise Failed(failure_of(body))
    message, logprobs = _message(body["output"] or [], encoded)
    chat: Chat = {
        "object": "chat.completion",
        "model": body.get("model"),
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": decode_finish(body, "tool_calls" in message),
                "logprobs": {"content": logprobs, "refusal": None} if logprobs else None,
            }
        ],
    }
    if body.get("usage"):
        chat["usage"] = usage_dict(decode_usage(body["usage"]))
    return chat


def failure_of(body: Mapping[str, Any]) -> Failure:
    """Why a response failed: from `error` of the response, or from an error event."""
    error = body.get("error") or body
    code = str(error.get("code") or "")
    if code in _KINDS and isinstance(error.get("message"), str):
        return Failure(_KINDS[code], error["message"], status=200, code=code)
    return decode_error_value({"error": error}, None)


def decode_finish(body: Mapping[str, Any], called: bool) -> str:
    """One of the four finish reasons, from the status of the response."""
    if body.get("status") == "incomplete":
        reason = (body.get("incomplete_details") or {}).get("reason") or ""
        return _INCOMPLETE.get(reason, "length")
    return "tool_calls" if called else "stop"


def decode_usage(counts: Mapping[str, Any]) -> Usage:
    inputs, outputs = counts.get("input_tokens_details") or {}, counts.get("output_tokens_details") or {}
    return Usage(
        input=token_count(counts.get("input_tokens")),
        output=token_count(counts.get("output_tokens")),
        cache_read=token_count(inputs.get("cached_tokens")),
        cache_write=token_count(inputs.get("cache_write_tokens")),
        reasoning=token_count(outputs.get("reasoning_tokens")),
    )


def reasoning_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """A reasoning item as it has to come back: verbatim, but for what only answers carry."""
    return {key: value for key, value in item.items() if key != "status" and value is not None}


def summary_of(item: Mapping[str, Any]) -> str:
    """The reasoning that may be shown."""
    pieces = [*(item.get("summary") or ()), *(item.get("content") or ())]
    return SUMMARY_SEPARATOR.join(piece.get("text") or "" for piece in pieces if isinstance(piece, Mapping))


def decode_annotation(annotation: Mapping[str, Any], index: int) -> dict[str, Any] | None:
    """A `url_citation`; other kinds name files that only the provider has."""
    if annotation.get("type") != "url_citation":
        return None
    facts = {key: annotation.get(key) for key in ("start_index", "end_index", "url", "title")}
    return {"type": "url_citation", "index": index, "url_citation": facts}


def _message(output: list[dict[str, Any]], encoded: Encoded) -> tuple[dict[str, Any], list[Any]]:
    text: list[str] = []
    refusal: list[str] = []
    shown: list[str] = []
    calls: list[dict[str, Any]] = []
    logprobs: list[Any] = []
    annotations: list[dict[str, Any]] = []
    thoughts: list[dict[str, Any]] = []
    for item in output:
        kind = item.get("type")
        if kind == "message":
            for part in item.get("content") or ():
                text.append(part.get("text") or "")
                refusal.append(part.get("refusal") or "")
                logprobs += part.get("logprobs") or ()
                found = (decode_annotation(each, len(annotations)) for each in part.get("annotations") or ())
                annotations += [each for each in found if each is not None]
        elif kind == "reasoning":
            shown.append(summary_of(item))
            thoughts.append(reasoning_item(item))
        elif kind in ("function_call", "custom_tool_call"):
            calls.append(_call(item, extra_content(thoughts, encoded.origin), encoded.names))
            thoughts = []
    message: dict[str, Any] = {"role": "assistant", "content": "".join(text) or None}
    extras = {
        "refusal": "".join(refusal),
        "reasoning_content": SUMMARY_SEPARATOR.join(part for part in shown if part),
        "tool_calls": calls,
        "annotations": annotations,
    }
    return message | {key: value for key, value in extras.items() if value}, logprobs


def _call(item: Mapping[str, Any], extra: Mapping[str, Any] | None, names: Mapping[str, str]) -> dict[str, Any]:
    name = names.get(item.get("name") or "", item.get("name"))
    call: dict[str, Any] = {"id": item.get("call_id") or item.get("id")}
    if item["type"] == "custom_tool_call":
        call |= {"type": "custom", "custom": {"name": name, "input": item.get("input") or ""}}
    else:
        function = {"name": name, "arguments": item.get("arguments") or "{}"}
        call |= {"type": "function", "function": function}
    return call | ({"extra_content": extra} if extra else {})


def extra_content(thoughts: list[dict[str, Any]], origin: str) -> dict[str, Any] | None:
    """What a call has to bring back: the encrypted reasoning that led to it, and who can read it."""
    kept = [item for item in thoughts if item.get("encrypted_content")]
    return {"openai": {"origin": origin, "reasoning": kept}} if kept else None
