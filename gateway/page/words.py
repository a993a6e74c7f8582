"""Numbers and times as the page and the terminal show them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

NONE: Final = "–"
_MINUS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))
_SIZES: Final = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))
_LEAST_MONEY: Final = 0.0001


def duration(seconds: float | None) -> str:
    """Two or three digits and a unit: `840 ms`, `3.2 s`, `42 s`, `5 min`, `3 h`, `2 d`."""
    if seconds is None:
        return NONE
    for size, unit in _MINUS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    if seconds >= 10:
        return f"{seconds:.0f} s"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def whole_duration(seconds: float) -> str:
    """Without fractions: `0 s`, `42 s`, `5 min`."""
    return duration(seconds) if seconds >= 120 else f"{seconds:.0f} s"


def ago(at: float, now: float) -> str:
    """`now`, `12 s ago`, `5 min ago`."""
    seconds = now - at
    return f"{whole_duration(seconds)} ago" if seconds >= 1 else "now"


def iso(at: float) -> str:
    """ISO 8601 in UTC, for `<time datetime>`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment(at: float) -> str:
    """The exact time in the host's time zone: `2026-11-25 14:03:07 CET`."""
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S %Z}"


def weekday(day: str) -> str:
    """`2026-11-25` as `Wed`."""
    return f"{datetime.fromisoformat(day):%a}"


def tokens(count: float | None) -> str:
    """`940`, `12.3k`, `4.1M`."""
    if count is None:
        return NONE
    for size, unit in _SIZES:
        if count >= size * 0.9995:
            digits = 1 if count < 100 * size else 0
            return f"{count / size:.{digits}f}{unit}"
    return f"{count:.0f}"


def money(dollars: float | None) -> str:
    """`$12.30`, `$0.0042`."""
    if dollars is None:
        return NONE
    if 0 < dollars < _LEAST_MONEY:
        return "<$0.0001"
    return f"${dollars:,.2f}" if dollars >= 0.1 or dollars == 0 else f"${dollars:.4f}"


def share(part: float | None) -> str:
    """`12 %`, `0.4 %`."""
    if part is None:
        return NONE
    percent = part * 100
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"


def plural(count: int, noun: str) -> str:
    """`1 call`, `2 calls`, `1,204 calls`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
