"""Forms that a provider's key cannot have, and the mistakes that lead to them."""

from __future__ import annotations

import re
from typing import Final

_QUOTES: Final = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb"

MISTAKES: Final = (
    (f"^[{_QUOTES}]|[{_QUOTES}]$", "has quotes around the key: remove them"),
    (
        r"(?i)^(authorization:|x-api-key:|bearer([^\w-]|$))",
        "begins with the header it is sent in: keep the key alone",
    ),
    (
        r"^\$(\w+|\{[^}]*\}|\(.*\))$",
        "is the name of a variable, not its value: write the key itself",
    ),
    (
        r"(?a)^(export\s+)?[A-Z][A-Z0-9_]*_(KEY|TOKEN)=",
        "begins with a variable's name: keep the key alone",
    ),
    (r"[^!-~]", "is not a key: a key is one line without spaces or special characters"),
)
"""(pattern, what to say of a key in which it is found). A key is sent in a header, so it is visible
ASCII."""

_COMPILED: Final = tuple((re.compile(pattern), message) for pattern, message in MISTAKES)


def mistake(key: str) -> str | None:
    """The mistake in `key`, as the end of a sentence with its cure; never the key. None if it
    can be one."""
    return next((message for pattern, message in _COMPILED if pattern.search(key)), None)
