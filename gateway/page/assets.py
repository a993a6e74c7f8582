"""The stylesheet and the script, with addresses that change with their content."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parent
PREFIX: Final = "/page/"
TYPES: Final = {
    "style.css": "text/css; charset=utf-8",
    "script.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """A static file."""

    body: bytes
    type: str
    url: str


@cache
def asset(name: str) -> Asset:
    """One of `TYPES`. Raises `KeyError`."""
    type_ = TYPES[name]
    body = (FOLDER / "static" / name).read_bytes()
    return Asset(body, type_, f"{PREFIX}{name}?{sha256(body).hexdigest()[:12]}")
