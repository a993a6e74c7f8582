"""Tells where a JSON object that streams in is complete."""

from __future__ import annotations

import re
from typing import Final

_MARKS: Final = re.compile(r'[\\"{}\[\]]')
_STEPS: Final = {"{": 1, "[": 1, "}": -1, "]": -1}


class JsonEnd:
    """Follows the brackets of a JSON text, piece by piece, in time linear in its length."""

    def __init__(self) -> None:
        self.reached = False
        """The brackets of an object or a list have closed. Never true for a bare number or word."""
        self._depth = 0
        self._in_string = False
        self._skip = False
        """The piece before ended in a backslash."""

    def feed(self, piece: str) -> None:
        """More of the text."""
        start = 1 if self._skip and piece else 0
        if piece:
            self._skip = False
        for match in _MARKS.finditer(piece, start):
            if match.start() < start:
                continue
            mark = match[0]
            if mark == "\\":
                start = match.end() + 1
                self._skip = start > len(piece)
            elif mark == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._step(mark)

    def _step(self, mark: str) -> None:
        self._depth += _STEPS[mark]
        self.reached = self.reached or self._depth <= 0
