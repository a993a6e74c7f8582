"""Patterns with `*` and `?`, matched in linear time: the pieces between the stars are found from
left to right.

The first place of each piece is the right one, because a later place leaves less room for the rest.
So nothing is tried twice, unlike in a regular expression of several `.*`.
"""

from __future__ import annotations

import re
from typing import Final

STAR: Final = "*"
ANY_CHARACTER: Final = "?"


class Glob:
    """One pattern: `*` is any text, `?` one character, every other character itself."""

    def __init__(self, pattern: str) -> None:
        first, *rest = pattern.split(STAR)
        self._first = _piece(first)
        self._middle = [_piece(text) for text in rest[:-1] if text]
        self._last = _piece(rest[-1]) if rest else None
        self._last_chars = len(rest[-1]) if rest else 0

    def matches(self, name: str) -> bool:
        """Whether the whole `name` is of this form."""
        if self._last is None:
            return self._first.fullmatch(name) is not None
        end = self._end_of_middle(name)
        last = len(name) - self._last_chars
        return end is not None and end <= last and self._last.match(name, last) is not None

    def _end_of_middle(self, name: str) -> int | None:
        """Where the first text ends that matches all pieces but the last."""
        found = self._first.match(name)
        for piece in self._middle:
            if found is None:
                return None
            found = piece.search(name, found.end())
        return found.end() if found is not None else None


def _piece(text: str) -> re.Pattern[str]:
    """A regular expression of fixed length: it holds no repetition."""
    escaped = (re.escape(part) for part in text.split(ANY_CHARACTER))
    return re.compile(".".join(escaped), re.DOTALL)
