"""Readers of messages for several dialects: the instructions, and the content of a part."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

INSTRUCTIONS: Final = frozenset({"system", "developer"})
_TYPES: Final = {"image/jpg": "image/jpeg"}
"""The client's word → the registered type, which alone the providers know."""


class Media(NamedTuple):
    """A file inside a message: its type, and either its base64 data or its address."""

    mime_type: str
    data: str | None
    url: str | None


def parts(content: Any) -> list[dict[str, Any]]:
    """Content as a list of parts; empty texts are left out."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [part for part in content or () if part.get("type") != "text" or part.get("text")]


def text_of(content: Any) -> str:
    """All text of a content, joined; text parts are separated by a newline."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in parts(content) if part["type"] == "text")


def result_content(message: Mapping[str, Any]) -> Any:
    """The content of a tool's result; one that is an error says so where no field can."""
    content = message["content"]
    if not message.get("is_error"):
        return content
    if isinstance(content, str):
        return content if content[:5].lower() == "error" else f"Error: {content}"
    return [{"type": "text", "text": "Error:"}, *content]


def split_instructions(
    messages: Iterable[dict[str, Any]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(system and developer messages, all others), each in order.

    Most formats keep instructions apart from the conversation; a late one joins them, because a
    provider weighs instructions there, and only there, as instructions.
    """
    instructions: list[dict[str, Any]] = []
    conversation: list[dict[str, Any]] = []
    for message in messages:
        (instructions if message["role"] in INSTRUCTIONS else conversation).append(message)
    return instructions, conversation


def data_url(url: str) -> Media | None:
    """The parts of a `data:` URL, its data in base64 whether it was or not; None for any other
    URL."""
    if not url.startswith("data:"):
        return None
    head, _, data = url[5:].partition(",")
    mime_type, *flags = head.split(";")
    if "base64" not in flags:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    mime_type = mime_type.strip().lower() or "application/octet-stream"
    return Media(_TYPES.get(mime_type, mime_type), data, None)


def image(part: Mapping[str, Any]) -> Media:
    """An `image_url` part."""
    url = part["image_url"]["url"]
    return data_url(url) or Media("", None, url)


def file(part: Mapping[str, Any]) -> Media | None:
    """A `file` part with inline data, or with an address under `file_url` or in place of the data;
    None for one that only names an upload.

    Bare data is what its name says, else a PDF.
    """
    stated = part.get("file") or {}
    data = stated.get("file_data") or stated.get("file_url")
    if not isinstance(data, str) or not data:
        return None
    guessed = _guessed(stated.get("filename"))
    if data.startswith(("https://", "http://")):
        return Media(guessed or type_of_url(data) or "", None, data)
    return data_url(data) or Media(guessed or "application/pdf", data, None)


def unreadable_file(part: Mapping[str, Any], provider: str) -> str:
    """Why `provider` cannot read a `file` part of which `file` makes nothing."""
    if (part.get("file") or {}).get("file_id"):
        return f"an uploaded file's id means nothing to {provider}"
    return "the file has neither data nor an address"


def _guessed(name: Any) -> str | None:
    return mimetypes.guess_type(name)[0] if isinstance(name, str) else None


def type_of_url(url: str) -> str | None:
    """The type that the path of an address ends in. No address is too broken to be looked at."""
    path = url.partition("?")[0].partition("#")[0]
    return mimetypes.guess_type(path.rpartition("/")[2])[0]


def merge_by_role(turns: Iterable[tuple[str, list[Any]]]) -> Iterator[tuple[str, list[Any]]]:
    """Neighbouring (role, blocks) of one role as one; those without blocks are left out."""
    current: tuple[str, list[Any]] | None = None
    for role, blocks in turns:
        if not blocks:
            continue
        if current is not None and current[0] == role:
            current[1].extend(blocks)
            continue
        if current is not None:
            yield current
        current = (role, list(blocks))
    if current is not None:
        yield current
