"""When a provider says it may be asked again, in all the ways providers say it.

Every form ends as seconds from now. Sources: the providers' sheets in `docs/providers.md`; RFC 9110 section 10.2.3 for
`Retry-After` ("a non-negative decimal integer indicating the seconds to delay", or an HTTP date).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_S: Final = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PROSE: Final = re.compile(
    r"(?:try again|retry|resets?|wait)\b(?:\s+[a-z]+){0,3}?\s+"
    r"((?:\d+(?:\.\d+)?\s*(?:ms|milli\w*|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)(?![a-z])[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
_IN_WORDS: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milli|[smhd])", re.IGNORECASE)
_UNIX_MS_FROM: Final = 1e11
"""A number beyond this is Unix time in milliseconds; the same in seconds would be the year 5138."""
_UNIX_S_FROM: Final = 1e8

_BUCKETS: Final = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-ratelimit-remaining-requests-day", "x-ratelimit-reset-requests-day"),
    ("x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset-tokens-minute"),
    ("ratelimit-remaining", "ratelimit-reset"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
)
"""(what is left, when it is full again), one pair per bucket a provider counts."""
_REMAINING: Final = frozenset(remaining for remaining, _ in _BUCKETS)


def retry_after_s(headers: Mapping[str, str], now_s: float, message: str = "") -> float | None:
    """Seconds until the provider may be asked again, or None if it does not say.

    `headers` has lower-case names, `now_s` is Unix time. An explicit retry time wins; then the resets of the buckets
    that are empty (the latest of them); then the words of `message`; then a reset without a count of what is left.
    """
    stated = _number(headers.get("retry-after-ms"))
    if stated is not None and stated > 0:
        return stated / 1000
    after = seconds(headers.get("retry-after"), now_s)
    if after is not None:
        return after
    if headers.get("anthropic-ratelimit-unified-status") == "rejected":
        return seconds(headers.get("anthropic-ratelimit-unified-reset"), now_s)
    return empty_for_s(headers, now_s) or _of_prose(message) or _reset_alone_s(headers, now_s)


def empty_for_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds until every empty bucket is filled again; None when no bucket is known to be empty.

    Also true on a good answer: the next call would earn a 429, so the model can be left before it.
    """
    if _REMAINING.isdisjoint(headers):
        return None
    waits = [
        seconds(headers.get(reset), now_s) for remaining, reset in _BUCKETS if _number(headers.get(remaining)) == 0
    ]
    stated = [wait for wait in waits if wait is not None and wait > 0]
    return max(stated) if stated else None


def _reset_alone_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """After a refusal, a bucket whose content is not told is the empty one."""
    waits = [seconds(headers.get(reset), now_s) for remaining, reset in _BUCKETS if remaining not in headers]
    stated = [wait for wait in waits if wait is not None and wait > 0]
    return max(stated) if stated else None


def seconds(text: str | None, now_s: float) -> float | None:
    """Seconds from now: `7`, `7.66s`, `6m0s`, `20ms`, an HTTP date, an RFC 3339 date, Unix time in s or ms."""
    if not text:
        return None
    text = text.strip()
    number = _number(text)
    if number is not None:
        return _of_number(number, now_s)
    duration = duration_s(text)
    if duration is not None:
        return duration
    date = _date(text)
    return max(0.0, date.timestamp() - now_s) if date else None


def duration_s(text: str) -> float | None:
    """`34.07s`, `6m0s`, `18h31m10s`, `20ms` as seconds; None for anything else."""
    compact = text.replace(" ", "")
    if not compact or _DURATION.sub("", compact):
        return None
    return sum(float(amount) * _UNIT_S[unit] for amount, unit in _DURATION.findall(compact))


def _of_number(number: float, now_s: float) -> float | None:
    if number >= _UNIX_MS_FROM:
        return max(0.0, number / 1000 - now_s)
    if number >= _UNIX_S_FROM:
        return max(0.0, number - now_s)
    return number if number >= 0 else None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _date(text: str) -> datetime | None:
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = parse(text)
        except (ValueError, TypeError):
            continue
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None


def _of_prose(message: str) -> float | None:
    match = _PROSE.search(message)
    if match is None:
        return None
    return sum(float(amount) * _UNIT_S[unit.lower()] for amount, unit in _IN_WORDS.findall(match[1]))
