"""Characters that JSON cuts in two: `"\\ud83d"` in one event of a stream, `"\\ude42"` in the next.

JSON's escapes name UTF-16 units, so a server that cuts its text anywhere may send half a surrogate
pair (RFC 8259, section 8.2). No strict reader takes it, and no strict writer writes it. Here the
halves of one text are joined, and a half without its other half becomes U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import orjson

from gateway.hub import exact_json
from gateway.types import Chunk

_LONE: Final = "\ufffd"
_MARKS: Final = 0x10F800
"""While a stream is read, the half U+D800 + n is kept as the private character with this number +
n."""
_FIRST, _LAST = chr(_MARKS), chr(_MARKS + 0x7FF)
_HIGH_LAST: Final = chr(_MARKS + 0x3FF)
_MARKED: Final = re.compile(f"[{_FIRST}-{_LAST}]")
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE: Final = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})(\\u[dD][c-fC-F][0-9a-fA-F]{2})?|u([dD][c-fC-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""One escape, so that the second backslash of two begins none: (high half, its low half), a low
half alone, another."""

_TEXTS: Final = ("content", "reasoning_content", "refusal")
_INPUTS: Final = (("function", "arguments"), ("custom", "input"))


def loads(data: bytes) -> Any:
    """A whole JSON value as `exact_json` reads it; halves become U+FFFD. Raises `ValueError`."""
    if b"\\u" not in data:
        return exact_json.loads(data)
    return _loads(data, lambda unit: _LONE.encode())


def items(data: bytes) -> list[bytes]:
    """The items of a JSON array, each as JSON of its own, with its halves; [] for any other value.
    Raises `ValueError`."""
    halves = Halves()
    value = halves.loads(data)
    if not isinstance(value, list):
        return []
    texts = [exact_json.dumps(item) for item in value]
    return (
        [_MARKED.sub(_escaped, text.decode()).encode() for text in texts] if halves.used else texts
    )


def _escaped(mark: re.Match[str]) -> str:
    return f"\\u{_unit(mark[0]):04x}"


def _unit(mark: str) -> int:
    return ord(mark) - _MARKS + 0xD800


def _loads(data: bytes, stand_in: Callable[[int], bytes]) -> Any:
    if has_halves(data):
        data = _ESCAPE.sub(lambda match: _replaced(match, stand_in), data)
    return exact_json.loads(data)


def has_halves(data: bytes) -> bool:
    """Whether JSON holds a half without the other one beside it."""
    return b"\\u" in data and _HALF.search(data) is not None and not _is_strict(data)


def starts_in_half(text: str) -> bool:
    """Whether a text that `Halves.loads` has read begins with a low half."""
    return _HIGH_LAST < text[:1] <= _LAST


def ends_in_half(text: str) -> bool:
    """Whether such a text ends with a high half."""
    return _FIRST <= text[-1:] <= _HIGH_LAST


def _is_strict(data: bytes) -> bool:
    """Whether a strict reader takes `data`: each of its halves has the other one beside it."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


def _replaced(match: re.Match[bytes], stand_in: Callable[[int], bytes]) -> bytes:
    high, pair, low = match.groups()
    unit = low or (high if pair is None else None)
    return match[0] if unit is None else stand_in(int(unit, 16))


class Halves:
    """The halves of one stream. Costs nothing until the first one comes."""

    def __init__(self) -> None:
        self.used = False
        """Whether there was one."""
        self._held: dict[tuple[Any, ...], str] = {}
        """(choice, field) or (choice, kind of tool call, its number) → the high half at the end of
        its text."""

    def loads(self, data: bytes) -> Any:
        """The JSON of one event; halves are kept for `join`. Raises `ValueError`."""
        return _loads(data, self._mark) if b"\\u" in data else exact_json.loads(data)

    def join(self, chunks: list[Chunk]) -> list[Chunk]:
        """`chunks` without halves: one at the end of a text waits for the next text of its
        field."""
        if not self.used:
            return chunks
        return [joined for chunk in chunks for joined in self._joined(chunk)]

    def _mark(self, unit: int) -> bytes:
        self.used = True
        return chr(_MARKS + unit - 0xD800).encode()

    def _joined(self, chunk: Chunk) -> list[Chunk]:
        clean_chunk = plain_value(chunk)
        if not chunk["choices"]:
            return [clean_chunk]
        [choice], [clean_choice] = chunk["choices"], clean_chunk["choices"]
        index, fields, clean = choice["index"], choice["delta"], clean_choice["delta"]
        if choice["finish_reason"] is not None:
            return [*self._left(index), clean_chunk]
        for field in _TEXTS:
            if isinstance(fields.get(field), str):
                clean[field] = self._text((index, field), fields[field])
                if fields[field] and not clean[field]:
                    del clean[field]  # nothing but a half, which waits
        for number, call in enumerate(fields.get("tool_calls", ())):
            self._call(index, call, clean["tool_calls"][number])
        return [clean_chunk] if clean or not fields or "logprobs" in choice else []

    def _call(self, index: int, call: dict[str, Any], clean: dict[str, Any]) -> None:
        for kind, field in _INPUTS:
            if isinstance(call.get(kind), dict) and isinstance(call[kind].get(field), str):
                clean[kind][field] = self._text((index, kind, call["index"]), call[kind][field])

    def _text(self, key: tuple[Any, ...], text: str) -> str:
        if not text:
            return text
        text = self._held.pop(key, "") + text
        if ends_in_half(text):
            self._held[key] = text[-1]
            text = text[:-1]
        return plain(text)

    def _left(self, index: int) -> list[Chunk]:
        """The texts of a choice that ends, each still waiting for its half."""
        chunks: list[Chunk] = []
        for key in [key for key in self._held if key[0] == index]:
            del self._held[key]
            chunks.append(_lone(*key))
        return chunks


def _lone(index: int, field: str, number: int | None = None) -> Chunk:
    fields: dict[str, Any] = {field: _LONE}
    if number is not None:
        fields = {"tool_calls": [{"index": number, field: {dict(_INPUTS)[field]: _LONE}}]}
    return {"choices": [{"index": index, "delta": fields, "finish_reason": None}]}


def plain_value(value: Any) -> Any:
    """A copy of `value` with `plain` texts."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [plain_value(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain_value(item) for key, item in value.items()}
    return value


def plain(text: str) -> str:
    """`text` with its marked halves joined, and U+FFFD for those that stay alone."""
    if not _MARKED.search(text):
        return text
    halves = _MARKED.sub(lambda match: chr(_unit(match[0])), text)
    return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
