"""The conversation as input items; reasoning items come directly before the call they led to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from gateway.hub.contracts import Unsupported
from gateway.hub.fields import Section
from gateway.hub.losses import Taken
from gateway.hub.parts import INSTRUCTIONS, file, parts, result_content, text_of
from gateway.hub.survey import Survey
from gateway.hub.tools import fit_id, tool_name

Item = dict[str, Any]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _History(NamedTuple):
    """The facts of a request that the encoder of one message needs."""

    names: Mapping[str, str]
    """The client's name of each tool → its name as it is sent."""
    calls: Mapping[str, Mapping[str, Any]]
    """Id → the tool call of the history."""
    origin: str


def encode_id(id_: str) -> str:
    return fit_id(id_, _ID, keep=64)


def encode_messages(survey: Survey, origin: str, *, hints: Iterable[str] = ()) -> Section:
    """`instructions`, the leading system messages, and `input`. Raises `Unsupported` for a part
    that the API does not support.

    The whole conversation is sent and nothing is stored at the provider.
    Encrypted reasoning goes back only to its `origin`: another account cannot read it, and refuses
    the request. `hints` are instructions of the gateway.
    """
    history = _History(survey.names, survey.calls, origin)
    instructions: list[str] = []
    items: list[Item] = []
    leads = True
    for message in survey.messages:
        leads = leads and message["role"] in INSTRUCTIONS
        if leads:
            instructions.append(text_of(message["content"]))
        else:
            items += _ENCODERS[message["role"]](message, history)
    if not items:
        text = "\n\n".join(filter(None, instructions))
        items, instructions = [{"role": "user", "content": text or "(empty)"}], []
    text = "\n\n".join(filter(None, (*instructions, *hints)))
    fields = {"input": items, "store": False}
    return Section({**fields, "instructions": text} if text else fields)


def _developer(message: Mapping[str, Any], history: _History) -> Iterator[Item]:
    yield {"role": "developer", "content": text_of(message["content"])}


def _user(message: Mapping[str, Any], history: _History) -> Iterator[Item]:
    content = message["content"]
    yield {"role": "user", "content": content if isinstance(content, str) else _parts(content)}


def _assistant(message: Mapping[str, Any], history: _History) -> Iterator[Item]:
    content = message.get("content")
    text = content if isinstance(content, str) else "".join(_said(part) for part in parts(content))
    text = text or message.get("refusal") or ""
    calls = message.get("tool_calls", ())
    thoughts = [own_reasoning(call.get("extra_content"), history.origin) for call in calls]
    yield from thoughts[0] if thoughts else ()
    if text:
        yield {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }
    for number, call in enumerate(calls):
        yield from thoughts[number] if number else ()
        yield _call(call, history)


def own_reasoning(extra: Any, origin: str) -> list[Item]:
    """The reasoning in the `extra_content` of a call, where it is the same model's of the same
    account."""
    own = extra.get("openai") if isinstance(extra, Mapping) else None
    if not isinstance(own, Mapping) or own.get("origin") != origin:
        return []
    return [item for item in own.get("reasoning") or () if isinstance(item, dict)]


def _said(part: Mapping[str, Any]) -> str:
    return part.get("text") or part.get("refusal") or ""


def _call(call: Mapping[str, Any], history: _History) -> Item:
    id_, name = encode_id(call["id"]), tool_name(call)
    name = history.names.get(name, name)
    if "custom" in call:
        text = call["custom"].get("input") or ""
        return {"type": "custom_tool_call", "call_id": id_, "name": name, "input": text}
    function = call["function"]
    return {
        "type": "function_call",
        "call_id": id_,
        "name": name,
        "arguments": function["arguments"].strip() or "{}",
    }


def _tool(message: Mapping[str, Any], history: _History) -> Iterator[Item]:
    content = result_content(message)
    output: Any = content
    if not isinstance(content, str):
        plain = all(part["type"] == "text" for part in content)
        output = text_of(content) if plain else _parts(content)
    is_custom = "custom" in history.calls.get(message["tool_call_id"], ())
    kind = "custom_tool_call_output" if is_custom else "function_call_output"
    yield {"type": kind, "call_id": encode_id(message["tool_call_id"]), "output": output}


_ENCODERS: Final[Mapping[str, Callable[[Mapping[str, Any], _History], Iterator[Item]]]] = {
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
                f"the Responses API does not support a part of type {part['type']!r}",
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


_AT_ADDRESS: Final = frozenset({"file_data", "file_url"})
_WHOLE: Final = frozenset({"filename", "file_data", "file_id"})


def _of_file(part: Mapping[str, Any]) -> frozenset[str]:
    media = file(part)
    return _WHOLE if media is None or media.url is None else _AT_ADDRESS


TAKEN: Final = Taken(inner={"image_url": frozenset({"url", "detail"})}, of_file=_of_file)
"""The keys of messages and parts that are sent; any other key is named as lost."""


def _file(part: Mapping[str, Any]) -> Item:
    held = part.get("file") or {}
    media = file(part)
    if media is not None and media.url is not None:
        return {"type": "input_file", "file_url": media.url}
    known = {key: held[key] for key in ("filename", "file_data", "file_id") if held.get(key)}
    if "file_data" in known:
        known.setdefault("filename", "file")
    return {"type": "input_file", **known}


_PARTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Item]]] = {
    "text": _text,
    "image_url": _image,
    "file": _file,
}
