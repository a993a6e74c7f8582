"""The content of an answer: text, and reasoning in its many places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway.hub.answer_types import wrong_type

_REASONING_KEYS: Final = ("reasoning_content", "reasoning", "reasoning_text")
"""Probed in this order; a server that sends the same text under two of them is not doubled."""
_REASONING: Final = frozenset({*_REASONING_KEYS, "reasoning_details"})
_TEXTS: Final = ("text", "output_text")


class Said(NamedTuple):
    """The text and the reasoning of a message or a delta."""

    text: str
    reasoning: str


def decode_content(message: Mapping[str, Any]) -> Said:
    """Text and reasoning of a `message` or `delta`. Raises `Failed` for another type."""
    content = message.get("content")
    if isinstance(content, list):
        said = _of_parts(content)
        return said if said.reasoning else Said(said.text, _reasoning(message))
    if content and type(content) is not str:
        raise wrong_type("content", content)
    return Said(content or "", "" if _REASONING.isdisjoint(message) else _reasoning(message))


def _reasoning(message: Mapping[str, Any]) -> str:
    for key in _REASONING_KEYS:
        text = message.get(key)
        if text and type(text) is not str:
            raise wrong_type(key, text)
        if text:
            return str(text)
    details = message.get("reasoning_details")
    if details:
        return "".join(str(item.get("text") or item.get("summary") or "") for item in details)
    return ""


def _of_parts(parts: list[Any]) -> Said:
    """A list of parts: `text`, and `thinking` whose text is a list of texts again."""
    text: list[str] = []
    reasoning: list[str] = []
    for part in parts:
        if isinstance(part, Mapping) and part.get("type") == "thinking":
            inner = part.get("thinking") or ()
            reasoning += [inner] if isinstance(inner, str) else [_text(item) for item in inner]
        else:
            text.append(_text(part))
    return Said("".join(text), "".join(reasoning))


def other_parts(message: Mapping[str, Any]) -> list[Any]:
    """Parts of the content that are neither text nor reasoning: references, documents."""
    content = message.get("content")
    return list(filter(_is_other, content)) if isinstance(content, list) else []


def _is_other(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type", "text") not in (*_TEXTS, "thinking")


def _text(part: Any) -> str:
    """The text of a part, which may be bare; a part of another kind (a reference, say) has none."""
    if isinstance(part, Mapping):
        return part.get("text") or "" if part.get("type", "text") in _TEXTS else ""
    return part if isinstance(part, str) else ""
