"""What tokens cost: as the user states it, else as a library knows that others maintain. Unknown is
None, not zero."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from gateway.providers import PROVIDERS

MILLION: Final = 1_000_000
LONG_CONTEXT: Final = 100_000
"""Below so many input tokens no provider charges a long prompt's price; the least threshold known
is 128,000."""
HOUR_FACTOR: Final = 2.0
"""What a token costs that is written to a cache for an hour, of the price of one that is not."""
LIBRARY_NAMES: Final[Mapping[str, str]] = {
    row.name: row.price_name for row in PROVIDERS.values() if row.price_name
}
"""Our name of a provider → the price library's, where they differ."""


def cost(
    provider: str,
    model_id: str,
    counts: Mapping[str, Any],
    at: float,
    stated: Mapping[str, float] | None = None,
    calls: int = 1,
) -> float | None:
    """Dollars for `counts` (`input`, which includes cached tokens, `output`, `cache_read`,
    `cache_write`, and `cache_write_1h` of these) at Unix time `at`; None where no price is known.
    `stated` is `[models.x.price]`, per million tokens. What audio and reasoning take is part of
    `input` and `output` and costs nothing more.

    The first of these that is known holds: the price that the user states, what the provider says
    that the calls cost (`cost` of `counts`), the library's price.

    `counts` may be the sum of several `calls`, if the input of each is below `LONG_CONTEXT`.
    """
    if stated is not None:
        return _stated(counts, stated)
    if counts.get("cost") is not None:
        return float(counts["cost"])
    # A library that is asked for a sum takes it for one long prompt; so it is asked for a short
    # piece of it.
    pieces = 1 if calls == 1 else 1 + int(counts["input"] or 0) // LONG_CONTEXT
    price = _library(provider, model_id, counts, at, pieces)
    return price * pieces if price is not None else None


def load() -> None:
    """Loads the library, which the first price would do otherwise."""
    _price("", "", datetime.now(UTC), {})


def _stated(counts: Mapping[str, Any], price: Mapping[str, float]) -> float:
    read, hour = counts["cache_read"] or 0, counts.get("cache_write_1h") or 0
    minutes = (counts["cache_write"] or 0) - hour
    fresh = (counts["input"] or 0) - read - minutes - hour
    dollars = fresh * price["input"] + (counts["output"] or 0) * price["output"]
    dollars += read * price.get("cache_read", price["input"])
    dollars += minutes * price.get("cache_write", price["input"])
    dollars += hour * price.get("cache_write_hour", HOUR_FACTOR * price["input"])
    return dollars / MILLION


def _library(
    provider: str, model_id: str, counts: Mapping[str, Any], at: float, pieces: int
) -> float | None:
    """Dollars for one of so many equal pieces of `counts`."""
    tokens = {name: int(counts.get(key) or 0) // pieces for key, name in _TOKENS.items()}
    price = partial(
        _price, LIBRARY_NAMES.get(provider, provider), model_id, datetime.fromtimestamp(at, UTC)
    )
    total = price(tokens)
    hour = tokens["cache_write_1h_tokens"]
    if total is None or not hour or total != price({**tokens, "cache_write_1h_tokens": 0}):
        return total
    # The library has no price of its own for an hour, and took that for minutes.
    others = {name: count - (hour if name in _WITH_HOUR else 0) for name, count in tokens.items()}
    rest, fresh = price(others), price({**dict.fromkeys(tokens, 0), "input_tokens": hour})
    return rest + HOUR_FACTOR * fresh if rest is not None and fresh is not None else total


_TOKENS: Final[Mapping[str, str]] = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
}
"""Our name of a count → the library's."""
_WITH_HOUR: Final = frozenset({"input_tokens", "cache_write_tokens", "cache_write_1h_tokens"})


def _price(provider: str, model_id: str, at: datetime, tokens: Mapping[str, int]) -> float | None:
    # Imported here: its tables take longer to load than any other command takes.
    from genai_prices import Usage, calc_price

    try:
        price = calc_price(
            Usage(**tokens), model_id, provider_id=provider, genai_request_timestamp=at
        )
    except (LookupError, ValueError):
        return None
    return float(price.total_price)
