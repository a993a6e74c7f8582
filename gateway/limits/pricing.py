"""Money in whole micro-dollars: what a call may cost, and what it did cost. None where no price
is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import lru_cache
from math import ceil
from typing import Any, Final, NamedTuple

from gateway.observe.prices import LONG_CONTEXT, cost
from gateway.text.limits import MICRO
from gateway.types import Model, Usage

_HOUR_S: Final = 3600
_COUNTS: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
_SAMPLE: Final = 10_000
"""Tokens by which the price of one is asked for: below `LONG_CONTEXT`, prices are proportional
to tokens."""


class _Prices(NamedTuple):
    """Micro-dollars for one token. What is read from a cache or written to one is part of the
    input as well."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    cache_write_1h: float

    def of(self, usage: Usage) -> float:
        read, hour = usage.cache_read, usage.cache_write_1h
        minutes = usage.cache_write - hour
        fresh = usage.input - read - minutes - hour
        tokens = (fresh, usage.output, read, minutes, hour)
        return sum(count * price for count, price in zip(tokens, self, strict=True))


def estimate(model: Model, input_: int, output: int, at: float) -> int | None:
    """Micro-dollars for so many tokens at Unix time `at`, rounded up."""
    micro = _micro(model, Usage(input_, output), at)
    return None if micro is None else ceil(micro)


def charged(model: Model, usage: Usage, at: float) -> int | None:
    """Micro-dollars for what a provider has counted: the same as `prices.cost` finds."""
    if usage.cost is not None and model.price is None:
        return round(usage.cost * MICRO)
    micro = _micro(model, usage, at)
    return None if micro is None else max(0, round(micro))


def of_counts(
    provider: str,
    model_id: str,
    counts: Mapping[str, Any],
    at: float,
    stated: Mapping[str, float] | None,
    calls: int = 1,
) -> int | None:
    """The same for `counts` as `prices.cost` takes them, of one or several calls."""
    dollars = cost(provider, model_id, counts, at, stated, calls)
    return None if dollars is None else round(dollars * MICRO)


def is_priced(model: Model, at: float) -> bool:
    """Whether a price is known before the call. Some providers state the cost afterwards; that
    counts as unknown."""
    return estimate(model, 1, 1, at) is not None


def _micro(model: Model, usage: Usage, at: float) -> float | None:
    stated = tuple(model.price.items()) if model.price is not None else None
    provider, model_id = model.provider.name, model.model_id
    if usage.input >= LONG_CONTEXT:
        dollars = cost(provider, model_id, asdict(replace(usage, cost=None)), at, model.price)
        return None if dollars is None else dollars * MICRO
    prices = _prices(provider, model_id, stated, int(at) // _HOUR_S)
    return None if prices is None else prices.of(usage)


@lru_cache(maxsize=1024)
def _prices(
    provider: str,
    model_id: str,
    stated: tuple[tuple[str, float], ...] | None,
    hour: int,
) -> _Prices | None:
    """Asked for once an hour: the library takes its time, and some prices depend on the time of
    day."""
    price = dict(stated) if stated is not None else None
    found = []
    for kind in _COUNTS:
        counts: dict[str, Any] = {**dict.fromkeys(_COUNTS, 0), kind: _SAMPLE}
        if kind.startswith("cache"):
            counts["input"] = _SAMPLE
        if kind == "cache_write_1h":
            counts["cache_write"] = _SAMPLE
        dollars = cost(provider, model_id, counts, hour * _HOUR_S, price)
        if dollars is None:
            return None
        found.append(dollars * MICRO / _SAMPLE)
    return _Prices(*found)
