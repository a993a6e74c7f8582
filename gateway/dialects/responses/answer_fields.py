"""The treatment of each field of a response that OpenAI's Responses API sends, whole or streamed.

Source: OpenAI's OpenAPI document and its official SDK. A field that is not named here is kept: of
the response beside the choices, of the counts in `usage`. Items other than messages, reasoning
and calls (searches, images, code) are kept in `native_content`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.hub.answer_fields import (
    ANSWER_TYPES,
    KEPT,
    Fields,
    dropped,
    not_kept,
    other_fields,
    translated,
    typed,
    url_citation,
)

_ECHO: Final = dropped("repeats the request")
_COUNT: Final = translated("the counts of usage")

ANSWER: Final[Mapping[str, Fields]] = {
    "answer": {
        "id": translated("the gateway's own"),
        "object": dropped("says only what kind of object it is"),
        "created_at": translated("created"),
        "completed_at": dropped("the client sees when the answer ends"),
        "status": translated("finish_reason"),
        "error": translated("a failure of the attempt"),
        "model": translated("model"),
        "output": translated("the message"),
        "usage": translated("usage"),
        "instructions": _ECHO,
        "max_output_tokens": _ECHO,
        "max_tool_calls": _ECHO,
        "metadata": _ECHO,
        "parallel_tool_calls": _ECHO,
        "previous_response_id": _ECHO,
        "prompt": _ECHO,
        "prompt_cache_key": _ECHO,
        "prompt_cache_retention": _ECHO,
        "reasoning": _ECHO,
        "safety_identifier": _ECHO,
        "store": _ECHO,
        "background": _ECHO,
        "temperature": _ECHO,
        "text": _ECHO,
        "tool_choice": _ECHO,
        "tools": _ECHO,
        "top_logprobs": _ECHO,
        "top_p": _ECHO,
        "truncation": _ECHO,
        "user": _ECHO,
        "presence_penalty": _ECHO,
        "frequency_penalty": _ECHO,
        "incomplete_details": KEPT,
        "service_tier": KEPT,  # `native_service_tier` where the contract does not have the word
        "conversation": KEPT,
        "moderation": KEPT,
    },
    "tool_call": {
        "type": translated("type"),
        "id": dropped("the call is known by its call_id"),
        "call_id": translated("id"),
        "name": translated("function.name"),
        "arguments": translated("function.arguments"),
        "input": translated("custom.input"),
        "status": dropped("says only that the call is complete"),
    },
    "usage": {
        "input_tokens": _COUNT,
        "output_tokens": _COUNT,
        "total_tokens": translated("the sum of the two"),
        "input_tokens_details": translated("prompt_tokens_details"),
        "output_tokens_details": translated("completion_tokens_details"),
    },
}
_NOT_KEPT: Final = {part: not_kept(fields) for part, fields in ANSWER.items()}
_DETAILS: Final[Mapping[str, str]] = {
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}
_READ: Final = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})
"""The items that the message is made of."""


def answer_extras(response: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a response beside its output and its counts."""
    return typed(other_fields(response, _NOT_KEPT["answer"]), ANSWER_TYPES)


def tool_call_extras(item: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a call beside its id, its name and its arguments."""
    return other_fields(item, _NOT_KEPT["tool_call"])


def usage_extras(counts: Mapping[str, Any]) -> dict[str, Any]:
    """The further fields of the counts."""
    extras = other_fields(counts, _NOT_KEPT["usage"])
    return extras | {name: counts[field] for field, name in _DETAILS.items() if counts.get(field)}


def is_native(item: Mapping[str, Any]) -> bool:
    """Whether an item has no form in chat completions."""
    return item.get("type") not in _READ


def native_fields(item: Mapping[str, Any], images: int) -> dict[str, list[Any]]:
    """The fields of the message that hold such an item; `images` counts those before it."""
    result = item.get("result")
    if item.get("type") != "image_generation_call" or not isinstance(result, str) or not result:
        return {"native_content": [item]}
    url = f"data:image/{item.get('output_format') or 'png'};base64,{result}"
    image = {"type": "image_url", "index": images, "image_url": {"url": url}}
    others = {key: value for key, value in item.items() if key != "result"}
    return {"images": [image], "native_content": [others]}


_PLACED: Final = frozenset({"type", "url", "title", "start_index", "end_index"})


def decode_annotation(annotation: Any, index: int) -> dict[str, Any] | None:
    """A `url_citation`; None for other kinds, which are kept in `native_annotations`."""
    if not isinstance(annotation, Mapping) or annotation.get("type") != "url_citation":
        return None
    return url_citation(annotation, index, **other_fields(annotation, _PLACED))
