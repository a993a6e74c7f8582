"""Whether JSON that arrives in pieces is whole, without reading any of it twice."""

from __future__ import annotations

import re
from typing import Final

import orjson

_SHORT: Final = 64
"""A value that is neither object nor array is parsed again with every piece, up to so many
characters."""
_OUTSIDE: Final = re.compile(r'["\[\]{}]')
_INSIDE: Final = re.compile(r'["\\]')
_DEPTHS: Final = {"{": 1, "[": 1, "}": -1, "]": -1}


class JsonText:
    """A JSON text in pieces. Brackets and strings are followed from piece to piece."""

    def __init__(self) -> None:
        self.has_begun = False
        """Whether there is any text."""
        self._unread: list[str] = []
        self._start = ""
        """The first characters, of a value that is no object and no array."""
        self._depth = 0
        self._nested = False
        self._quoted = False
        self._escaped = False

    def add(self, text: str) -> None:
        self.has_begun = self.has_begun or bool(text)
        self._unread.append(text)

    def is_whole(self) -> bool:
        """Whether the text so far is a JSON value: its brackets are closed, or it is a short value
        that parses."""
        pieces, self._unread = self._unread, []
        for piece in pieces:
            self._read(piece)
        if self._nested:
            return self._depth == 0 and not self._quoted
        return self._is_value()

    def _is_value(self) -> bool:
        if len(self._start) > _SHORT:
            return False
        try:
            orjson.loads(self._start)
        except orjson.JSONDecodeError:
            return False
        return True

    def _read(self, text: str) -> None:
        if not self._nested and len(self._start) <= _SHORT:
            self._start += text[: _SHORT + 1]
        place = 1 if self._escaped and text else 0
        self._escaped = self._escaped and not text
        while match := (_INSIDE if self._quoted else _OUTSIDE).search(text, place):
            place = match.end()
            self._mark(match[0])
            if match[0] == "\\":
                self._escaped = place == len(text)
                place += 1

    def _mark(self, mark: str) -> None:
        if mark == '"':
            self._quoted = not self._quoted
        elif mark != "\\":
            self._nested = True
            self._depth += _DEPTHS[mark]
