"""What budgets have spent before this process counted: from the ledger, at the start and when a
budget is new."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from gateway.limits import pricing
from gateway.limits.periods import Calendar
from gateway.observe.ledger_read import Filters, Record, Unreadable, usage
from gateway.shared.limits import Charge, Seed
from gateway.text.limits import Limit
from gateway.types import Model

log = logging.getLogger("gateway.limits")

_GROUPS: Final[Mapping[str, str]] = {"agent": "agent", "key": "client", "gateway": "agent"}
"""The first word of a limit's owner → what the ledger groups by."""
_NOON_H: Final = 12


class Spent(NamedTuple):
    """The usage of calls, by unit."""

    micro: int = 0
    tokens: int = 0

    def plus(self, other: Spent) -> Spent:
        return Spent(self.micro + other.micro, self.tokens + other.tokens)


def seeds(
    ledger: Path,
    limits: Iterable[Limit],
    known_since: Mapping[str, float],
    calendar: Calendar,
    models: Mapping[str, Model],
) -> list[Seed]:
    """One seed per budget, for the period in which it became known: the calls that arrived
    before. Reads the ledger; a budget without any record begins at nothing.
    """

    @cache
    def spent_by(group: str, since: float, until: float) -> dict[str, Spent]:
        return _spent(ledger, group, since, until, models)

    budgets = (limit for limit in limits if not limit.is_rate)
    return [_seed(limit, known_since[limit.id], calendar, spent_by) for limit in budgets]


def _seed(
    limit: Limit,
    at: float,
    calendar: Calendar,
    spent_by: Callable[[str, float, float], dict[str, Spent]],
) -> Seed:
    period = calendar.period(limit.per, at)
    scope, _, name = limit.owner.partition(" ")
    found = spent_by(_GROUPS[scope], period.begins_at, at)
    spent = found.get(name, Spent())
    if scope == "gateway":
        for each in found.values():
            spent = spent.plus(each)
    amount = spent.micro if limit.unit == "USD" else spent.tokens
    return Seed(Charge(limit.id, amount, limit.amount, period.name, period.ends_at))


def _spent(
    ledger: Path,
    group: str,
    since: float,
    until: float,
    models: Mapping[str, Model],
) -> dict[str, Spent]:
    """Agent or client → what it has spent from `since` to `until`."""
    totals: dict[str, Spent] = defaultdict(Spent)
    try:
        records = usage(ledger, group, Filters(since=since, until=until))
    except Unreadable as error:
        if ledger.exists():
            log.warning("what budgets have spent is not known, they begin at nothing: %s", error)
        return totals
    for record in records:
        tokens = int(record["input"] + record["output"])
        spent = Spent(_micro(record, models), tokens)
        totals[record["group"]] = totals[record["group"]].plus(spent)
    return totals


def _micro(record: Record, models: Mapping[str, Model]) -> int:
    """An unknown price counts nothing."""
    if record["model"] is None:
        return 0
    model = models.get(record["model"])
    stated = model.price if model is not None else None
    noon = datetime.fromisoformat(record["day"]).replace(hour=_NOON_H, tzinfo=UTC).timestamp()
    provider, model_id, calls = record["provider"], record["model_id"], record["calls"]
    return pricing.of_counts(provider, model_id, record, noon, stated, calls) or 0
