"""What is wrong with `[ledger]` beyond the types of its values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Final

from gateway.config.check import Flaw
from gateway.text.database_url import UrlError, parse

_URL: Final = ("ledger", "url")
_VERIFIED: Final = "verify-full"


def ledger_flaws(
    ledger: Mapping[str, Any], find: Callable[[str], object] = find_spec
) -> Iterator[Flaw]:
    """The flaws of the table as it was read. None repeats the URL, which may hold a password.
    `find` returns None for a module that is not installed."""
    url = ledger.get("url")
    if not isinstance(url, str) or not url:
        return
    try:
        stated = parse(url)
    except UrlError as error:
        yield Flaw(_URL, error.message, error.cure)
        return
    if not stated.is_local:
        yield from _unverified(stated.ssl_mode)
    if ledger.get("enabled") is False:
        yield Flaw(_URL, "ships nothing: the ledger is not enabled.", "Remove one of them.")
    if find("psycopg") is None:
        yield Flaw(
            _URL,
            "needs the client of PostgreSQL, which is not installed.",
            "Install it with `pip install 'local-agent-gateway[postgres]'`.",
        )


def _unverified(mode: str | None) -> Iterator[Flaw]:
    if mode is None:
        yield Flaw(
            _URL,
            "leads to another host without TLS that is verified.",
            f"Add ?sslmode={_VERIFIED}; or state another sslmode if that network is trusted.",
        )
    elif mode != _VERIFIED:
        message = f"has sslmode={mode}: the gateway does not verify which server it talks to."
        yield Flaw(_URL, message, f"Write sslmode={_VERIFIED}.", "warning")
