"""Takes the addresses of providers out of texts that clients read. The log keeps them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from gateway.failures import Failure
from gateway.redact import HIDDEN

_NUMERIC: Final = (
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}:\d{1,5}(?!\w)"
    r"|(?<![\w.])(?:10|127|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}(?![\w.]\d)"
)
"""An IPv4 address with a port, or of a private network: no client may see it, whatever wrote it."""


def without_addresses(failure: Failure, *urls: str | None) -> Failure:
    """`failure` without the hosts of `urls` in anything that a client sees."""
    pattern = _pattern(urls)
    changes = {
        name: pattern.sub(HIDDEN, text)
        for name in ("message", "type", "code", "param")
        if isinstance(text := getattr(failure, name), str) and pattern.search(text)
    }
    return failure.with_(**changes) if changes else failure


@lru_cache(maxsize=256)
def _pattern(urls: tuple[str | None, ...]) -> re.Pattern[str]:
    hosts = sorted({host for url in urls if (host := _host(url))}, key=len, reverse=True)
    return re.compile("|".join([*map(_of_host, hosts), _NUMERIC]), re.IGNORECASE)


def _host(url: str | None) -> str | None:
    try:
        return urlsplit(url).hostname if url else None
    except ValueError:
        return None


def _of_host(host: str) -> str:
    """The host in a URL, with a port, or alone; one label alone may be a word, and stays."""
    name = re.escape(host)
    tail = r"(?::\d{1,5})?(?:/[^\s\"'<>()\[\]]{0,2000})?"
    url = rf"[a-z][a-z0-9+.-]{{0,20}}://(?:[^\s/@\"'<>]{{0,200}}@)?\[?{name}\]?{tail}"
    alone = "" if "." in host or ":" in host else r"(?=:\d)"
    return rf"{url}|(?<![\w.-])\[?{name}\]?{alone}{tail}(?![\w-])"
