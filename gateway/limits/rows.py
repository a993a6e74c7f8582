"""All limits as plain data, for `/status`, `gateway limits` and the metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from gateway.limits.periods import Calendar
from gateway.limits.refusals import amount
from gateway.shared.limits import LimitState
from gateway.types import Limit

Row = dict[str, Any]


def rows(
    limits: Iterable[Limit],
    states: Iterable[LimitState],
    calendar: Calendar,
    now: float,
    unpriced: Callable[[Limit], list[str]],
) -> list[Row]:
    """One row per limit: `owner`, `limit`, `unit`, `per`, `cap`, `used` (calls under way included), `reserved` (by
    these), `estimated` (not counted by any provider), `orphaned` (of calls that never reported), `left`, `percent`,
    `period`, `resets_at`, and `unpriced`: models whose use costs a budget in USD nothing.

    Amounts are in dollars, tokens or calls. `now` is Unix time. A rate has no period.
    """
    known = {(state.limit_id, state.period): state for state in states}
    return [_row(limit, known, calendar, now, unpriced) for limit in limits]


def _row(
    limit: Limit,
    known: dict[tuple[str, str], LimitState],
    calendar: Calendar,
    now: float,
    unpriced: Callable[[Limit], list[str]],
) -> Row:
    period = None if limit.is_rate else calendar.period(limit.per, now)
    name = period.name if period is not None else ""
    state = known.get((limit.id, name), LimitState(limit.id, name, 0, 0, 0, 0, 0.0))
    used = state.spent + state.reserved
    return {
        "owner": limit.owner,
        "limit": limit.text,
        "unit": limit.unit,
        "per": limit.per,
        "cap": amount(limit.amount, limit.unit),
        "used": amount(used, limit.unit),
        "reserved": amount(state.reserved, limit.unit),
        "estimated": amount(state.estimated, limit.unit),
        "orphaned": amount(state.orphaned, limit.unit),
        "left": amount(max(0, limit.amount - used), limit.unit),
        "percent": used * 100 // limit.amount,
        "period": name or None,
        "resets_at": datetime.fromtimestamp(period.ends_at, UTC).isoformat() if period is not None else None,
        "unpriced": unpriced(limit) if limit.unit == "USD" else [],
    }
