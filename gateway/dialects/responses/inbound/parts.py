"""Content parts → the hub's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from gateway.dialects.chat.normalize import invalid
from gateway.dialects.responses.inbound.tools import lost, type_of
from gateway.hub.losses import lost_path

Part = dict[str, Any]

MARK: Final = "prompt_cache_breakpoint"
"""The key of a part that ends a cached prefix; the hub has the same."""

_CIPHER: Final = re.compile(r"[A-Za-z0-9+/_=.:-]{80,}")
"""A long text without a space: what a provider encrypted, and not what a model wrote."""


class Content(NamedTuple):
    """The contents of a list of parts."""

    parts: list[Part]
    thoughts: list[str]
    """Texts of reasoning among the parts."""
    dropped: list[str]

    def value(self) -> str | list[Part]:
        """The hub's `content`: a plain string where that says the same."""
        if not self.parts:
            return ""
        first = self.parts[0]
        return first["text"] if len(self.parts) == 1 and _is_plain(first) else self.parts


def decode_content(content: Any, path: str) -> Content:
    """The parts of a message or of a tool's output. Raises `Failed` for a part without what it must
    have."""
    if content is None:
        return Content([], [], [])
    if isinstance(content, str):
        return Content([{"type": "text", "text": content}], [], [])
    if not isinstance(content, list):
        raise invalid(
            f"Invalid type for '{path}': expected a string or an array of parts.",
            path,
            "invalid_type",
        )
    found = Content([], [], [])
    for number, part in enumerate(content):
        _add(found, part, f"{path}[{number}]")
    return found


def _add(found: Content, part: Any, path: str) -> None:
    if isinstance(part, str):
        found.parts.append({"type": "text", "text": part})
        return
    if not isinstance(part, Mapping):
        raise invalid(f"Invalid type for '{path}': expected an object.", path, "invalid_type")
    kind = type_of(part)
    decode = _DECODERS.get(kind)
    if kind in _THOUGHTS:
        found.thoughts.append(_string(part, "text", path))
    elif decode is None:
        found.dropped.append(lost("input.content", part))
    else:
        decoded = decode(part, path)
        found.parts.extend(_marked(each, part) for each in decoded)
        found.dropped.extend(_lost(kind, part) if decoded else [lost("input.content", part)])


_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "input_image": frozenset({"image_url", "file_id", "detail"}),
    "input_file": frozenset({"filename", "file_data", "file_url", "file_id", "file"}),
}
"""Type of a part → its keys of which nothing is lost."""
_NEUTRAL: Final = (None, "auto")


def _lost(kind: str, part: Mapping[str, Any]) -> Iterator[str]:
    """Keys of a part that the hub's part does not have."""
    known = _KEYS.get(kind)
    if known is not None:
        keys = [key for key in part if key not in known and key not in ("type", "id", MARK)]
        said = [key for key in keys if part[key] not in _NEUTRAL]
        yield from (lost_path("input.content", kind, key) for key in said)


def _is_plain(part: Part) -> bool:
    return part["type"] == "text" and len(part) == 2


def _marked(decoded: Part, part: Mapping[str, Any]) -> Part:
    return {**decoded, MARK: part[MARK]} if part.get(MARK) else decoded


def _string(part: Mapping[str, Any], key: str, path: str) -> str:
    value = part.get(key)
    if not isinstance(value, str):
        raise invalid(
            f"Missing required parameter: '{path}.{key}'.",
            f"{path}.{key}",
            "missing_required_parameter",
        )
    return value


def _text(part: Mapping[str, Any], path: str) -> list[Part]:
    return [{"type": "text", "text": _string(part, "text", path)}]


def _image(part: Mapping[str, Any], path: str) -> list[Part]:
    """An upload is a `file` of the hub: only the provider that holds it can serve the request."""
    if part.get("image_url") is None and part.get("file_id"):
        return [{"type": "file", "file": {"file_id": part["file_id"]}}]
    stated = part.get("image_url")
    image = (
        dict(stated) if isinstance(stated, Mapping) else {"url": _string(part, "image_url", path)}
    )
    detail = part.get("detail")
    return [{"type": "image_url", "image_url": image | ({"detail": detail} if detail else {})}]


def _file(part: Mapping[str, Any], path: str) -> list[Part]:
    stated = part.get("file")
    inner = stated if isinstance(stated, Mapping) else part
    known = {
        key: inner[key]
        for key in ("filename", "file_data", "file_id", "file_url")
        if inner.get(key)
    }
    if not known.keys() - {"filename"}:
        name = f"{path}.file_data"
        raise invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    return [{"type": "file", "file": known}]


def _audio(part: Mapping[str, Any], path: str) -> list[Part]:
    return [{"type": "input_audio", "input_audio": part.get("input_audio") or {}}]


def _refusal(part: Mapping[str, Any], path: str) -> list[Part]:
    return [{"type": "refusal", "refusal": _string(part, "refusal", path)}]


def _encrypted(part: Mapping[str, Any], path: str) -> list[Part]:
    """Content that a provider would have encrypted is plain text where a model behind this gateway
    wrote it."""
    text = part.get("encrypted_content")
    if not isinstance(text, str) or not text or _CIPHER.fullmatch(text):
        return []
    return [{"type": "text", "text": text}]


_THOUGHTS: Final = frozenset({"summary_text", "reasoning_text"})
_DECODERS: Final[Mapping[str, Callable[[Mapping[str, Any], str], list[Part]]]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "input_image": _image,
    "image_url": _image,
    "input_file": _file,
    "file": _file,
    "input_audio": _audio,
    "refusal": _refusal,
    "encrypted_content": _encrypted,
}
