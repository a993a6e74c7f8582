"""All limits as plain data, for `/status`, `gateway limits` and the metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.limits.periods import Calendar
from gateway.limits.refusals import amount
from gateway.shared.limits import LimitState
from gateway.text.limits import Limit

Amount = int | float
"""Dollars, tokens or calls."""


@dataclass(frozen=True, slots=True)
class Row:
    """One budget or rate as it is now."""

    owner: str
    """`gateway`, `agent dev` or `key bot`."""
    limit: str
    """As people write it: `20 USD/day`."""
    unit: str
    """`USD`, `tokens` or `calls`."""
    per: str
    cap: Amount
    used: Amount
    """Spent, and reserved by calls under way; of a rate, what cannot be used at the moment."""
    reserved: Amount
    """The part of `used` that calls under way have reserved."""
    estimated: Amount
    """The part of `used` that no provider has counted."""
    orphaned: Amount
    """The part of `used` that calls have reserved and never settled, because their process
    ended."""
    left: Amount
    percent: int
    """`used` of `cap`."""
    period: str | None
    """`2026-11-25`; None of a rate."""
    resets_at: str | None
    """The end of the period, ISO 8601; None of a rate."""
    unpriced: list[str]
    """Models without a known price, whose use a budget in USD does not see."""


def rows(
    limits: Iterable[Limit],
    states: Iterable[LimitState],
    calendar: Calendar,
    now: float,
    unpriced: Callable[[Limit], list[str]],
) -> list[Row]:
    """One row per limit. `now` is Unix time; `unpriced` names the models that a limit does not
    see."""
    known = {(state.limit_id, state.period): state for state in states}
    return [_row(limit, known, calendar, now, unpriced(limit)) for limit in limits]


def _row(
    limit: Limit,
    known: Mapping[tuple[str, str], LimitState],
    calendar: Calendar,
    now: float,
    unpriced: list[str],
) -> Row:
    period = None if limit.is_rate else calendar.period(limit.per, now)
    name = period.name if period is not None else ""
    state = known.get((limit.id, name), LimitState(limit.id, name, 0, 0, 0, 0, 0.0))
    used = state.spent + state.reserved
    end = datetime.fromtimestamp(period.ends_at, UTC) if period is not None else None
    return Row(
        owner=limit.owner,
        limit=limit.text,
        unit=limit.unit,
        per=limit.per,
        cap=amount(limit.amount, limit.unit),
        used=amount(used, limit.unit),
        reserved=amount(state.reserved, limit.unit),
        estimated=amount(state.estimated, limit.unit),
        orphaned=amount(state.orphaned, limit.unit),
        left=amount(max(0, limit.amount - used), limit.unit),
        percent=used * 100 // limit.amount,
        period=name or None,
        resets_at=end.isoformat() if end is not None else None,
        unpriced=unpriced if limit.unit == "USD" else [],
    )
