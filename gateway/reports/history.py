"""What the ledger says at a glance: the last calls, the sums of today and of seven days, and how
fast the models begin to answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

from gateway.observe.ledger_glance import Asked, glance
from gateway.observe.prices import cost
from gateway.reports.requests import CallRow, call_row
from gateway.reports.usage import dollars
from gateway.types import Model

DAYS: Final = 7
ERRORS_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class PricedCall:
    """A finished call and what it cost."""

    row: CallRow
    cost: float | None
    """Dollars; None if no price is known, or the provider counted no tokens."""


@dataclass(slots=True)
class Sum:
    """Calls of one period, added up."""

    calls: int = 0
    failed: int = 0
    fell_back: int = 0
    """Calls that a later model than the first one answered."""
    input: int = 0
    """Input tokens, cached ones included."""
    output: int = 0
    cache_read: int = 0
    cost: float = 0.0
    """Dollars, of all calls with a known price."""
    unpriced: int = 0
    """Calls whose tokens have no known price."""
    uncounted: int = 0
    """Answers without a token count from their provider."""

    @property
    def tokens(self) -> int:
        return self.input + self.output

    @property
    def cached(self) -> float | None:
        """The share of the input that a provider's cache served; None without input."""
        return self.cache_read / self.input if self.input else None

    @property
    def fallbacks(self) -> float | None:
        """The share of the answered calls that fell back; None without answers."""
        answered = self.calls - self.failed
        return min(1.0, self.fell_back / answered) if answered > 0 else None

    def add(self, row: Mapping[str, Any], money: float | None) -> None:
        """Adds a row of `daily` that cost so many dollars."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + int(row[name]))
        if money is None:
            self.unpriced += int(row["calls"])
        else:
            self.cost += money


_COUNTS: Final = ("calls", "failed", "fell_back", "input", "output", "cache_read", "uncounted")


@dataclass(slots=True)
class Group:
    """One agent or one model."""

    name: str
    id: str = ""
    """The vendor's string, of a model."""
    today: Sum = field(default_factory=Sum)
    week: Sum = field(default_factory=Sum)
    parts: dict[str, int] = field(default_factory=dict)
    """Of an agent: model → tokens in the week."""


@dataclass(slots=True)
class Day:
    """One day of the week."""

    day: str
    """Such as `2026-11-25`."""
    sum: Sum = field(default_factory=Sum)
    parts: dict[str, int] = field(default_factory=dict)
    """Model → tokens."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The sums of the last `DAYS` days."""

    days: list[Day]
    """Oldest first; today is the last one."""
    agents: list[Group]
    """Most tokens first, as are the models."""
    models: list[Group]
    today: Sum
    week: Sum


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one model took to begin its last answers, in seconds."""

    model: str
    id: str
    p50_s: float
    p95_s: float
    calls: int


@dataclass(frozen=True, slots=True)
class History:
    """What the ledger says. A part is None if its query took too long."""

    calls: list[PricedCall] | None
    """The last calls that were asked for, newest first."""
    opened: PricedCall | None
    """The call whose timeline was asked for."""
    errors: int | None
    """Calls that failed in the last `ERRORS_S`, without those whose client left."""
    usage: Usage | None
    latencies: list[Latency] | None


def history(path: Any, models: Mapping[str, Model], asked: Asked, now: float) -> History:
    """Reads the ledger at `path`. `now` is Unix time. Raises `Unreadable`."""
    today = datetime.fromtimestamp(now).date()
    days = [f"{today - timedelta(days=back)}" for back in reversed(range(DAYS))]
    found = glance(path, asked, since_day=days[0], errors_since=now - ERRORS_S)
    rows = [call_row(row) for row in found.calls] if found.calls is not None else None
    calls = [PricedCall(row, _cost(row, models)) for row in rows] if rows is not None else None
    opened = call_row(found.opened) if found.opened is not None else None
    return History(
        calls=calls,
        opened=PricedCall(opened, _cost(opened, models)) if opened is not None else None,
        errors=found.errors,
        usage=_usage(found.daily, days, models) if found.daily is not None else None,
        latencies=_latencies(found.first_tokens) if found.first_tokens is not None else None,
    )


def _cost(row: CallRow, models: Mapping[str, Model]) -> float | None:
    if row.provider is None or row.model_id is None or row.output is None:
        return None
    counts = {name: getattr(row, name) for name in _PRICED}
    model = models.get(row.model or "")
    stated = model.price if model is not None else None
    return cost(row.provider, row.model_id, counts, row.at, stated)


_PRICED: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "cost")


# --- sums -----------------------------------------------------------------------------------------


def _usage(rows: Iterable[Mapping[str, Any]], days: list[str], models: Mapping[str, Model]) -> Usage:
    by_day = {day: Day(day) for day in days}
    agents: dict[str, Group] = {}
    by_model: dict[str, Group] = {}
    for row in rows:
        day = by_day.get(row["day"])
        if day is None:  # the host's clock went back
            continue
        money = _money(row, models)
        groups = [agents.setdefault(row["agent"], Group(row["agent"]))]
        if row["model"]:
            groups.append(by_model.setdefault(row["model"], Group(row["model"], row["model_id"])))
            _count(day.parts, row)
            _count(groups[0].parts, row)
        _add(groups, day, row, money, is_today=row["day"] == days[-1])
    week = _total(group.week for group in agents.values())
    today = by_day[days[-1]].sum
    return Usage(list(by_day.values()), _sorted(agents), _sorted(by_model), today, week)


def _count(parts: dict[str, int], row: Mapping[str, Any]) -> None:
    parts[row["model"]] = parts.get(row["model"], 0) + row["input"] + row["output"]


def _add(groups: list[Group], day: Day, row: Mapping[str, Any], money: float | None, *, is_today: bool) -> None:
    day.sum.add(row, money)
    for group in groups:
        group.week.add(row, money)
        if is_today:
            group.today.add(row, money)


def _total(sums: Iterable[Sum]) -> Sum:
    whole = Sum()
    for each in sums:
        for name in (*_COUNTS, "cost", "unpriced"):
            setattr(whole, name, getattr(whole, name) + getattr(each, name))
    return whole


def _sorted(groups: Mapping[str, Group]) -> list[Group]:
    return sorted(groups.values(), key=lambda group: (-group.week.tokens, group.name))


def _money(row: Mapping[str, Any], models: Mapping[str, Model]) -> float | None:
    """What a row of `daily` cost. Calls with long prompts are priced by their average."""
    stated = dict(row) if row["stated"] else {**row, "cost": None}
    calls = row["calls"]
    if not row["size"] or row["stated"]:
        return dollars(stated, models)
    average = {name: row[name] / calls for name in _PRICED if name != "cost"}
    price = dollars({**stated, **average, "calls": 1}, models)
    return price * calls if price is not None else None


# --- latencies ------------------------------------------------------------------------------------


def _latencies(found: Iterable[tuple[str, str, float]]) -> list[Latency]:
    times: dict[tuple[str, str], list[float]] = {}
    for model, id_, first_token_s in found:
        times.setdefault((model, id_), []).append(first_token_s)
    rows = [_latency(*names, sorted(values)) for names, values in times.items()]
    return sorted(rows, key=lambda row: -row.calls)


def _latency(model: str, id_: str, times: list[float]) -> Latency:
    return Latency(model, id_, _percentile(times, 0.5), _percentile(times, 0.95), len(times))


def _percentile(times: list[float], share: float) -> float:
    """The smallest value that is not below `share` of the sorted ones (nearest rank)."""
    return times[ceil(share * len(times)) - 1]
