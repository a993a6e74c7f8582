"""Errors: `{"error": {"code", "message", "status", "details": [...]}}`, sometimes inside a list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialects.chat.errors import decode_any_error, loads
from gateway.dialects.chat.errors import decode_error_value as decode_any_value
from gateway.failures import Failure, Kind, classify
from gateway.hub.contracts import REPLAYED
from gateway.text.quotes import own_words
from gateway.text.ratelimits import duration_s
from gateway.text.subjects import names_a_thing

_STATUS: Final[Mapping[str, Kind]] = {
    "RESOURCE_EXHAUSTED": Kind.RATE_LIMIT,
    "UNAVAILABLE": Kind.OVERLOADED,
    "UNAUTHENTICATED": Kind.CREDENTIAL,
    "DEADLINE_EXCEEDED": Kind.TIMEOUT,
    "INTERNAL": Kind.UNAVAILABLE,
    "CANCELLED": Kind.UNAVAILABLE,
}
_STATUS_NUMBER: Final[Mapping[str, int]] = {
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
}
"""Statuses that are about the key, the model or one request; the words decide."""
_REASONS: Final[Mapping[str, Kind]] = {
    "API_KEY_INVALID": Kind.CREDENTIAL,
    "API_KEY_EXPIRED": Kind.CREDENTIAL,
    "API_KEY_SERVICE_BLOCKED": Kind.CREDENTIAL,
    "API_KEY_HTTP_REFERRER_BLOCKED": Kind.CREDENTIAL,
    "API_KEY_IP_ADDRESS_BLOCKED": Kind.CREDENTIAL,
    "SERVICE_DISABLED": Kind.CREDENTIAL,
    "CONSUMER_INVALID": Kind.CREDENTIAL,
    "CONSUMER_SUSPENDED": Kind.CREDENTIAL,
    "ACCESS_TOKEN_EXPIRED": Kind.CREDENTIAL,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": Kind.CREDENTIAL,
    "BILLING_DISABLED": Kind.QUOTA,
}
"""`ErrorInfo.reason` (google.api.ErrorReason), which says more than the status."""
_OF_THE_ACCOUNT: Final = re.compile(
    r"location|billing|\bplan\b|free tier|project|account|api key", re.IGNORECASE
)
"""A failed precondition of the account, where nothing else is named; any other is one of the
request: a file that is not yet active."""
_PER_DAY_S: Final = 3600.0
"""A daily quota states half a minute at most, or nothing; an hour is asked at most 24 times in
vain."""
_NO_MONEY: Final = re.compile(
    r"prepay|credits? .{0,20}(depleted|exhausted)|spend(ing)? (cap|limit)", re.IGNORECASE
)
_TOO_LARGE: Final = re.compile(r"request payload size exceeds", re.IGNORECASE)
_CANNOT: Final = re.compile(
    (
        r"is not (enabled|supported) (for|by|in)|is unsupported|only works in thinking mode"
        r"|thought[ "
        r"_]signature"
    ),
    re.IGNORECASE,
)
"""Errors about what this one model does not do, or does not take from another: the next one may."""
_REPLAYED: Final = re.compile(
    r"(?:corrupted|invalid) thought[ _]signature|thought[ _]signature is (?:not valid|invalid)",
    re.IGNORECASE,
)
"""It refuses a signature of an earlier turn, for instance one of another account's."""
_UNKNOWN_NAME: Final = 'Invalid JSON payload received. Unknown name "'
_READ_CHARS: Final = 2000
"""Of an error's message."""


def decode_error(status: int, headers: Mapping[str, str], body: bytes, now_s: float) -> Failure:
    """An error answer as a `Failure`; `RetryInfo` becomes the retry time."""
    return _sharpened(decode_any_error(status, headers, body, now_s), loads(body))


def decode_error_value(value: Any, status: int | None) -> Failure:
    """An error inside a 200 as a `Failure`."""
    return _sharpened(decode_any_value(value, status), value)


def _sharpened(failure: Failure, value: Any) -> Failure:
    if isinstance(value, list) and value:
        value = value[0]
    error = value.get("error") if isinstance(value, Mapping) else None
    if not isinstance(error, Mapping):
        return failure
    details = list(_details(error))
    status = str(error.get("status") or "")
    return failure.with_(
        kind=_kind(failure, status, details),
        code=status or failure.code,
        retry_after_s=_per_day(details) or _retry_s(details) or failure.retry_after_s,
        param=failure.param or _named(failure.message),
    )


def _kind(failure: Failure, status: str, details: list[Mapping[str, Any]]) -> Kind:
    if failure.kind is Kind.CONTEXT_TOO_LONG:
        return failure.kind
    reason = next((str(detail["reason"]) for detail in details if detail.get("reason")), "")
    if reason in _REASONS:
        return _REASONS[reason]
    if failure.kind in (Kind.QUOTA, Kind.CANNOT_AFFORD) and failure.status != 429:
        return failure.kind
    if status == "RESOURCE_EXHAUSTED" and _NO_MONEY.search(own_words(failure.message)):
        # Only these words tell: "You exceeded your current quota, please check your plan and
        # billing details" opens every rate limit too, that of a minute and of one model.
        return Kind.QUOTA
    kind = _STATUS.get(status) or _by_words(failure, status)
    if kind is Kind.INVALID_REQUEST and _TOO_LARGE.search(failure.message):
        return Kind.TOO_LARGE
    if kind is Kind.INVALID_REQUEST and _CANNOT.search(failure.message):
        return Kind.UNSUPPORTED
    return kind


def _by_words(failure: Failure, status: str) -> Kind:
    if status == "FAILED_PRECONDITION":
        own = own_words(failure.message)
        is_of_account = _OF_THE_ACCOUNT.search(own) and not names_a_thing(own)
        return Kind.CREDENTIAL if is_of_account else Kind.REQUEST_DENIED
    if status in _STATUS_NUMBER and failure.status != _STATUS_NUMBER[status]:
        return classify(_STATUS_NUMBER[status], None, failure.message)
    return failure.kind


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, Mapping):
            yield detail


def _retry_s(details: list[Mapping[str, Any]]) -> float | None:
    for detail in details:
        if isinstance(detail.get("retryDelay"), str):
            return duration_s(detail["retryDelay"])
    return None


def _per_day(details: list[Mapping[str, Any]]) -> float | None:
    """A wait for a quota of the day, whose `RetryInfo` speaks of seconds all the same; None for any
    other quota."""
    if not any("PerDay" in str(detail.get("violations")) for detail in details):
        return None
    return max(_PER_DAY_S, _retry_s(details) or 0)


def _named(message: str) -> str | None:
    """The field that an error names: `Invalid JSON payload received. Unknown name "x" at …`, or
    signatures."""
    if _REPLAYED.search(message[:_READ_CHARS]):
        return REPLAYED
    if not message.startswith(_UNKNOWN_NAME):
        return None
    return message[len(_UNKNOWN_NAME) :].partition('"')[0]
