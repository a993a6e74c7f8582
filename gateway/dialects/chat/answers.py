"""Whole answers: a server's chat completion → the hub's, and the hub's → the client's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialects.chat.content import Said, decode_content
from gateway.dialects.chat.errors import decode_error_value, is_error
from gateway.dialects.chat.finish import decode_finish
from gateway.dialects.chat.think_tags import split
from gateway.dialects.chat.tools import decode_id
from gateway.dialects.chat.usage import decode_usage
from gateway.failures import Failed, Failure, Kind
from gateway.hub.chunks import delta, finish, indexed, usage_chunk, usage_dict
from gateway.hub.contracts import Encoded
from gateway.hub.structured_output import unfence
from gateway.hub.tools import arguments_text, custom_input, digest
from gateway.types import Chat, Chunk

_TIERS: Final = frozenset({"auto", "default", "flex", "fast", "scale", "priority"})
"""The tiers of the contract: strict clients refuse an answer with a vendor's own (`on_demand`)."""

_KEPT: Final = ("annotations", "audio", "reasoning_details", "images")
"""Keys of a message that are handed on as they are, where a server sends them."""


def decode_response(body: dict[str, Any], encoded: Encoded) -> Chat:
    """A chat completion without `id` and `created`. Raises `Failed` for an error inside a 200."""
    choices = body.get("choices")
    if body.get("error") or not isinstance(choices, list) or not choices:
        raise Failed(_failure_inside(body))
    usage = decode_usage(body.get("usage") or (body.get("x_groq") or {}).get("usage"))
    chat: Chat = {
        "object": "chat.completion",
        "model": body.get("model"),
        "choices": [_choice(choice, number, body, encoded) for number, choice in enumerate(choices)],
    }
    if usage is not None:
        chat["usage"] = usage_dict(usage)
    for key in ("system_fingerprint", "citations"):
        if body.get(key) is not None:
            chat[key] = body[key]
    if body.get("service_tier") in _TIERS:
        chat["service_tier"] = body["service_tier"]
    return chat


def _failure_inside(body: Mapping[str, Any]) -> Failure:
    if is_error(body):
        return decode_error_value(body, None)
    keys = ", ".join(sorted(body))[:300]
    return Failure(Kind.MALFORMED, f"the provider's answer holds no choices; its keys: {keys}", status=200)


def _choice(choice: Mapping[str, Any], number: int, body: Mapping[str, Any], encoded: Encoded) -> dict[str, Any]:
    if choice.get("error"):
        raise Failed(decode_error_value(choice, None))
    message = choice.get("message") or choice.get("delta") or {}
    said = decode_content(message)
    if encoded.think_tags:
        text, reasoning = split(said.text)
        said = Said(text, said.reasoning or reasoning)
    ids: set[str] = set()
    calls = [
        _tool_call(call, f"{body.get('id')} {place}", ids, encoded)
        for place, call in enumerate(message.get("tool_calls") or _legacy(message))
    ]
    text = unfence(said.text) if encoded.unfence else said.text
    result: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else _empty(message))}
    if message.get("refusal"):
        result["refusal"] = message["refusal"]
    if said.reasoning:
        result["reasoning_content"] = said.reasoning
    if calls:
        result["tool_calls"] = calls
    result |= {key: message[key] for key in _KEPT if message.get(key)}
    return {
        "index": choice["index"] if isinstance(choice.get("index"), int) else number,
        "message": result,
        "finish_reason": decode_finish(choice.get("finish_reason") or "", len(calls)),
        "logprobs": choice.get("logprobs"),
    }


def _empty(message: Mapping[str, Any]) -> str | None:
    return "" if message.get("content") == "" else None


def _legacy(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    call = message.get("function_call")
    return [{"function": call}] if isinstance(call, Mapping) else []


def _tool_call(call: Mapping[str, Any], place: str, ids: set[str], encoded: Encoded) -> dict[str, Any]:
    id_ = decode_id(call.get("id"))
    if id_ is None or id_ in ids:
        id_ = "call_" + digest(place, 24)  # clients tell calls apart by nothing else
    ids.add(id_)
    if "custom" in call and "function" not in call:
        custom = call["custom"] or {}
        name = encoded.names.get(custom.get("name") or "", custom.get("name"))
        return {"id": id_, "type": "custom", "custom": {**custom, "name": name}}
    function = call.get("function") or {}
    name = encoded.names.get(function.get("name", ""), function.get("name", ""))
    arguments = arguments_text(function.get("arguments") or {}) or "{}"
    result: dict[str, Any] = {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
    if name in encoded.custom_tools:
        result = {"id": id_, "type": "custom", "custom": {"name": name, "input": custom_input(arguments)}}
    if call.get("extra_content"):
        result["extra_content"] = call["extra_content"]
    return result


def encode_response(chat: Chat, id_: str, created: int, model: str, *, legacy_functions: bool = False) -> Chat:
    """The client's answer: the hub's with its envelope, in the deprecated form where the client spoke it."""
    body: Chat = {"id": id_, **chat, "object": "chat.completion", "created": created, "model": model}
    if legacy_functions:
        body["choices"] = [_as_function_call(choice) for choice in chat["choices"]]
    for choice in body["choices"]:
        choice["message"].setdefault("refusal", None)
    return body


def _as_function_call(choice: Mapping[str, Any]) -> dict[str, Any]:
    message = dict(choice["message"])
    calls = message.pop("tool_calls", None)
    if not calls:
        return dict(choice)
    message["function_call"] = calls[0]["function"]
    reason = "function_call" if choice["finish_reason"] == "tool_calls" else choice["finish_reason"]
    return {**choice, "message": message, "finish_reason": reason}


def as_chunks(chat: Chat) -> Iterator[Chunk]:
    """A whole answer as the chunks of a stream, for a server that ignored `stream`."""
    for choice in chat["choices"]:
        chunks = list(_deltas(choice))
        if choice.get("logprobs") and chunks:
            chunks[0]["choices"][0]["logprobs"] = choice["logprobs"]
        yield from chunks
        yield finish(choice["finish_reason"], choice["index"])
    if "usage" in chat:
        yield usage_chunk(chat["usage"])


def _deltas(choice: Mapping[str, Any]) -> Iterator[Chunk]:
    number, message = choice["index"], choice["message"]
    for key in ("reasoning_content", "content", "refusal", *_KEPT):
        if message.get(key):
            yield delta(number, **{key: indexed(message[key])})
    calls = message.get("tool_calls", ())
    if calls:
        yield delta(number, tool_calls=[{"index": place, **call} for place, call in enumerate(calls)])


def is_empty(chat: Chat) -> bool:
    """Whether the answer says nothing at all although it claims to be finished."""
    return all(
        choice["finish_reason"] == "stop" and not any(choice["message"].get(key) for key in _CONTENT)
        for choice in chat["choices"]
    )


_CONTENT: Final = ("content", "reasoning_content", "tool_calls", "refusal", "audio", "images")
