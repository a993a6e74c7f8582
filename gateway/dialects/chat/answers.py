"""Whole answers: a server's chat completion → the hub's, and the hub's → the client's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialects.chat.answer_fields import (
    answer_extras,
    choice_extras,
    message_extras,
    tool_call_extras,
)
from gateway.dialects.chat.content import Said, decode_content
from gateway.dialects.chat.errors import decode_error_value, is_error
from gateway.dialects.chat.finish import check_end, decode_finish
from gateway.dialects.chat.think_tags import split
from gateway.dialects.chat.usage import encode_usage
from gateway.dialects.whole import JsonText
from gateway.failures import Failed, Failure, Kind
from gateway.hub.answer_fields import ANSWER_TYPES, Deltas, is_logprobs, typed
from gateway.hub.calls import CallIds, whole_call
from gateway.hub.chunks import delta, fingerprint, finish, usage_chunk
from gateway.hub.contracts import Encoded
from gateway.hub.shapes import table
from gateway.hub.structured_output import unfence
from gateway.hub.tools import arguments_text
from gateway.types import Chat, Chunk

_UNASKED: Final = "the provider's answer holds no choice that was asked for"


def decode_response(body: dict[str, Any], encoded: Encoded) -> Chat:
    """A chat completion without `id` and `created`. Raises `Failed` for an error inside a 200."""
    choices = body.get("choices")
    if body.get("error") or not isinstance(choices, list) or not choices:
        raise Failed(_failure_inside(body))
    asked = _asked(choices, encoded)
    if not asked:
        raise Failed(Failure(Kind.MALFORMED, _UNASKED, status=200))
    usage = encode_usage(body.get("usage") or _usage(body, choices))
    chat: Chat = {
        "object": "chat.completion",
        "model": body.get("model"),
        "choices": [_choice(choice, number, body, encoded) for number, choice in asked.items()],
    }
    if usage is not None:
        chat["usage"] = usage
    return typed(answer_extras(body), ANSWER_TYPES) | chat


def _usage(body: Mapping[str, Any], choices: list[Any]) -> Any:
    """The counts are in the answer, in a vendor's envelope, or in a choice."""
    for place in (body, table(body, "x_groq"), *choices):
        if place.get("usage"):
            return place["usage"]
    return None


def _asked(choices: list[Any], encoded: Encoded) -> dict[int, Any]:
    """Index → choice, of those that the request asked for: SDKs fail on any other. One without an
    index, or with that of another, has its place in the list."""
    wanted = encoded.body.get("n")
    wanted = wanted if isinstance(wanted, int) else 1
    asked: dict[int, Any] = {}
    for number, choice in enumerate(choices):
        index = choice.get("index")
        if index is None or (type(index) is int and index in asked):
            index = number
        if type(index) is int and 0 <= index < wanted and index not in asked:
            asked[index] = choice
    return asked


def _failure_inside(body: Mapping[str, Any]) -> Failure:
    if is_error(body):
        return decode_error_value(body, None)
    keys = ", ".join(sorted(body))[:300]
    return Failure(
        Kind.MALFORMED, f"the provider's answer holds no choices; its keys: {keys}", status=200
    )


def _choice(
    choice: Mapping[str, Any], number: int, body: Mapping[str, Any], encoded: Encoded
) -> dict[str, Any]:
    if choice.get("error"):
        raise Failed(decode_error_value(choice, None))
    message = choice.get("message") or choice.get("delta") or {}
    said = decode_content(message)
    if encoded.think_tags:
        text, reasoning = split(said.text)
        said = Said(text, said.reasoning or reasoning)
    calls = _tool_calls(message, body.get("id"), number, encoded)
    text = unfence(said.text) if encoded.unfence else said.text
    result: dict[str, Any] = {
        "role": "assistant",
        "content": text or (None if calls else _empty(message)),
    }
    if message.get("refusal"):
        result["refusal"] = message["refusal"]
    if said.reasoning:
        result["reasoning_content"] = said.reasoning
    if calls:
        result["tool_calls"] = calls
    result |= message_extras(message, whole=True)
    logprobs = choice.get("logprobs")
    extras = choice_extras(choice)
    if logprobs and not is_logprobs(logprobs):
        extras, logprobs = {**extras, "native_logprobs": logprobs}, None
    reason = choice.get("finish_reason")
    if not reason:
        check_end(reason, _arguments(calls), encoded)
    return extras | {
        "index": number,
        "message": result,
        "finish_reason": decode_finish(reason or "", len(calls)),
        "logprobs": logprobs,
    }


def _empty(message: Mapping[str, Any]) -> str | None:
    return "" if message.get("content") == "" else None


def _tool_calls(
    message: Mapping[str, Any], answer_id: Any, number: int, encoded: Encoded
) -> list[dict[str, Any]]:
    """`tool_calls`, or the deprecated `function_call`."""
    stated, legacy = message.get("tool_calls"), message.get("function_call")
    if not stated:
        stated = [{"function": legacy}] if isinstance(legacy, Mapping) else ()
    if not stated:
        return []
    ids = CallIds(answer_id, number)
    return [_tool_call(call, ids, encoded) for call in stated]


def _arguments(calls: list[dict[str, Any]]) -> Iterator[JsonText]:
    for call in calls:
        text = JsonText()
        text.add(call[call["type"]].get("arguments", ""))
        yield text


def _tool_call(call: Mapping[str, Any], ids: CallIds, encoded: Encoded) -> dict[str, Any]:
    id_ = ids.take(call.get("id"))
    if "custom" in call and "function" not in call:
        custom = call["custom"] or {}
        stated, text = custom.get("name") or "", custom.get("input") or ""
        called = {**custom, "name": encoded.names.get(stated, stated), "input": text}
        return {"id": id_, "type": "custom", "custom": called}
    function = call.get("function") or {}
    arguments = arguments_text(function.get("arguments") or {}) or "{}"
    return tool_call_extras(call) | whole_call(id_, function.get("name") or "", arguments, encoded)


def encode_response(
    chat: Chat, id_: str, created: int, model: str, *, legacy_functions: bool = False
) -> Chat:
    """The client's answer: the hub's with its envelope, in the deprecated form where the client
    spoke it."""
    body: Chat = {
        "id": id_,
        **chat,
        "object": "chat.completion",
        "created": created,
        "model": model,
    }
    if legacy_functions:
        body["choices"] = [_as_function_call(choice) for choice in chat["choices"]]
    for choice in body["choices"]:
        choice["message"].setdefault("refusal", None)
    return body


def _as_function_call(choice: Mapping[str, Any]) -> dict[str, Any]:
    message = dict(choice["message"])
    calls = message.pop("tool_calls", None)
    if not calls or "function" not in calls[0]:
        return dict(choice)
    message["function_call"] = calls[0]["function"]
    reason = "function_call" if choice["finish_reason"] == "tool_calls" else choice["finish_reason"]
    return {**choice, "message": message, "finish_reason": reason}


def as_chunks(chat: Chat) -> Iterator[Chunk]:
    """A whole answer as the chunks of a stream, for a server that ignored `stream`."""
    around = {key: value for key, value in chat.items() if key not in _WHOLE}
    for choice in chat["choices"]:
        chunks = list(_deltas(choice))
        if choice.get("logprobs") and chunks:
            chunks[0]["choices"][0]["logprobs"] = choice["logprobs"]
        yield from chunks
        extras = {key: value for key, value in choice.items() if key not in _WHOLE_CHOICE}
        yield finish(choice["finish_reason"], choice["index"], extras) | around
        around = {}
    if "usage" in chat:
        yield usage_chunk(chat["usage"], fingerprint(chat))


_WHOLE: Final = frozenset({"object", "model", "choices", "usage"})
_WHOLE_CHOICE: Final = frozenset({"index", "message", "finish_reason", "logprobs"})
_SAID: Final = ("reasoning_content", "content", "refusal")


def _deltas(choice: Mapping[str, Any]) -> Iterator[Chunk]:
    number, message, deltas = choice["index"], choice["message"], Deltas()
    for key in _SAID:
        if message.get(key):
            yield delta(number, **{key: message[key]})
    for key, value in message.items():
        if value and key not in (*_SAID, "role", "tool_calls"):
            yield delta(number, **{key: deltas.indexed(key, value)})
    calls = message.get("tool_calls", ())
    if calls:
        yield delta(
            number, tool_calls=[{"index": place, **call} for place, call in enumerate(calls)]
        )


def is_empty(chat: Chat) -> bool:
    """Whether the answer says nothing at all although it claims to be finished."""
    for choice in chat["choices"]:
        if choice["finish_reason"] != "stop" or any(map(choice["message"].get, _CONTENT)):
            return False
    return True


def says_something(fields: Mapping[str, Any]) -> bool:
    """Whether a message or a delta holds a part of the answer, and not only facts about it."""
    return any(map(fields.get, _CONTENT))


_CONTENT: Final = (
    "content",
    "reasoning_content",
    "tool_calls",
    "refusal",
    "audio",
    "images",
    "native_content",
)
