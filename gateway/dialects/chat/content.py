"""What the content of an answer holds: text, and reasoning in its many places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

_REASONING_KEYS: Final = ("reasoning_content", "reasoning", "reasoning_text")
"""Probed in this order; a server that sends the same text under two of them is not doubled."""


class Said(NamedTuple):
    """The text and the reasoning of a message or a delta."""

    text: str
    reasoning: str


def decode_content(message: Mapping[str, Any]) -> Said:
    """Text and reasoning of a `message` or `delta`."""
    content = message.get("content")
    if isinstance(content, list):
        said = _of_parts(content)
        return said if said.reasoning else Said(said.text, _reasoning(message))
    return Said(content if isinstance(content, str) else "", _reasoning(message))


def _reasoning(message: Mapping[str, Any]) -> str:
    for key in _REASONING_KEYS:
        text = message.get(key)
        if text and isinstance(text, str):
            return text
    details = message.get("reasoning_details")
    if details:
        return "".join(str(item.get("text") or item.get("summary") or "") for item in details)
    return ""


def _of_parts(parts: list[Any]) -> Said:
    """A list of parts: `text`, and `thinking` whose text is a list of texts again."""
    text: list[str] = []
    reasoning: list[str] = []
    for part in parts:
        if isinstance(part, str):
            text.append(part)
        elif part.get("type") in ("text", "output_text"):
            text.append(part.get("text") or "")
        elif part.get("type") == "thinking":
            inner = part.get("thinking")
            pieces = [inner] if isinstance(inner, str) else [item.get("text") or "" for item in inner or ()]
            reasoning += pieces
    return Said("".join(text), "".join(reasoning))
