"""Opaque state of a provider as text that a client carries.

Two client formats have a field for text that the client returns unread: the `signature` of a
thinking block and the `encrypted_content` of a reasoning item. A sealed value in that field
survives a restart, which memory does not. The value is not secret and not authenticated: a client
can put anything there, so a reader checks the shape of what it gets, as it does with every other
field of a request.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import orjson

PREFIX: Final = "lag1."
"""Begins every sealed text. The dot is in no base64 alphabet, so no provider's own signature begins
like this."""
CHARS_MAX: Final = 4 * 1024 * 1024
"""A longer text is neither written nor read: losing it costs quality, never correctness."""


def seal(details: Any) -> str:
    """`details` (any JSON value) as text for a client; "" for a value that is not JSON or larger
    than `CHARS_MAX`."""
    try:
        text = PREFIX + base64.b64encode(orjson.dumps(details)).decode()
    except (TypeError, ValueError):
        return ""
    return text if len(text) <= CHARS_MAX else ""


def is_sealed(text: Any) -> bool:
    """Whether `text` was written by `seal`, by its prefix alone."""
    return isinstance(text, str) and text.startswith(PREFIX)


def unseal(text: Any) -> Any | None:
    """The value that `seal` wrote; None for anything else, also for a damaged text."""
    if not is_sealed(text) or len(text) > CHARS_MAX:
        return None
    try:
        return orjson.loads(base64.b64decode(text[len(PREFIX) :], validate=True))
    except (binascii.Error, ValueError):
        return None
