"""The ledger at a glance: the last calls, the sums of today and of seven days, and how
fast the models begin to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any, Final

from gateway.observe.ledger_glance import Asked, glance, listed
from gateway.observe.prices import cost
from gateway.reports.requests import CallRow, call_row
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
    """The sums of the ledger. A part is None if its query took too long."""

    calls: list[PricedCall] | None
    """The last calls that were asked for, newest first."""
    opened: PricedCall | None
    """The call whose timeline was asked for."""
    errors: int | None
    """Calls that failed in the last `ERRORS_S`, without those whose client left."""
    usage: Usage | None
    latencies: list[Latency] | None


@dataclass(frozen=True, slots=True)
class Sums:
    """The part of a history that is the same whatever calls are asked for; see there."""

    errors: int | None
    usage: Usage | None
    latencies: list[Latency] | None


def sums(path: Path, models: Mapping[str, Model], now: float) -> Sums:
    """Reads the sums of the ledger at `path`. `now` is Unix time. Raises `Unreadable`."""
    today = datetime.fromtimestamp(now).date()
    days = [f"{today - timedelta(days=back)}" for back in reversed(range(DAYS))]
    found = glance(path, since_day=days[0], errors_since=now - ERRORS_S)
    usage = _usage(found.daily, days, models) if found.daily is not None else None
    times = _latencies(found.first_tokens) if found.first_tokens is not None else None
    return Sums(found.errors, usage, times)


ReadSums = Callable[[Path, Mapping[str, Model], float], Sums]


def history(
    path: Path,
    models: Mapping[str, Model],
    asked: Asked,
    now: float,
    read_sums: ReadSums = sums,
) -> History:
    """Reads the ledger at `path`. `read_sums` may remember the sums. Raises `Unreadable`."""
    found = listed(path, asked)
    same = read_sums(path, models, now)
    rows = [call_row(row) for row in found.calls] if found.calls is not None else None
    calls = [PricedCall(row, _cost(row, models)) for row in rows] if rows is not None else None
    opened = call_row(found.opened) if found.opened is not None else None
    return History(
        calls=calls,
        opened=PricedCall(opened, _cost(opened, models)) if opened is not None else None,
        errors=same.errors,
        usage=same.usage,
        latencies=same.latencies,
    )


def _cost(row: CallRow, models: Mapping[str, Model]) -> float | None:
    if row.provider is None or row.model_id is None or row.output is None:
        return None
    counts = tuple(getattr(row, name) or 0 for name in _PRICED)
    stated = _stated(models.get(row.model or ""))
    if row.cost is not None and not stated:
        return row.cost
    return _priced(row.provider, row.model_id, row.at, 1, counts, stated)


_PRICED: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h")

Stated = tuple[tuple[str, float], ...]
"""A price that the user states, as `Model.price`; empty for none."""


def _stated(model: Model | None) -> Stated:
    return tuple(model.price.items()) if model is not None and model.price else ()


@lru_cache(maxsize=8192)
def _priced(
    provider: str, model_id: str, at: float, calls: int, counts: tuple[int, ...], stated: Stated
) -> float | None:
    """Dollars, by the average of the calls. Remembered: what has passed keeps its price, and the
    library takes longer to answer than everything else takes together."""
    average = {name: count / calls for name, count in zip(_PRICED, counts, strict=True)}
    price = cost(provider, model_id, average, at, dict(stated) or None)
    return price * calls if price is not None else None


# --- sums -----------------------------------------------------------------------------------------


def _usage(
    rows: Iterable[Mapping[str, Any]],
    days: list[str],
    models: Mapping[str, Model],
) -> Usage:
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


def _add(
    groups: list[Group],
    day: Day,
    row: Mapping[str, Any],
    money: float | None,
    *,
    is_today: bool,
) -> None:
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
    """The cost of a row of `daily`. All its calls have the price of their average."""
    stated = _stated(models.get(row["model"]))
    if row["stated"] and not stated:
        return float(row["cost"])
    if not row["input"] and not row["output"]:
        return 0.0
    counts = tuple(row[name] for name in _PRICED)
    noon = datetime.fromisoformat(row["day"]).replace(hour=12, tzinfo=UTC).timestamp()
    return _priced(row["provider"], row["model_id"], noon, row["calls"], counts, stated)


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
