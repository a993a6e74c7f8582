"""The conversation as input items; reasoning items stand directly before the call they led to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from gateway.hub.contracts import Unsupported
from gateway.hub.losses import Taken
from gateway.hub.parts import INSTRUCTIONS, file, parts, result_content, text_of
from gateway.hub.tools import fit_id
from gateway.types import Chat

Item = dict[str, Any]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _Known(NamedTuple):
    """What one message cannot say of itself."""

    custom: set[str]
    """The ids of calls of custom tools."""
    origin: str


def encode_id(id_: str) -> str:
    return fit_id(id_, _ID, keep=64)


def encode_messages(chat: Chat, origin: str = "") -> tuple[str, list[Item]]:
    """(`instructions`: the leading system messages, `input`). Raises `Unsupported` for a part that
    has no place.

    Encrypted reasoning goes back only to its `origin`: another account cannot read it, and refuses
    the request.
    """
    messages = chat["messages"]
    leading = next(
        (n for n, message in enumerate(messages) if message["role"] not in INSTRUCTIONS),
        len(messages),
    )
    instructions = "\n\n".join(
        text for message in messages[:leading] if (text := text_of(message["content"]))
    )
    custom = {
        call["id"]
        for message in messages
        for call in message.get("tool_calls", ())
        if "custom" in call
    }
    known = _Known(custom, origin)
    items = [
        item
        for message in messages[leading:]
        for item in _ENCODERS[message["role"]](message, known)
    ]
    if not items:
        return "", [{"role": "user", "content": instructions or "(empty)"}]
    return instructions, items


def _developer(message: Mapping[str, Any], known: _Known) -> Iterator[Item]:
    yield {"role": "developer", "content": text_of(message["content"])}


def _user(message: Mapping[str, Any], known: _Known) -> Iterator[Item]:
    content = message["content"]
    yield {"role": "user", "content": content if isinstance(content, str) else _parts(content)}


def _assistant(message: Mapping[str, Any], known: _Known) -> Iterator[Item]:
    content = message.get("content")
    text = content if isinstance(content, str) else "".join(_said(part) for part in parts(content))
    text = text or message.get("refusal") or ""
    calls = message.get("tool_calls", ())
    thoughts = [own_reasoning(call.get("extra_content"), known.origin) for call in calls]
    yield from thoughts[0] if thoughts else ()
    if text:
        yield {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }
    for number, call in enumerate(calls):
        yield from thoughts[number] if number else ()
        yield _call(call)


def own_reasoning(extra: Any, origin: str) -> list[Item]:
    """The reasoning in the `extra_content` of a call, where it is the same model's of the same
    account."""
    own = extra.get("openai") if isinstance(extra, Mapping) else None
    if not isinstance(own, Mapping) or own.get("origin") != origin:
        return []
    return [item for item in own.get("reasoning") or () if isinstance(item, dict)]


def _said(part: Mapping[str, Any]) -> str:
    return part.get("text") or part.get("refusal") or ""


def _call(call: Mapping[str, Any]) -> Item:
    id_ = encode_id(call["id"])
    if "custom" in call:
        custom = call["custom"]
        return {
            "type": "custom_tool_call",
            "call_id": id_,
            "name": custom.get("name") or "",
            "input": custom.get("input") or "",
        }
    function = call["function"]
    return {
        "type": "function_call",
        "call_id": id_,
        "name": function["name"],
        "arguments": function["arguments"].strip() or "{}",
    }


def _tool(message: Mapping[str, Any], known: _Known) -> Iterator[Item]:
    content = result_content(message)
    output: Any = content
    if not isinstance(content, str):
        plain = all(part["type"] == "text" for part in content)
        output = text_of(content) if plain else _parts(content)
    kind = (
        "custom_tool_call_output"
        if message["tool_call_id"] in known.custom
        else "function_call_output"
    )
    yield {"type": kind, "call_id": encode_id(message["tool_call_id"]), "output": output}


_ENCODERS: Final[Mapping[str, Callable[[Mapping[str, Any], _Known], Iterator[Item]]]] = {
    "system": _developer,
    "developer": _developer,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
}


# --- parts ----------------------------------------------------------------------------------------


def _parts(content: Any) -> list[Item]:
    encoded = []
    for part in parts(content):
        encode = _PARTS.get(part["type"])
        if encode is None:
            raise Unsupported(
                "messages.content",
                f"the Responses API has no place for a part of type {part['type']!r}",
            )
        encoded.append(encode(part))
    return encoded


def _text(part: Mapping[str, Any]) -> Item:
    return {"type": "input_text", "text": part["text"]}


def _image(part: Mapping[str, Any]) -> Item:
    image = part["image_url"]
    return {
        "type": "input_image",
        "image_url": image["url"],
        "detail": image.get("detail") or "auto",
    }


TAKEN: Final = Taken(
    inner={
        "image_url": frozenset({"url", "detail"}),
        "file": frozenset({"filename", "file_data", "file_id"}),
    },
)
"""What messages and parts take here; anything else is named as lost."""


def _file(part: Mapping[str, Any]) -> Item:
    held = part.get("file") or {}
    media = file(part)
    if media is not None and media.url is not None:
        return {"type": "input_file", "file_url": media.url}
    known = {
        key: held[key] for key in ("filename", "file_data", "file_id", "file_url") if held.get(key)
    }
    if "file_data" in known:
        known.setdefault("filename", "file")
    return {"type": "input_file", **known}


_PARTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Item]]] = {
    "text": _text,
    "image_url": _image,
    "file": _file,
}
