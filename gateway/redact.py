"""Takes secrets out of text that somebody else wrote: providers quote keys in their error messages."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "***"

_KEY_LIKE: Final = re.compile(
    r"(?i:\bbearer\s+)[\w.~+/=-]{8,}"
    r"|\b(?:sk|gsk|csk|xai|gw|pk|rk|pplx|nvapi)[-_][\w*-]{6,}"
    r"|\bhf_\w{16,}"
    r"|\b(?:AIza|ya29\.|AQ\.)[\w.-]{10,}"
    r"|\beyJ[\w-]{10,}(?:\.[\w-]*){0,2}"
)
"""What keys look like: the known prefixes of providers, bearer headers, signed tokens, whole or cut off."""


def scrub(text: str) -> str:
    """`text` without anything that looks like a key."""
    return _KEY_LIKE.sub(HIDDEN, text)
