"""Reasoning at the beginning of the content, between `<think>` and `</think>`, as a server without
a parser leaves it.

Only taken apart where the configuration says so: to anybody else the tags are text, which a model
may well write about.
"""

from __future__ import annotations

from typing import Final

from gateway.dialects.chat.content import Said

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"


def split(text: str) -> Said:
    """The content of a whole answer as text and reasoning."""
    splitter = Splitter()
    first, last = splitter.feed(text), splitter.flush()
    return Said(first.text + last.text, first.reasoning + last.reasoning)


class Splitter:
    """Takes streamed content apart. Holds back no more than could belong to a tag, and the space
    around the tags; no space is read again while it waits."""

    def __init__(self) -> None:
        self._space: list[str] = []
        """Space that belongs to what may follow it."""
        self._mark = ""
        """What may be the beginning of a tag, behind the space."""
        self._thought = False
        self._read = self._before

    def feed(self, text: str) -> Said:
        """What of the content so far is certainly text, and what certainly reasoning."""
        return self._read(text)

    def flush(self) -> Said:
        """What was held back and turns out to be no tag."""
        rest, self._mark = self._take() + self._mark, ""
        return Said("", rest.rstrip()) if self._read == self._inside else Said(rest, "")

    def _before(self, text: str) -> Said:
        """The opening tag may come."""
        begun = self._mark + text if self._mark else text.lstrip()
        if not self._mark:
            self._space.append(text[: len(text) - len(begun)])
        self._mark = ""
        if begun.startswith(_OPEN):
            self._space.clear()
            self._read = self._inside
            return self._inside(begun[len(_OPEN) :])
        if _OPEN.startswith(begun):
            self._mark = begun
            return Said("", "")
        self._read = self._text
        return Said(self._take() + begun, "")

    def _inside(self, text: str) -> Said:
        """All is reasoning up to the closing tag."""
        text = self._mark + text
        before, tag, rest = text.partition(_CLOSE)
        self._mark = "" if tag else _end_of_tag(before)
        reasoning = self._sure(before[: len(before) - len(self._mark)])
        if not tag:
            return Said("", reasoning)
        self._space.clear()
        self._read = self._after
        return Said(self._after(rest).text, reasoning)

    def _sure(self, text: str) -> str:
        """Reasoning without the space around it."""
        if not self._thought:
            text = text.lstrip()
        spoken = text.rstrip()
        if spoken:
            self._thought = True
            spoken = self._take() + spoken
        self._space.append(text[len(text.rstrip()) :])
        return spoken

    def _after(self, text: str) -> Said:
        """Space behind the closing tag."""
        text = text.lstrip()
        if text:
            self._read = self._text
        return Said(text, "")

    def _text(self, text: str) -> Said:
        return Said(text, "")

    def _take(self) -> str:
        space = "".join(self._space)
        self._space.clear()
        return space


def _end_of_tag(text: str) -> str:
    """The end of `text` that may be the beginning of the closing tag."""
    sizes = range(min(len(text), len(_CLOSE) - 1), 0, -1)
    return next((_CLOSE[:size] for size in sizes if text.endswith(_CLOSE[:size])), "")
