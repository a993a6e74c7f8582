"""The types of what an answer says. No decoder hands on a value of another type.

`hub.chunks.delta` checks every piece of a stream, `checked` a whole answer. So nothing behind the
decoders (the record, the replay, the clients' APIs) ever meets a number where text belongs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.failures import Failed, Failure, Kind
from gateway.types import Chat

TEXTS: Final = frozenset({"content", "reasoning_content", "refusal"})
"""Fields of a message or a delta that are text."""
_LISTS: Final = frozenset({"tool_calls", "reasoning_details", "annotations", "images"})
_OBJECTS: Final = frozenset({"extra_content"})
OTHERS: Final = _LISTS | _OBJECTS
"""Fields that are lists of objects, and an object. Any other field is the provider's own."""
_FINISHES: Final = frozenset({"stop", "length", "tool_calls", "content_filter"})
_INPUTS: Final = (("function", "arguments"), ("custom", "input"))
_KINDS: Final[Mapping[type, str]] = {
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
}


def wrong_type(field: str, value: Any) -> Failed:
    """A field of the provider's answer has a value of a type that it never has."""
    kind = _KINDS.get(type(value), "null")
    return Failed(Failure(Kind.MALFORMED, f"the provider's answer has {kind} as `{field}`"))


def not_json(error: ValueError) -> Failed:
    """An event of the provider's stream is not JSON."""
    return Failed(Failure(Kind.MALFORMED, f"the provider sent an event that is not JSON: {error}"))


def not_typed() -> Failed:
    """An event of a format whose events state their type does not."""
    message = "the provider sent an event that is not a JSON object with a type"
    return Failed(Failure(Kind.MALFORMED, message))


def stated_text(body: Mapping[str, Any], field: str) -> str:
    """The text in a field of `body`; "" for null, and where it is absent. Raises `Failed`."""
    value = body.get(field)
    if value is None:
        return ""
    if type(value) is not str:
        raise wrong_type(field, value)
    return value


def stated_name(body: Mapping[str, Any], field: str) -> str | None:
    """The same for a name that an answer may lack: None where it is empty too. Raises `Failed`."""
    return stated_text(body, field) or None


def check_field(name: str, value: Any) -> None:
    """Checks a field of `TEXTS` or `OTHERS`. Raises `Failed`."""
    if type(value) is not (str if name in TEXTS else dict if name in _OBJECTS else list):
        raise wrong_type(name, value)
    if type(value) is not list:
        return
    for item in value:
        if type(item) is not dict:
            raise wrong_type(f"{name}[]", item)
        if name == "tool_calls":
            _check_call(item)


def _check_call(call: Mapping[str, Any]) -> None:
    """Checks a tool call, or a piece of one."""
    if type(call.get("id", "")) is not str:
        raise wrong_type("tool_calls[].id", call["id"])
    if type(call.get("extra_content", _NOTHING)) is not dict:
        raise wrong_type("tool_calls[].extra_content", call["extra_content"])
    for kind, field in _INPUTS:
        called = call.get(kind, _NOTHING)
        for each in ("name", field):
            if type(called.get(each, "")) is not str:
                raise wrong_type(f"tool_calls[].{kind}.{each}", called[each])


_NOTHING: Final[dict[str, Any]] = {}


def checked(chat: Chat) -> Chat:
    """`chat`, a whole answer, if it is of the types of this module, and all its tool calls have a
    name. Raises `Failed`."""
    if type(chat.get("model", "")) is not str and chat["model"] is not None:
        raise wrong_type("model", chat["model"])
    for choice in chat["choices"]:
        if choice["finish_reason"] not in _FINISHES:
            raise wrong_type("finish_reason", choice["finish_reason"])
        message = choice["message"]
        for name, value in message.items():
            if value is not None and (type(value) is not str if name in TEXTS else name in OTHERS):
                check_field(name, value)
        for call in message.get("tool_calls") or ():
            if not call[call["type"]].get("name"):
                words = "the provider sent a tool call without a name"
                raise Failed(Failure(Kind.MALFORMED, words, status=200))
    return chat
