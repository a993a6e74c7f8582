"""The calendar of budgets."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.periods import Calendar, period, zone_of
from gateway.text.limits import LimitError

BERLIN = ZoneInfo("Europe/Berlin")
PER = ("hour", "day", "week", "month")


def at(*moment: int, fold: int = 0) -> float:
    return datetime(*moment, tzinfo=BERLIN, fold=fold).timestamp()  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("per", "name", "begins_at", "ends_at"),
    [
        ("hour", "2026-11-25T23+0100", at(2026, 11, 25, 23), at(2026, 11, 26)),
        ("day", "2026-11-25", at(2026, 11, 25), at(2026, 11, 26)),
        ("week", "2026-W48", at(2026, 11, 23), at(2026, 11, 30)),
        ("month", "2026-11", at(2026, 11, 1), at(2026, 12, 1)),
    ],
)
def test_periods(per: str, name: str, begins_at: float, ends_at: float) -> None:
    assert period(per, at(2026, 11, 25, 23, 59), BERLIN) == (name, begins_at, ends_at)


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25)])
def test_a_day_on_which_the_clocks_change(day: tuple[int, int, int], hours: int) -> None:
    found = period("day", at(*day, 12), BERLIN)
    assert found.ends_at - found.begins_at == hours * 3600


def test_an_hour_that_comes_twice_has_two_names() -> None:
    first, second = (period("hour", at(2026, 10, 25, 2, 30, fold=fold), BERLIN) for fold in (0, 1))
    assert (first.name, second.name) == ("2026-10-25T02+0200", "2026-10-25T02+0100")
    assert first.ends_at == second.begins_at


def test_the_last_days_of_a_year_belong_to_a_week_of_the_next() -> None:
    assert period("week", at(2024, 12, 31), BERLIN).name == "2025-W01"
    assert period("month", at(2026, 12, 31), BERLIN).ends_at == at(2027, 1, 1)


@given(
    st.sampled_from(PER),
    st.floats(1.7e9, 2.0e9),
    st.sampled_from(["Europe/Berlin", "UTC", "local", "Asia/Kolkata"]),
)
def test_every_moment_is_in_its_period_and_the_next_begins_where_it_ends(
    per: str, moment: float, zone: str
) -> None:
    found = period(per, moment, zone_of(zone))
    assert found.begins_at <= moment < found.ends_at
    after = period(per, found.ends_at, zone_of(zone))
    assert after.begins_at == found.ends_at
    assert after.name != found.name


def test_a_calendar_moves_on() -> None:
    calendar = Calendar(BERLIN)
    names = [calendar.period("day", at(2026, 11, 25, 23, minute)).name for minute in (58, 59)]
    names.append(calendar.period("day", at(2026, 11, 26)).name)
    names.append(calendar.period("day", at(2026, 11, 25)).name)
    assert names == ["2026-11-25", "2026-11-25", "2026-11-26", "2026-11-25"]


@pytest.mark.parametrize("name", ["Europe/Berlln", "", "../etc/passwd", "UTC+1", "/"])
def test_an_invalid_time_zone(name: str) -> None:
    with pytest.raises(LimitError, match="is not a time zone"):
        zone_of(name)
