"""What tokens cost: as the user states it, else as a library knows that others maintain. Unknown is None, not zero."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

MILLION: Final = 1_000_000
LONG_CONTEXT: Final = 100_000
"""Below so many input tokens no provider charges a long prompt's price; the least threshold known is 128,000."""
LIBRARY_NAMES: Final[Mapping[str, str]] = {"xai": "x-ai"}
"""Our name of a provider → the price library's, where they differ."""


def cost(
    provider: str,
    model_id: str,
    counts: Mapping[str, Any],
    at: float,
    stated: Mapping[str, float] | None = None,
    calls: int = 1,
) -> float | None:
    """Dollars for `counts` (`input`, which includes cached tokens, `output`, `cache_read`, `cache_write`) at Unix time
    `at`; None where no price is known. `stated` is `[models.x.price]`, per million tokens.

    `counts` may be the sum of several `calls`, if the input of each is below `LONG_CONTEXT`.
    """
    if stated is not None:
        return _stated(counts, stated)
    # A library that is asked for a sum takes it for one long prompt; so it is asked for a short piece of it.
    pieces = 1 if calls == 1 else 1 + int(counts["input"] or 0) // LONG_CONTEXT
    price = _library(provider, model_id, counts, at, pieces)
    return price * pieces if price is not None else None


def _stated(counts: Mapping[str, Any], price: Mapping[str, float]) -> float:
    cached = {key: counts[key] or 0 for key in ("cache_read", "cache_write")}
    fresh = (counts["input"] or 0) - sum(cached.values())
    dollars = fresh * price["input"] + (counts["output"] or 0) * price["output"]
    dollars += sum(count * price.get(key, price["input"]) for key, count in cached.items())
    return dollars / MILLION


def _library(provider: str, model_id: str, counts: Mapping[str, Any], at: float, pieces: int) -> float | None:
    """Dollars for one of so many equal pieces of `counts`."""
    # Imported here: its tables take longer to load than any other command takes.
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=int(counts["input"] or 0) // pieces,
        output_tokens=int(counts["output"] or 0) // pieces,
        cache_read_tokens=int(counts["cache_read"] or 0) // pieces,
        cache_write_tokens=int(counts["cache_write"] or 0) // pieces,
    )
    try:
        price = calc_price(
            usage,
            model_id,
            provider_id=LIBRARY_NAMES.get(provider, provider),
            genai_request_timestamp=datetime.fromtimestamp(at, UTC),
        )
    except (LookupError, ValueError):
        return None
    return float(price.total_price)
