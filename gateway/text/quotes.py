"""A provider's own words: its message without what it quotes.

An error quotes the request that it refuses. A client that sends `invalid api key` as a value must
not be able to say something about the key.
"""

from __future__ import annotations

import re
from typing import Final

_SPANS: Final = re.compile(
    r"\"[^\"]{0,500}\"|`[^`]{0,500}`|“[^”]{0,500}”|(?<!\w)'[^']{0,500}'(?!\w)"
)
_MARKS: Final = tuple(
    (re.compile(opening), re.compile(closing))
    for opening, closing in ((r"[\"“]", r"[\"”]"), ("`", "`"), (r"(?<!\w)'", r"'(?!\w)"))
)
"""Where a quotation begins and ends. The apostrophe of "doesn't" does neither."""


def without_quotations(message: str) -> str:
    """A message without each of its quotations. JSON inside a message stays as it is: there all
    words are in quotation marks."""
    return message if "{" in message else _SPANS.sub(" ", message)


def own_words(message: str) -> str:
    """A message without all that is between its first and its last quotation mark of a kind, as a
    quoted value may hold quotation marks too."""
    for opening, closing in _MARKS:
        first = opening.search(message)
        if first is None:
            continue
        end = max((found.end() for found in closing.finditer(message, first.end())), default=0)
        if end:
            message = f"{message[: first.start()]} {message[end:]}"
    return message
