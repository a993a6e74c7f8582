"""When a provider says it may be asked again, in all the ways providers say it.

Every form ends as seconds from now. Sources: the providers' sheets in `docs/providers.md`; RFC 9110
section 10.2.3 for `Retry-After` ("a non-negative decimal integer indicating the seconds to delay",
or an HTTP date); the IETF drafts of `RateLimit` (`"default";r=0;t=30`, before that `limit=100,
remaining=0, reset=30`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from gateway.text.moments import Moment, duration_s, in_prose, moment

__all__ = ["duration_s", "empty_for_s", "retry_after_s", "seconds", "without_a_clock"]

RETRY_AFTER_S_MAX: Final = 400 * 86_400.0
"""A longer time is cut to this; the breaker cuts it again, to `breaker.maxCooldownSeconds`."""

_EXPLICIT: Final = (
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "x-retry-after-ms",
    "retry-after",
    "x-retry-after",
)
"""Headers that state the time to wait, the most exact first."""
_UNIFIED: Final = "-ratelimit-unified"
"""Limits of a subscription, which state a time whether they are reached or not: only `-status` says
so."""


class _Bucket(NamedTuple):
    """One limit that a provider counts."""

    remaining: float | None
    """None where it is not stated."""
    reset: str
    name: str


def retry_after_s(
    headers: Mapping[str, str], now_s: float, message: str = "", body: Any = None
) -> float | None:
    """Seconds until the provider may be asked again, or None if it does not say.

    `headers` has lower-case names, `now_s` is Unix time, `body` is the parsed error. An explicit
    time wins; then the resets of the buckets that are empty (the latest of them); then the words of
    `message`; then a reset of a bucket whose content is not stated.
    """
    for name in _EXPLICIT:
        after = _value(headers[name], name, now_s) if name in headers else None
        if after is not None:
            return after
    for found in _fields(body) if body else ():
        after = _clamped(found.after(now_s))
        if after is not None:
            return after
    buckets = _buckets(headers) if headers else []
    reached = _rejected(headers) if headers else []
    empty = [each for each in buckets if each.remaining is not None and each.remaining <= 0]
    # after a refusal, a bucket whose content is not stated is the empty one
    unstated = [each for each in buckets if each.remaining is None]
    return (
        (_latest(reached, now_s) if reached else None)
        or (_latest(empty, now_s) if empty else None)
        or _clamped(in_prose(message, now_s))
        or (_latest(unstated, now_s) if unstated else None)
    )


def empty_for_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds until every empty bucket is filled again; None when no bucket is known to be empty.

    Also true of a good answer: the next call would get a 429, so the model can be skipped before
    it.
    """
    buckets = _buckets(headers)
    empty = [each for each in buckets if each.remaining is not None and each.remaining <= 0]
    return _latest(empty, now_s) if empty else None


def without_a_clock(message: str, body: Any) -> tuple[float | None, float | None]:
    """(seconds from now, Unix time) of an error whose reader has no clock; one of them, or
    neither."""
    for found in _fields(body):
        if found.in_s is not None or found.at_s is not None:
            return _clamped(found.in_s), found.at_s
    return _clamped(in_prose(message, None)), None


def seconds(text: str | None, now_s: float) -> float | None:
    """Seconds from now: `7`, `7.66s`, `6m0s`, `20ms`, an HTTP date, an RFC 3339 date, Unix time in
    s or ms."""
    found = moment(text)
    return _clamped(found.after(now_s)) if found is not None else None


# --- headers --------------------------------------------------------------------------------------


def _value(text: str | None, name: str, now_s: float) -> float | None:
    """The seconds that a header states; its name may state the unit."""
    if not text:
        return None
    found = moment(text, is_ms=name.endswith("-ms"))
    return _clamped(found.after(now_s)) if found is not None else None


def _buckets(headers: Mapping[str, str]) -> list[_Bucket]:
    """Every pair of `…remaining…` and `…reset…`, by whatever prefix and suffix a vendor names
    them."""
    buckets: list[_Bucket] = []
    for name, value in headers.items():
        if "ratelimit" not in name and "rate-limit" not in name:
            continue
        if name in ("ratelimit", "x-ratelimit"):
            buckets += _of_a_draft(value)
        elif "reset" in name and _UNIFIED not in name:
            remaining = _number(headers.get(name.replace("reset", "remaining")))
            buckets.append(_Bucket(remaining, value, name))
    return buckets


def _of_a_draft(value: str) -> Iterator[_Bucket]:
    """The IETF drafts of `RateLimit`, of which each has had a form of its own."""
    items = value[:2000].split(",")
    if ";" not in value:
        facts = dict(_pair(item) for item in items)
        yield _Bucket(_number(facts.get("remaining")), facts.get("reset", ""), "ratelimit")
        return
    for item in items:
        facts = dict(_pair(each) for each in item.split(";"))
        yield _Bucket(_number(facts.get("r")), facts.get("t", ""), "ratelimit")


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.strip().partition("=")
    return name.strip().lower(), value.strip().strip('"')


def _rejected(headers: Mapping[str, str]) -> list[_Bucket]:
    """The limits of a subscription that are reached: the one that speaks for all, and each window
    of its own."""
    reached = [name for name in headers if _UNIFIED in name and headers[name] == "rejected"]
    resets = [name.removesuffix("status") + "reset" for name in reached]
    return [_Bucket(0, headers.get(name, ""), name) for name in resets]


def _latest(buckets: list[_Bucket], now_s: float) -> float | None:
    latest_s: float | None = None
    for each in buckets:
        wait_s = _value(each.reset, each.name, now_s)
        if wait_s and (latest_s is None or wait_s > latest_s):
            latest_s = wait_s
    return latest_s


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


# --- the body -------------------------------------------------------------------------------------

_AFTER: Final = (
    "retry_after_ms", "retryafterms", "retry_after", "retryafter", "retry_after_seconds",
    "retryafterseconds",
    "retry_in", "retry_in_seconds", "resets_in_seconds", "reset_in_seconds", "resets_in",
    "reset_in",
    "reset_after", "resets_after", "reset_after_seconds", "resetsinseconds", "wait_seconds",
    "retry_delay",
    "retrydelay",
)  # fmt: skip
"""Fields that state a time from now."""
_AT: Final = (
    "resets_at", "reset_at", "resetsat", "resetat", "reset_time", "resettime", "retry_at",
    "available_at", "reset",
    "quotaresettimestamp", "quotaresetdelay",
)  # fmt: skip
"""Fields that state a date, or Unix time."""
_STATING: Final = {name: place for place, name in enumerate((*_AFTER, *_AT))}
"""All of them, in the order in which they count."""
_UNIT: Final = re.compile(r"_?ms$")


def _fields(body: Any) -> list[Moment]:
    """What the fields of an error state, of the innermost object first."""
    found: list[Moment] = []
    for table in _tables(body):
        lowered = {str(key).lower(): value for key, value in table.items()}
        stating = _STATING.keys() & lowered.keys()
        for name in sorted(stating, key=_STATING.__getitem__) if stating else ():
            stated = _of_a_field(name, lowered[name])
            if stated is not None:
                found.append(stated)
    return found


def _of_a_field(name: str, value: Any) -> Moment | None:
    if isinstance(value, Mapping):  # a protobuf Duration as an object
        value = value.get("seconds")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return moment(str(value), is_ms=_UNIT.search(name) is not None)


_INNER: Final = ("metadata", "details", "rate_limit", "data")


def _tables(body: Any) -> list[Mapping[str, Any]]:
    """The objects of an error where a time may be: the error, its details and metadata, the body
    around it."""
    if not isinstance(body, Mapping):
        return []
    error = body.get("error")
    tables: list[Mapping[str, Any]] = []
    for holder in (error, body):
        if isinstance(holder, Mapping) and holder:
            tables.append(holder)
            for key in _INNER:
                if key in holder:
                    tables += _listed(holder[key])
    return tables


def _listed(value: Any) -> list[Mapping[str, Any]]:
    items = value[:20] if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, Mapping)]


def _clamped(value_s: float | None) -> float | None:
    """A time that a clock can hold; None for one that is not a time."""
    if value_s is None or value_s != value_s or value_s < 0:
        return None
    return min(value_s, RETRY_AFTER_S_MAX)
