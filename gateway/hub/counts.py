"""Counts of tokens, as providers state them: missing, null, as text, negative or absurd."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

COUNT_MAX: Final = 2**53 - 1
"""The largest whole number that every JSON reader takes exactly."""
COST_MAX: Final = 1e6
"""Dollars. No single call costs more."""
_TICKS: Final = 1e10
"""Ticks of a dollar, as `cost_in_usd_ticks` counts them."""


_DIGITS: Final = len(str(COUNT_MAX))


def token_count(value: Any) -> int:
    """`value` where it is a sensible count, which some servers write as text, else 0."""
    if type(value) is str:
        value = _of_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 < value <= COUNT_MAX else 0


def _of_text(value: Any) -> Any:
    """The number that a text of digits writes; any other value as it is."""
    if not isinstance(value, str) or len(value) > _DIGITS:
        return value
    return int(value) if value.isascii() and value.isdigit() else value


Choice = Callable[[float, float], float]
"""Which of two counts holds: the earlier one, or the later one."""


def latest(known: float, value: float) -> float:
    """The later one, unless it is a zero: servers repeat a part of the counts, and fill the others
    with zeros."""
    return value or known


def merged(known: Mapping[str, Any], later: Any, choose: Choice = latest) -> dict[str, Any]:
    """The counts of one stream, of which it states some more often than once. A null takes nothing
    back."""
    result = dict(known)
    for key, value in later.items() if isinstance(later, Mapping) else ():
        if value is not None:
            result[key] = _merged_value(result.get(key), value, choose)
    return result


def _merged_value(known: Any, value: Any, choose: Choice) -> Any:
    if isinstance(value, Mapping):
        return merged(known if isinstance(known, Mapping) else {}, value, choose)
    counts = _of_text(known), _of_text(value)
    if all(map(_is_number, counts)):
        return choose(*counts)
    return value if value or known is None else known


def stated_cost(usage: Mapping[str, Any]) -> float | None:
    """Dollars that the answer cost, where its provider says so: in `cost` (a number, or an object
    with `total_cost`), or in `cost_in_usd_ticks`.

    A router that bills its own share alone (`is_byok`) states what the model's vendor bills beside
    it, and both are paid.
    """
    if COSTS.isdisjoint(usage):
        return None
    cost = usage.get("cost")
    dollars = _dollars(cost.get("total_cost") if isinstance(cost, Mapping) else cost)
    if dollars is None:
        return _dollars(usage.get("cost_in_usd_ticks"), _TICKS)
    details = usage.get("cost_details")
    if usage.get("is_byok") is not True or not isinstance(details, Mapping):
        return dollars
    return dollars + (_dollars(details.get("upstream_inference_cost")) or 0.0)


COSTS: Final = frozenset({"cost", "cost_in_usd_ticks"})
"""Where a cost is stated, if it is."""


def _dollars(value: Any, per_dollar: float = 1.0) -> float | None:
    """`value` in dollars where it is a sensible amount."""
    if not _is_number(value) or not 0 <= value <= COST_MAX * per_dollar:
        return None
    return float(value) / per_dollar


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
