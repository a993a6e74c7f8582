"""Messages for the different servers that speak chat completions.

Built from a whitelist per role: strict servers refuse a message with an unknown key, and clients
echo all kinds of keys from earlier answers.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from gateway.dialects.chat.tools import encode_call, encode_id
from gateway.hub.contracts import Unsupported
from gateway.hub.losses import Taken
from gateway.hub.parts import (
    file,
    parts,
    result_content,
    split_instructions,
    text_of,
    unreadable_file,
)
from gateway.types import Quirks

Message = dict[str, Any]


def encode_messages(messages: list[Message], quirks: Quirks) -> list[Message]:
    """The conversation as this server wants it. Raises `Unsupported` for a part it cannot take."""
    if not quirks.late_system:
        instructions, conversation = split_instructions(messages)
        messages = [*_joined(instructions), *conversation]
    encoded: list[Message] = []
    for message in messages:
        role, content = message["role"], message.get("content")
        is_said = type(content) is str and (content or role != "assistant")
        if is_said and role in _AS_THEY_ARE and len(message) == 2:
            encoded.append(message)  # most messages are such
        else:
            encoded += _ENCODERS[role](message, quirks)
    if not quirks.tool_result_images:
        encoded = list(_images_after_results(encoded))
    if quirks.bridge_after_tools:
        encoded = list(_bridged(encoded))
    if quirks.tool_result_name:
        _name_results(encoded)
    if quirks.prefill == "prefix" and encoded:
        encoded[-1] = _as_last(encoded[-1])
    return encoded


_AS_THEY_ARE: Final = ("user", "assistant", "system")
"""Roles whose message, with a text and nothing else, every server takes as it is."""


def _as_last(message: Message) -> Message:
    """The last message for a server that looks at its role: "Expected last role User or Tool (or
    Assistant with prefix True)"."""
    if message["role"] == "system":
        return {**message, "role": "user"}
    return {**message, "prefix": True} if message["role"] == "assistant" else message


def _joined(instructions: list[Message]) -> list[Message]:
    """One system message in front: chat templates of many local models take no second one."""
    if not instructions:
        return []
    text = "\n\n".join(
        text for text in (text_of(message["content"]) for message in instructions) if text
    )
    return [{"role": "system", "content": text}] if text else []


def _instructions(message: Message, quirks: Quirks) -> Iterator[Message]:
    role = message["role"] if quirks.developer_role else "system"
    content = message["content"]
    if not isinstance(content, str):
        content = [part for part in content if part["type"] == "text"]
    yield _named({"role": role, "content": _content(content, quirks)}, message, quirks)


def _user(message: Message, quirks: Quirks) -> Iterator[Message]:
    yield _named({"role": "user", "content": _content(message["content"], quirks)}, message, quirks)


def _assistant(message: Message, quirks: Quirks) -> Iterator[Message]:
    content = message.get("content")
    calls = message.get("tool_calls")
    text = content if isinstance(content, str) or content is None else _text_with_refusal(content)
    if not text and message.get("refusal"):
        text = message["refusal"]
    encoded: Message = {
        "role": "assistant",
        "content": text or (None if calls and quirks.null_content else ""),
    }
    if not calls and not text:
        if quirks.prefill == "prefix":
            return  # an assistant message with neither text nor calls is refused
        encoded["content"] = ""
    if calls:
        encoded["tool_calls"] = [encode_call(call, quirks) for call in calls]
    details = _of_a_router(message) if quirks.reasoning_details else []
    if details:
        encoded["reasoning_details"] = _merged(details)
    if quirks.reasoning_replay and calls:
        # "The `reasoning_content` in the thinking mode must be passed back to the API": a space is
        # accepted.
        encoded["reasoning_content"] = message.get("reasoning_content") or " "
    yield _named(encoded, message, quirks)


def _of_a_router(message: Message) -> list[Any]:
    """The `reasoning_details` that a server of this dialect made: those of Anthropic's own API are
    marked by their id, and another account refuses their signatures."""
    details = message.get("reasoning_details") or ()
    return [item for item in details if not _is_anthropics(item)]


def _is_anthropics(item: Any) -> bool:
    return isinstance(item, dict) and str(item.get("id")).startswith("anthropic:")


def _merged(details: list[Any]) -> list[Any]:
    """`reasoning_details` as they were before they were streamed: the pieces of one text as one
    item with its signature, which belongs to the whole text."""
    merged: list[Any] = []
    for item in details:
        if merged and _is_more_of(item, merged[-1]):
            last = merged[-1]
            text = {
                key: (last.get(key) or "") + item[key]
                for key in ("text", "summary")
                if item.get(key)
            }
            merged[-1] = {
                **last,
                **{key: value for key, value in item.items() if value is not None},
                **text,
            }
        else:
            merged.append(item)
    return merged


def _is_more_of(item: Any, last: Any) -> bool:
    """Whether `item` is a further piece of `last`; what is signed is complete, and what is
    encrypted comes whole."""
    if not isinstance(item, dict) or not isinstance(last, dict) or last.get("signature"):
        return False
    if item.get("type") not in ("reasoning.text", "reasoning.summary") or not isinstance(
        item.get("index"), int
    ):
        return False
    return (item["type"], item["index"]) == (last.get("type"), last.get("index"))


def _tool(message: Message, quirks: Quirks) -> Iterator[Message]:
    content = result_content(message)
    if not isinstance(content, str) and all(part["type"] == "text" for part in content):
        content = text_of(content)
    elif not isinstance(content, str):
        content = _content(content, quirks)
    yield {
        "role": "tool",
        "tool_call_id": encode_id(message["tool_call_id"], quirks),
        "content": content,
    }


_ENCODERS: Final[Mapping[str, Callable[[Message, Quirks], Iterator[Message]]]] = {
    "system": _instructions,
    "developer": _instructions,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
}


def _named(encoded: Message, message: Message, quirks: Quirks) -> Message:
    if quirks.names and isinstance(message.get("name"), str):
        # OpenAI: "must match ^[^\s<|\\/>]+$".
        name = "".join(
            "_" if letter.isspace() or letter in "<|\\/>" else letter for letter in message["name"]
        )
        if name:
            encoded["name"] = name
    return encoded


def _text_with_refusal(content: list[dict[str, Any]]) -> str:
    return "".join(part.get("text") or part.get("refusal") or "" for part in content)


# --- parts ----------------------------------------------------------------------------------------


def _content(content: Any, quirks: Quirks) -> Any:
    if isinstance(content, str):
        return content
    encoded = [_part(part, quirks) for part in parts(content)]
    if not encoded:
        return ""
    plain = all(part["type"] == "text" and len(part) == 2 for part in encoded)
    return text_of(encoded) if plain and not quirks.list_content else encoded


_MARKS: Final = frozenset({"cache_control", "prompt_cache_breakpoint"})


def _part(part: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    encode = _PARTS.get(part["type"])
    encoded = encode(part, quirks) if encode else part
    return encoded if _MARKS.isdisjoint(part) else _marked(encoded, part, quirks)


def _marked(encoded: dict[str, Any], part: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    """A cache breakpoint in the form this server knows, if it knows any: strict ones refuse the
    other's."""
    encoded = {key: value for key, value in encoded.items() if key not in _MARKS}
    if quirks.cache_control:
        encoded["cache_control"] = part.get("cache_control") or {"type": "ephemeral"}
    elif quirks.api == "auto" and part.get("prompt_cache_breakpoint"):
        encoded["prompt_cache_breakpoint"] = part["prompt_cache_breakpoint"]
    return encoded


def _text(part: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    return part if len(part) == 2 else {"type": "text", "text": part["text"]}


def _image(part: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    image = part["image_url"]
    if not quirks.images:
        raise Unsupported("messages.content.image_url", "this model takes no images")
    if not quirks.remote_images and not image["url"].startswith("data:"):
        raise Unsupported("messages.content.image_url", "this server takes images only as data")
    known = {key: image[key] for key in ("url", "detail") if image.get(key) is not None}
    return {"type": "image_url", "image_url": known}


def _audio(part: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    if quirks.audio == "none":
        raise Unsupported("messages.content.input_audio", "this provider takes no audio")
    if quirks.audio == "string":
        return {
            "type": "input_audio",
            "input_audio": (part.get("input_audio") or {}).get("data", ""),
        }
    return part


def _video(part: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    if not quirks.video:
        raise Unsupported("messages.content.video_url", "this provider takes no video")
    return part


_INNER: Final = {"image_url": frozenset({"url", "detail"})}
_OF_FILES: Final = frozenset({"filename", "file_data", "file_id", "file_url"})


@lru_cache(maxsize=64)
def taken(quirks: Quirks) -> Taken:
    """What messages and parts take on this server; anything else is named as lost."""
    names = frozenset({"name"}) if quirks.names else frozenset[str]()
    return Taken(message=names, inner=_INNER, of_file=lambda part: _OF_FILES, definition=None)


def _file(part: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    media = file(part)
    if media is not None and media.url is not None:
        return _file_at(media.url, part, quirks)
    if quirks.files == "file":
        return {"type": "file", "file": _known(part)}
    if media is None:
        raise Unsupported("messages.content.file", unreadable_file(part, "this provider"))
    if media.mime_type.startswith("text/"):
        name = _known(part).get("filename")
        text = _decoded(media.data or "")
        return {"type": "text", "text": f"{name}\n{text}" if name else text}
    if quirks.files == "document_url":
        return _document(f"data:{media.mime_type};base64,{media.data}", part)
    raise Unsupported("messages.content.file", "this provider takes no such file")


def _known(part: dict[str, Any]) -> dict[str, Any]:
    """The keys of a file that servers know."""
    held = part.get("file") or {}
    return {key: held[key] for key in held if key in _OF_FILES}


def _document(url: str, part: dict[str, Any]) -> dict[str, Any]:
    name = _known(part).get("filename")
    return {"type": "document_url", "document_url": url} | ({"document_name": name} if name else {})


def _file_at(url: str, part: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    """A file by its address, where the server fetches it."""
    if quirks.files == "document_url":
        return _document(url, part)
    if quirks.files == "file" and quirks.api != "auto":
        known = {key: value for key, value in _known(part).items() if key != "file_url"}
        return {"type": "file", "file": {**known, "file_data": url}}
    raise Unsupported("messages.content.file", "this provider takes files only as data")


def _decoded(data: str) -> str:
    return base64.b64decode(data, validate=False).decode("utf-8", "replace")


def _refusal(part: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    return {"type": "text", "text": part.get("refusal") or ""}


_PARTS: Final[Mapping[str, Callable[[dict[str, Any], Quirks], dict[str, Any]]]] = {
    "text": _text,
    "image_url": _image,
    "input_audio": _audio,
    "video_url": _video,
    "file": _file,
    "refusal": _refusal,
}


# --- order ----------------------------------------------------------------------------------------


def _images_after_results(messages: list[Message]) -> Iterator[Message]:
    """Images of tool results in one user message after all results of the turn."""
    images: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] != "tool" and images:
            yield {"role": "user", "content": images}
            images = []
        if message["role"] == "tool" and not isinstance(message["content"], str):
            images += [part for part in message["content"] if part["type"] != "text"]
            message = {**message, "content": text_of(message["content"]) or "(see attached image)"}
        yield message
    if images:
        yield {"role": "user", "content": images}


def _bridged(messages: list[Message]) -> Iterator[Message]:
    """An assistant message between a tool result and the next user message, which some models
    insist on."""
    previous = ""
    for message in messages:
        if previous == "tool" and message["role"] == "user":
            yield {"role": "assistant", "content": "OK"}
        yield message
        previous = message["role"]


def _name_results(messages: list[Message]) -> None:
    names: dict[str, str] = {}
    for message in messages:
        for call in message.get("tool_calls", ()):
            names[call["id"]] = call["function"]["name"]
        if message["role"] == "tool" and message["tool_call_id"] in names:
            message["name"] = names[message["tool_call_id"]]
