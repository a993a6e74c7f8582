"""The response object, and a whole answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.dialects.responses.inbound.notes import Notes
from gateway.dialects.responses.inbound.output import Output
from gateway.dialects.responses.inbound.reasoning import seal_summary
from gateway.dialects.responses.inbound.writer import Silence
from gateway.hub.contracts import Answer
from gateway.hub.counts import token_count
from gateway.hub.shapes import table
from gateway.hub.tools import digest
from gateway.types import Chat

Response = dict[str, Any]

_DEFAULTS: Final[Mapping[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
}
"""Values of a response object for fields that the request leaves out; strict clients read them
unguarded."""

_REQUIRED: Final[Mapping[str, Mapping[str, Any]]] = {
    "reasoning": {"effort": None, "summary": None},
    "text": {"format": {"type": "text"}},
}
"""Members that the echo of an object always has."""

_INCOMPLETE: Final[Mapping[str | None, str]] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}
"""Finish reason → why a response is incomplete; all others complete it."""

_OF_THE_HUB: Final = frozenset({"id", "object", "created", "model", "choices", "usage"})
_OF_A_CHOICE: Final = frozenset({"index", "message", "delta", "finish_reason", "logprobs"})


def notes_of(answer: Answer) -> Notes:
    """The notes of this face; empty ones for a request that another face decoded."""
    notes = answer.request.notes
    return notes if isinstance(notes, Notes) else Notes({}, {})


def new_response(answer: Answer) -> Response:
    """The response object of an answer that has just begun."""
    notes = notes_of(answer)
    stated = {field: value for field, value in notes.echo.items() if value is not None}
    for field, members in _REQUIRED.items():
        if isinstance(stated.get(field), Mapping):
            stated[field] = {**members, **stated[field]}
    return {
        "id": f"resp_{answer.id}",
        "object": "response",
        "created_at": answer.created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": answer.model,
        **_DEFAULTS,
        **stated,
        "store": notes.store,
        "output": [],
        "usage": None,
    }


def extras_of(chat: Mapping[str, Any], choice: Mapping[str, Any]) -> dict[str, Any]:
    """The provider's fields beside the answer: `service_tier`, `citations`, its own finish
    reason."""
    extras = {key: value for key, value in chat.items() if key not in _OF_THE_HUB}
    return extras | {key: value for key, value in choice.items() if key not in _OF_A_CHOICE}


def with_extras(response: Response, extras: Mapping[str, Any]) -> Response:
    """`response` with fields of its provider; no field of this API is replaced but the tier."""
    more = {key: value for key, value in extras.items() if key not in response}
    tier = extras.get("service_tier")
    return {**response, **more} | ({"service_tier": tier} if tier else {})


def ended(
    response: Response, output: list[dict[str, Any]], finish: str | None, usage: Any
) -> Response:
    """The response object of an answer that ended with the hub's `finish` reason and `usage`."""
    reason = _INCOMPLETE.get(finish)
    return {
        **response,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output,
        "usage": encode_usage(usage if isinstance(usage, Mapping) else {}),
    }


def encode_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """The hub's usage in this API's words. Every number is there: one that is missing makes an
    answer unreadable."""
    inputs = token_count(usage.get("prompt_tokens"))
    outputs = token_count(usage.get("completion_tokens"))
    prompt, completion = (
        table(usage, "prompt_tokens_details"),
        table(usage, "completion_tokens_details"),
    )
    return {
        **{key: value for key, value in usage.items() if key not in _COUNTS},
        "input_tokens": inputs,
        "input_tokens_details": _counted(prompt, ("cached_tokens", "cache_write_tokens")),
        "output_tokens": outputs,
        "output_tokens_details": _counted(completion, ("reasoning_tokens",)),
        "total_tokens": inputs + outputs,
    }


def _counted(details: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    return {**details, **{key: token_count(details.get(key)) for key in required}}


_COUNTS: Final = frozenset(
    {
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    }
)


def encode_response(chat: Chat, answer: Answer) -> Response:
    """The response object of a whole answer. Its items are those that the stream of the same answer
    has."""
    notes, choice = notes_of(answer), chat["choices"][0]
    message, finish = choice["message"], choice.get("finish_reason")
    response = with_extras(new_response(answer), extras_of(chat, choice))
    if notes.compacting:
        output = [compaction_item(answer, message.get("content") or "")]
        return ended(response, output, None, chat.get("usage"))
    items = Output(Silence(), notes, answer.id)
    for fields in _deltas(message):
        items.add(fields, _logprobs(choice) if "content" in fields else ())
    items.end(finish)
    return ended(response, items.results(), finish, chat.get("usage"))


_ORDER: Final = (
    "reasoning_content",
    "reasoning_details",
    "content",
    "refusal",
    "annotations",
    "images",
    "extra_content",
)


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A message as the deltas of a stream, in the order in which the items are to be."""
    for key in _ORDER:
        if message.get(key):
            yield {key: message[key]}
    for place, call in enumerate(message.get("tool_calls") or ()):
        yield {"tool_calls": [{"index": place, **call}]}


def _logprobs(choice: Mapping[str, Any]) -> Any:
    return (choice.get("logprobs") or {}).get("content") or ()


def compaction_item(answer: Answer, summary: str) -> dict[str, Any]:
    """The one item of an answer to a `compaction_trigger`; it comes back as the last item of the
    next request."""
    id_ = f"cmp_{digest(answer.id, 32)}"
    return {"type": "compaction", "id": id_, "encrypted_content": seal_summary(summary)}
