"""What the sister APIs call the fields and parts of chat completions, as tables.

Clients that switch between APIs post a Responses or a Messages body to chat completions, or mix
them (Cursor in agent mode). A form with one meaning is taken. Sources: the request types of
OpenAI's Responses API and of Anthropic's Messages API.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.dialects.chat.normalize.refusals import an_object, invalid, missing, wrong_type
from gateway.types import Chat

Part = dict[str, Any]

# --- the request ----------------------------------------------------------------------------------


def in_chat_words(body: Mapping[str, Any]) -> tuple[Chat, str]:
    """(`body` in the words of chat completions, the field that holds the conversation)."""
    chat: Chat = {field: value for field, value in body.items() if value is not None}
    source = _conversation(chat) if "input" in chat else "messages"
    if "system" in chat or "instructions" in chat:
        _lead(chat, [*_instructions(chat, "system"), *_instructions(chat, "instructions")])
    for field, take in _FIELDS.items():
        if field in chat:
            take(chat, chat.pop(field))
    return chat, source


def _lead(chat: Chat, instructions: list[dict[str, Any]]) -> None:
    """Puts `instructions` in front of the conversation."""
    if instructions and isinstance(chat.get("messages"), list):
        chat["messages"] = [*instructions, *chat["messages"]]


def _conversation(chat: Chat) -> str:
    """Puts `input` where `messages` are; returns the name that the client used."""
    if chat.get("messages"):
        raise invalid("Give either 'messages' or 'input', not both.", "input")
    given = chat.pop("input")
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise wrong_type("input", "a string or a non-empty array of items")
    chat["messages"] = given
    return "input"


def _instructions(chat: Chat, field: str) -> list[dict[str, Any]]:
    """A top-level `system` or `instructions` as a message in front."""
    given = chat.pop(field, "")
    if not isinstance(given, str | list):
        raise wrong_type(field, "a string or an array of text blocks")
    return [{"role": "system", "content": given}] if given else []


def _take_stop(chat: Chat, value: Any) -> None:
    chat.setdefault("stop", value)


def _take_text(chat: Chat, value: Any) -> None:
    """`text: {format, verbosity}` of the Responses API."""
    text = an_object(value, "text")
    if text.get("verbosity") is not None:
        chat.setdefault("verbosity", text["verbosity"])
    if text.get("format") is not None:
        chat.setdefault("response_format", _format(an_object(text["format"], "text.format")))
    _keep_others(chat, "text", text, ("verbosity", "format"))


def _take_output_config(chat: Chat, value: Any) -> None:
    """`output_config: {effort, format}` of the Messages API."""
    config = an_object(value, "output_config")
    if config.get("effort") is not None:
        chat.setdefault("reasoning_effort", config["effort"])
    if config.get("format") is not None:
        form = an_object(config["format"], "output_config.format")
        chat.setdefault("response_format", _format({"name": "answer", **form}))
    _keep_others(chat, "output_config", config, ("effort", "format"))


def _keep_others(chat: Chat, field: str, held: Mapping[str, Any], read: tuple[str, ...]) -> None:
    """Leaves what is not read where it was: an unknown field, which a dialect sends or names."""
    others = {key: value for key, value in held.items() if key not in read and value is not None}
    if others:
        chat[field] = others


def _format(form: Mapping[str, Any]) -> dict[str, Any]:
    """A flat JSON schema format with its inner object."""
    if form.get("type") != "json_schema" or "json_schema" in form:
        return dict(form)
    schema = {key: value for key, value in form.items() if key != "type"}
    return {"type": "json_schema", "json_schema": schema}


def _refuse_stored(field: str) -> Callable[[Chat, Any], None]:
    def refuse(chat: Chat, value: Any) -> None:
        raise invalid(f"'{field}' names a stored conversation, which this endpoint lacks.", field)

    return refuse


_FIELDS: Final[Mapping[str, Callable[[Chat, Any], None]]] = {
    "stop_sequences": _take_stop,
    "text": _take_text,
    "output_config": _take_output_config,
    "previous_response_id": _refuse_stored("previous_response_id"),
    "conversation": _refuse_stored("conversation"),
}
"""Field of another API → what it does to the chat. `values.py` has the names of the limit."""

# --- parts ----------------------------------------------------------------------------------------


def decode_part(part: Any, path: str) -> list[Part]:
    """The parts of chat completions that say what `part` says. Raises `Failed`."""
    if isinstance(part, str):
        return [{"type": "text", "text": part}]
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise missing(f"{path}.type")
    decode = _PARTS.get(part["type"])
    return decode(part, path) if decode else [part]


_READ: Final = frozenset(
    {"type", "image_url", "detail", "filename", "file_data", "file_url", "file_id"}
    | {"source", "title", "content", "context", "citations", "data", "format", "input_audio"}
)
"""Keys of a part that the functions below read."""


def _marked(part: Part, source: Mapping[str, Any]) -> Part:
    """`part` with the cache mark of the block that it was, and what a dialect names as lost."""
    others = {key: source[key] for key in source if key not in _READ}
    return part | {key: value for key, value in others.items() if value is not None}


def _text(part: Part, path: str) -> list[Part]:
    if not isinstance(part.get("text"), str):
        raise missing(f"{path}.text")
    return [part if part["type"] == "text" else {**part, "type": "text"}]


def _image_url(part: Part, path: str) -> list[Part]:
    image = part.get("image_url")
    if isinstance(image, str):
        return [{**part, "image_url": {"url": image}}]
    if not isinstance(image, dict) or not isinstance(image.get("url"), str):
        raise missing(f"{path}.image_url.url")
    return [part]


def _input_image(part: Part, path: str) -> list[Part]:
    """`{"image_url": "https://… or data:…", "detail"?}`."""
    url = part.get("image_url")
    if isinstance(url, dict):
        url = url.get("url")
    if not isinstance(url, str):
        raise _no_upload(part, path, "image_url")
    image = {"url": url} | ({"detail": part["detail"]} if part.get("detail") else {})
    return [_marked({"type": "image_url", "image_url": image}, part)]


def _input_file(part: Part, path: str) -> list[Part]:
    """`{"filename"?, "file_data" or "file_url" or "file_id"}`."""
    known = {key: part[key] for key in ("filename", "file_data", "file_id") if part.get(key)}
    if part.get("file_url"):
        known["file_data"] = part["file_url"]
    if not {"file_data", "file_id"} & set(known):
        raise missing(f"{path}.file_data")
    return [_marked({"type": "file", "file": known}, part)]


def _input_audio(part: Part, path: str) -> list[Part]:
    audio = part.get("input_audio", part)
    if not isinstance(audio, dict) or not isinstance(audio.get("data"), str):
        raise missing(f"{path}.input_audio.data")
    if not isinstance(audio.get("format") or "", str):
        raise wrong_type(f"{path}.input_audio.format", "a string")
    if audio is not part:
        return [part]
    flat = {"data": part["data"], "format": part.get("format") or "wav"}
    return [_marked({"type": "input_audio", "input_audio": flat}, part)]


def _source(part: Part, path: str) -> Mapping[str, Any]:
    return an_object(part.get("source"), f"{path}.source")


def _no_upload(part: Mapping[str, Any], path: str, wanted: str) -> Exception:
    """The refusal of a part without data: an id of an upload means nothing to other providers."""
    if part.get("file_id"):
        return invalid(
            "An uploaded file's id means nothing here: send its data.", f"{path}.file_id"
        )
    return missing(f"{path}.{wanted}")


def _word(held: Mapping[str, Any], key: str) -> str:
    """The text under `key`; "" for anything else."""
    value = held.get(key)
    return value if isinstance(value, str) else ""


def _address(source: Mapping[str, Any], path: str) -> str:
    """The `url` of a block's source, a `data:` one for base64."""
    if source.get("type") == "url" and isinstance(source.get("url"), str):
        return str(source["url"])
    if source.get("type") == "base64" and isinstance(source.get("data"), str):
        return f"data:{_word(source, 'media_type')};base64,{source['data']}"
    raise _no_upload(source, f"{path}.source", "data")


def _image(part: Part, path: str) -> list[Part]:
    url = _address(_source(part, path), path)
    return [_marked({"type": "image_url", "image_url": {"url": url}}, part)]


def _document(part: Part, path: str) -> list[Part]:
    """A PDF as a file; a document of text as such a file, one of blocks as its blocks."""
    source = _source(part, path)
    if source.get("type") == "content":
        heads = [_word(part, key) for key in ("title", "context")]
        said = [{"type": "text", "text": "\n".join(filter(None, heads))}] if any(heads) else []
        return [*said, *decode_parts(source.get("content"), f"{path}.source.content")]
    if source.get("type") == "text" and isinstance(source.get("data"), str):
        data = base64.b64encode(source["data"].encode()).decode()
        url = f"data:{_word(source, 'media_type') or 'text/plain'};base64,{data}"
    else:
        url = _address(source, path)
    file = {"file_data": url} | ({"filename": part["title"]} if part.get("title") else {})
    kept = {key: part[key] for key in ("citations", "context") if part.get(key)}
    return [_marked({"type": "file", "file": file, **kept}, part)]


def _search_result(part: Part, path: str) -> list[Part]:
    found = decode_parts(part.get("content"), f"{path}.content")
    head = f"{_word(part, 'title')} ({_word(part, 'source')})"
    text = "\n".join([head, *(item["text"] for item in found if item["type"] == "text")])
    return [_marked({"type": "text", "text": text}, part)]


def decode_parts(content: Any, path: str) -> list[Part]:
    """Content as parts; a single part may come without its list. Raises `Failed`."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if isinstance(content, dict) and "type" in content:
        return decode_part(content, path)
    if not isinstance(content, list):
        raise wrong_type(path, "a string or an array of parts")
    return [
        decoded
        for number, part in enumerate(content)
        for decoded in decode_part(part, f"{path}[{number}]")
    ]


_PARTS: Final[Mapping[str, Callable[[Part, str], list[Part]]]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "image_url": _image_url,
    "input_image": _input_image,
    "input_file": _input_file,
    "input_audio": _input_audio,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
}
"""Type of a part → how it is read; a type that is not listed stays as it is."""
