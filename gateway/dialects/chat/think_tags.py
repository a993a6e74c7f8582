"""Reasoning at the beginning of the content, between `<think>` and `</think>`, as a server without a parser leaves it.

Only taken apart where the configuration says so: to anybody else the tags are text, which a model may well write about.
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
    """Takes streamed content apart. Holds back no more than could belong to a tag, and the space around the tags."""

    def __init__(self) -> None:
        self._held = ""
        self._thought = False
        self._wanted = _OPEN
        """The tag that may come next; "" once all that follows is text."""

    def feed(self, text: str) -> Said:
        """What of the content so far is certainly text, and what certainly reasoning."""
        self._held += text
        reasoning = ""
        if self._wanted == _OPEN:
            begun = self._held.lstrip()
            if begun.startswith(_OPEN):
                self._wanted, self._held = _CLOSE, begun[len(_OPEN) :]
            elif not _OPEN.startswith(begun):
                self._wanted = ""
        if self._wanted == _CLOSE:
            self._held = self._held if self._thought else self._held.lstrip()
            reasoning, tag, rest = self._held.partition(_CLOSE)
            if tag:
                self._wanted, self._held = "after", rest
                reasoning = reasoning.rstrip()
            else:
                sure = len(reasoning) - _held_back(reasoning)
                reasoning, self._held = reasoning[:sure], reasoning[sure:]
            self._thought = bool(reasoning) or self._thought
        if self._wanted == "after":
            self._held = self._held.lstrip()
            if self._held:
                self._wanted = ""
        if self._wanted:
            return Said("", reasoning)
        text, self._held = self._held, ""
        return Said(text, reasoning)

    def flush(self) -> Said:
        """What was held back and turns out to be no tag."""
        rest, self._held = self._held, ""
        return Said("", rest.rstrip()) if self._wanted == _CLOSE else Said(rest, "")


def _held_back(text: str) -> int:
    """How many characters at the end may belong to the closing tag or to the space before it."""
    longest = min(len(text), len(_CLOSE) - 1)
    tag = next((size for size in range(longest, 0, -1) if text.endswith(_CLOSE[:size])), 0)
    before = text[: len(text) - tag]
    return tag + len(before) - len(before.rstrip())
