"""Removes secrets from text of other programs: providers quote keys in their error messages."""

from __future__ import annotations

import re
from typing import Final

from gateway.providers import PROVIDERS

HIDDEN: Final = "***"

_HINTS: Final = frozenset(row.key_hint for row in PROVIDERS.values() if row.key_hint)
_HEADS: Final = frozenset(
    {"sk", "csk", "gw", "pk", "rk", "pplx", "nvapi"}
    | {re.split("[-_]", hint)[0] for hint in _HINTS}
)
"""How keys begin, up to the first dash: those of the providers' rows, of hosts without a row, and
the gateway's own."""

_KEY_LIKE: Final = re.compile(
    r"(?i:\bbearer\s+)[\w.~+/=-]{8,}"
    rf"|\b(?:{'|'.join(sorted(map(re.escape, _HEADS)))})[-_][\w*-]{{6,}}"
    r"|\bhf_\w{16,}"
    r"|\b(?:AIza|ya29\.|AQ\.)[\w.-]{10,}"
    r"|\beyJ[\w-]{10,}(?:\.[\w-]*){0,2}"
)
"""The forms of keys: the known prefixes of providers, bearer headers, signed tokens, whole or cut
off."""


def redact(text: str) -> str:
    """`text` without anything that looks like a key."""
    return _KEY_LIKE.sub(HIDDEN, text)
