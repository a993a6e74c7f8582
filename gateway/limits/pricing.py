"""Money in whole micro-dollars: what a call may cost, and what it did cost. None where no price is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from math import ceil
from typing import Any, Final

from gateway.limits.wording import MICRO
from gateway.observe.prices import LONG_CONTEXT, cost
from gateway.types import Model, Usage

_DAY_S: Final = 86_400
_NONE: Final = {"input": 0, "output": 0, "cache_read": 0, "cache_write": 0}


def estimate(model: Model, input_: int, output: int, at: float) -> int | None:
    """Micro-dollars for so many tokens at Unix time `at`, rounded up."""
    if input_ >= LONG_CONTEXT:
        dollars = cost(*_name(model), {**_NONE, "input": input_, "output": output}, at, model.price)
        return None if dollars is None else ceil(dollars * MICRO)
    stated = tuple(model.price.items()) if model.price is not None else None
    prices = _per_million(*_name(model), stated, int(at) // _DAY_S)
    return None if prices is None else ceil(input_ * prices[0] + output * prices[1])


def charged(model: Model, usage: Usage, at: float) -> int | None:
    """Micro-dollars for what a provider has counted."""
    return of_counts(model.provider.name, model.model_id, asdict(usage), at, model.price)


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
    """Whether a price is known before the call. Some providers state the cost afterwards; that counts as unknown."""
    return estimate(model, 1, 1, at) is not None


@lru_cache(maxsize=1024)
def _per_million(
    provider: str, model_id: str, stated: tuple[tuple[str, float], ...] | None, day: int
) -> tuple[float, float] | None:
    """Micro-dollars for one token of input and of output, asked for once a day: the library takes its time."""
    price = dict(stated) if stated is not None else None
    found = []
    for kind in ("input", "output"):
        dollars = cost(provider, model_id, {**_NONE, kind: 1000}, day * _DAY_S, price)
        if dollars is None:
            return None
        found.append(dollars * MICRO / 1000)
    return found[0], found[1]


def _name(model: Model) -> tuple[str, str]:
    return model.provider.name, model.model_id
