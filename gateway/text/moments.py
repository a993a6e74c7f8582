"""Points in time as providers write them: numbers, durations, dates of every common form, and prose
around them.

Pure: a text becomes a `Moment`, and a `Moment` becomes seconds from a clock that the caller reads.
No pattern runs over more than a window of fixed size, so that a long message costs linear time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

TEXT_CHARS_MAX: Final = 100
"""A longer text is not a time."""
_UNIX_S_FROM: Final = 1.5e9
"""A number from here on is Unix time in seconds (2017); as a duration it would be 47 years."""
_UNIX_MS_FROM: Final = 1.5e12
"""The same in milliseconds."""
_UNIX_US_FROM: Final = 1.5e15

_UNIT_S: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0,
    "h": 3600.0, "d": 86400.0,
    "w": 604_800.0,
}  # fmt: skip
_UNIT: Final = (
    r"(?:ns|us|µs|ms|msecs?|millis?(?:econds?)?|s|secs?|seconds?|m"
    r"|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)"
)
_PART: Final = re.compile(
    rf"(\d{{1,15}}(?:\.\d{{1,15}})?)\s{{0,2}}({_UNIT})(?=[\d\s,.;:)]|$|and)", re.IGNORECASE
)
_BETWEEN: Final = re.compile(r"[\s,]{0,3}(?:and\s{1,2})?")
_ISO: Final = re.compile(
    r"p(?:(\d{1,9})d)?t?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?", re.IGNORECASE
)


class Moment(NamedTuple):
    """A time: from now, or by a calendar."""

    in_s: float | None = None
    at_s: float | None = None
    """Unix time."""

    def after(self, now_s: float) -> float | None:
        """Seconds from `now_s`; 0 for what is over."""
        if self.at_s is not None:
            return max(0.0, self.at_s - now_s)
        return self.in_s


def moment(text: str | None, *, is_ms: bool = False) -> Moment | None:
    """`7`, `7.66s`, `6m0s`, `PT30S`, an HTTP date (RFC 9110 section 5.6.7, all three forms), an ISO
    date, Unix time.

    `is_ms` says that a plain number counts milliseconds. None for anything else.
    """
    text = (text or "").strip().strip('"')
    if not text or len(text) > TEXT_CHARS_MAX:
        return None
    try:
        return _of_number(float(text), is_ms=is_ms)
    except ValueError:
        pass
    duration = duration_s(text)
    if duration is not None:
        return Moment(in_s=duration)
    date = _written(text, None) or _http_date(text)
    return Moment(at_s=date.timestamp()) if date is not None else None


def duration_s(text: str) -> float | None:
    """`34.07s`, `6m0s`, `18h31m10s`, `20ms`, `1 hour 5 minutes`, `PT30S` as seconds; None for
    anything else."""
    text = text.strip()
    if len(text) > TEXT_CHARS_MAX:
        return None
    iso = _ISO.fullmatch(text)
    if iso is not None and any(iso.groups()):
        days, hours, minutes, seconds = (float(group or 0) for group in iso.groups())
        return days * 86400 + hours * 3600 + minutes * 60 + seconds
    total_s, end = _leading_duration(text)
    return total_s if end == len(text) else None


def _leading_duration(text: str) -> tuple[float | None, int]:
    """(the duration that `text` begins with, where it ends)."""
    total_s: float | None = None
    place = end = 0
    while match := _PART.match(text, place):
        total_s = (total_s or 0.0) + float(match[1]) * _unit_s(match[2])
        end = match.end()
        between = _BETWEEN.match(text, end)
        place = between.end() if between else end
    return total_s, end


def _unit_s(word: str) -> float:
    word = word.lower()
    if word in _UNIT_S:
        return _UNIT_S[word]
    return _UNIT_S["ms"] if word.startswith(("milli", "msec")) else _UNIT_S[word[0]]


def _of_number(number: float, *, is_ms: bool) -> Moment | None:
    if number != number or number < 0:
        return None
    for start, scale in ((_UNIX_US_FROM, 1e6), (_UNIX_MS_FROM, 1e3), (_UNIX_S_FROM, 1.0)):
        if start <= number < start * 10:
            return Moment(at_s=number / scale)
    return Moment(in_s=number / 1000 if is_ms else number)


# --- dates ----------------------------------------------------------------------------------------

_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_OFFSETS_H: Final = {
    "z": 0, "utc": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6,
    "pst": -8,
    "pdt": -7, "akst": -9, "akdt": -8, "hst": -10, "wet": 0, "west": 1, "bst": 1, "cet": 1,
    "cest": 2, "eet": 2,
    "eest": 3, "msk": 3, "gst": 4, "ist": 5.5, "sgt": 8, "hkt": 8, "awst": 8, "jst": 9, "kst": 9,
    "aest": 10,
    "aedt": 11, "nzst": 12, "nzdt": 13,
}  # fmt: skip
"""Abbreviations of time zones, in hours from UTC; of those with two meanings the American one."""
_REGIONS: Final = {"pacific": "America/Los_Angeles", "pt": "America/Los_Angeles",
                   "eastern": "America/New_York",
                   "et": "America/New_York"}  # fmt: skip

_MONTH: Final = r"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DAY: Final = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_DATES: Final = (
    re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)"),
    re.compile(rf"{_DAY}[ -]{_MONTH},?(?:[ -](?P<year>\d{{4}}))?(?!\d)", re.IGNORECASE),
    re.compile(rf"{_MONTH} {_DAY}(?!\d|:),?(?: (?P<year>\d{{4}})(?!\d))?", re.IGNORECASE),
)
_WEEKDAY: Final = re.compile(
    r"(?:mon|tues?|wed|wednes|thu|thurs?|fri|sat|satur|sun)(?:day)?,? ", re.IGNORECASE
)
_TIME: Final = re.compile(
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?)? "
    r"?(?P<half>[ap]\.?m\.?)?(?![\d/])"
    r"|(?P<word>midnight|noon)",
    re.IGNORECASE,
)
_ZONE: Final = re.compile(
    r" ?\(?(?:(?P<name>[a-z]{1,4}|pacific|eastern)(?![a-z/]))? "
    r"?(?P<offset>[+-]\d{1,2}(?::?\d{2})?)?"
    r"(?P<region>[a-z_]{2,20}/[a-z_/]{2,40})?",
    re.IGNORECASE,
)
_JOINT: Final = re.compile(r"(?:t(?=\d)|,? (?:at )?)?", re.IGNORECASE)


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _written(text: str, now_s: float | None) -> datetime | None:
    """The date that `text` begins with: `2026-08-17 02:56:15`, `Sep 21, 2026 at 3:15 PM UTC`, `3pm
    (UTC)`.

    UTC where no zone is stated. A date without a year, or a time without a date, is the next one
    after `now_s`.
    """
    weekday = _WEEKDAY.match(text)
    place = weekday.end() if weekday else 0
    date = next((match for form in _DATES if (match := form.match(text, place))), None)
    place = date.end() if date else place
    joint = _JOINT.match(text, place) if date else None
    time = _TIME.match(text, joint.end() if joint else place)
    if date is None and not _is_time_of_day(time):
        return None
    zone = _zone(text[time.end() : time.end() + 50]) if time else UTC
    try:
        return _put_together(date, time, zone, now_s)
    except (ValueError, OverflowError):
        return None


def _is_time_of_day(time: re.Match[str] | None) -> bool:
    """Whether a time is one without a date beside it: a bare number is not."""
    return time is not None and any((time["minute"], time["half"], time["word"]))


def _put_together(
    date: re.Match[str] | None, time: re.Match[str] | None, zone: tzinfo, now_s: float | None
) -> datetime | None:
    hour, minute, second = _clock(time)
    if date is not None and date["year"]:
        return datetime(
            int(date["year"]),
            _month(date["month"]),
            int(date["day"]),
            hour,
            minute,
            second,
            tzinfo=zone,
        )
    if now_s is None:
        return None
    now = datetime.fromtimestamp(now_s, zone)
    found = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
    if date is None:
        return found if found > now else found + timedelta(days=1)
    found = found.replace(month=_month(date["month"]), day=int(date["day"]))
    return found if found > now - timedelta(days=1) else found.replace(year=found.year + 1)


def _clock(time: re.Match[str] | None) -> tuple[int, int, int]:
    """(hour, minute, second) of a time of day; midnight where none is stated."""
    if time is None:
        return 0, 0, 0
    if time["word"]:
        return (12 if time["word"].lower() == "noon" else 0), 0, 0
    hour = int(time["hour"])
    if time["half"]:
        hour = hour % 12 + (12 if time["half"].lower().startswith("p") else 0)
    return hour, int(time["minute"] or 0), int(time["second"] or 0)


def _month(word: str) -> int:
    return int(word) if word.isdigit() else _MONTHS.index(word[:3].lower()) + 1


def _zone(text: str) -> tzinfo:
    """The zone that follows a time: `Z`, `UTC`, `PST`, `+02:00`, `(UTC+8)`, `(America/New_York)`;
    else UTC."""
    match = _ZONE.match(text)
    if match is None:
        return UTC
    if match["region"]:
        return _region(match["region"])
    name = (match["name"] or "").lower()
    if name in _REGIONS:
        return _region(_REGIONS[name])
    if match["offset"] and (not name or _OFFSETS_H.get(name) == 0):
        return _offset(match["offset"])
    return timezone(timedelta(hours=_OFFSETS_H.get(name, 0)))


def _offset(text: str) -> tzinfo:
    digits = text[1:].replace(":", "")
    hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
    minutes += hours * 60
    if minutes >= 24 * 60:
        return UTC
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


@lru_cache(maxsize=64)
def _region(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return UTC


# --- prose ----------------------------------------------------------------------------------------

_KEYWORD: Final = re.compile(
    r"try again|retry|retrying|resets?|wait|available|regain access|refresh(?:es)?|renews?"
    r"|replenish(?:es)?"
    r"|restored?|reset_?time|lifted|come back",
    re.IGNORECASE,
)
_KEYWORDS_MAX: Final = 20
_WINDOW_CHARS: Final = 120
"""How far behind a keyword its time is looked for."""
_ONE: Final = re.compile(r"(?:an?|one) (second|minute|hour|day|week)\b", re.IGNORECASE)
_BARE: Final = re.compile(
    r"[-_ ]?after[\"']?\s{0,2}[:=]?\s{0,2}(\d{1,9})(?![\d.:/-]|\s?[a-z])", re.IGNORECASE
)
_WORD: Final = re.compile(r"[a-z]+[\s:=\"'(]{1,3}|[\s:=\"'(]{1,3}", re.IGNORECASE)
_WORDS_MAX: Final = 6
_UNIX: Final = re.compile(r"\d{10}(?:\d{3})?(?![\d.])")


def in_prose(message: str, now_s: float | None) -> float | None:
    """Seconds from now: "try again in 1m2.5s", "will reset at 2026-08-17 02:56:15", "resets at 3pm
    (UTC)".

    Without a clock (`now_s` None) only durations are read. None where nothing is stated, or a date
    that is over.
    """
    for count, keyword in enumerate(_KEYWORD.finditer(message)):
        if count >= _KEYWORDS_MAX:
            break
        found = _behind(message[keyword.end() : keyword.end() + _WINDOW_CHARS], now_s)
        if found is not None:
            return found
    return None


def _behind(window: str, now_s: float | None) -> float | None:
    """The time in the words behind a keyword, with a few words between."""
    bare = _BARE.match(window)
    if bare is not None:
        return float(bare[1])
    place = 0
    for _ in range(_WORDS_MAX):
        found = _at(window[place:], now_s)
        if found is not None:
            return found
        word = _WORD.match(window, place)
        if word is None:
            return None
        place = word.end()
    return None


def _at(text: str, now_s: float | None) -> float | None:
    """The time that `text` begins with, as seconds from now."""
    duration, _ = _leading_duration(text)
    if duration is not None:
        return duration
    one = _ONE.match(text)
    if one is not None:
        return _unit_s(one[1])
    if now_s is None:
        return None
    unix = _UNIX.match(text)
    if unix is not None:
        found = _of_number(float(unix[0]), is_ms=False)
        return found.after(now_s) if found else None
    date = _written(text, now_s)
    if date is None or date.timestamp() <= now_s:
        return None
    return date.timestamp() - now_s
