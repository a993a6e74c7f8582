"""The calendar of budgets: the name, the beginning and the end of the period that a moment
belongs to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from gateway.text.limits import LimitError

LOCAL: Final = "local"
"""The time zone of this machine."""


class Period(NamedTuple):
    """One period of a budget; times are Unix time."""

    name: str
    """Part of the budget's key: `2026-11-25T14+0100`, `2026-11-25`, `2026-W48`, `2026-11`."""
    begins_at: float
    ends_at: float


def zone_of(name: str) -> tzinfo | None:
    """The time zone of that name; None for that of this machine. Raises `LimitError`."""
    if name == LOCAL:
        return None
    if name.upper() == "UTC":
        return UTC  # there also on machines without a time zone database
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        cure = (
            'Write "local", "UTC", or a name such as "Europe/Berlin" (it needs the package tzdata).'
        )
        raise LimitError(f'"{name}" is not a time zone that this machine knows.', cure) from None


def period(per: str, at: float, zone: tzinfo | None) -> Period:
    """The period that Unix time `at` belongs to; `per` is hour, day, week or month."""
    return _PERIODS[per](datetime.fromtimestamp(at, UTC).astimezone(zone), zone)


class Calendar:
    """The current period of each length; made anew only when it is over."""

    def __init__(self, zone: tzinfo | None) -> None:
        self._zone = zone
        self._known: dict[str, Period] = {}

    def period(self, per: str, at: float) -> Period:
        known = self._known.get(per)
        if known is None or not known.begins_at <= at < known.ends_at:
            known = self._known[per] = period(per, at, self._zone)
        return known


def _hour(moment: datetime, zone: tzinfo | None) -> Period:
    """An hour that comes twice when clocks go back has two names."""
    begins_at = moment.replace(minute=0, second=0, microsecond=0).timestamp()
    return Period(moment.strftime("%Y-%m-%dT%H%z"), begins_at, begins_at + 3600)


def _day(moment: datetime, zone: tzinfo | None) -> Period:
    day = moment.date()
    return _days(day.isoformat(), day, day + timedelta(days=1), zone)


def _week(moment: datetime, zone: tzinfo | None) -> Period:
    """ISO weeks: they begin on Monday."""
    year, week, weekday = moment.isocalendar()
    monday = moment.date() - timedelta(days=weekday - 1)
    return _days(f"{year}-W{week:02}", monday, monday + timedelta(days=7), zone)


def _month(moment: datetime, zone: tzinfo | None) -> Period:
    first = moment.date().replace(day=1)
    after = (first + timedelta(days=31)).replace(day=1)
    return _days(first.strftime("%Y-%m"), first, after, zone)


def _days(name: str, first: date, after: date, zone: tzinfo | None) -> Period:
    begin, end = (datetime.combine(each, time(), zone) for each in (first, after))
    return Period(name, begin.timestamp(), end.timestamp())


_PERIODS: Final[dict[str, Callable[[datetime, tzinfo | None], Period]]] = {
    "hour": _hour,
    "day": _day,
    "week": _week,
    "month": _month,
}
