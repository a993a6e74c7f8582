"""Errors: `{"error": {"code", "message", "status", "details": [...]}}`, sometimes inside a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialects.chat.errors import decode_error as decode_any_error
from gateway.dialects.chat.errors import decode_error_value as decode_any_value
from gateway.dialects.chat.errors import loads
from gateway.failures import Failure, Kind
from gateway.ratelimits import duration_s

_STATUS: Final[Mapping[str, Kind]] = {
    "RESOURCE_EXHAUSTED": Kind.RATE_LIMIT,
    "UNAVAILABLE": Kind.OVERLOADED,
    "UNAUTHENTICATED": Kind.CREDENTIAL,
    "PERMISSION_DENIED": Kind.CREDENTIAL,
    "FAILED_PRECONDITION": Kind.CREDENTIAL,
    "NOT_FOUND": Kind.MODEL_UNKNOWN,
    "DEADLINE_EXCEEDED": Kind.TIMEOUT,
    "INTERNAL": Kind.UNAVAILABLE,
    "CANCELLED": Kind.UNAVAILABLE,
}
_PER_DAY_S: Final = 3600.0
"""A daily quota says no time to wait for; an hour is asked at most 24 times in vain."""
_UNKNOWN_NAME: Final = 'Unknown name "'


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
    kind = _STATUS.get(status, failure.kind)
    if any(detail.get("reason") == "API_KEY_INVALID" for detail in details):
        kind = Kind.CREDENTIAL
    if failure.kind in (Kind.CONTEXT_TOO_LONG, Kind.QUOTA):
        kind = failure.kind
    return failure.with_(
        kind=kind,
        code=status or failure.code,
        retry_after_s=_retry_s(details) or failure.retry_after_s or _per_day(details),
        param=failure.param or _unknown_name(failure.message),
    )


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for detail in error.get("details") or ():
        if isinstance(detail, Mapping):
            yield detail


def _retry_s(details: list[Mapping[str, Any]]) -> float | None:
    for detail in details:
        if isinstance(detail.get("retryDelay"), str):
            return duration_s(detail["retryDelay"])
    return None


def _per_day(details: list[Mapping[str, Any]]) -> float | None:
    quotas = [str(violation.get("quotaId")) for detail in details for violation in detail.get("violations") or ()]
    return _PER_DAY_S if any("PerDay" in quota for quota in quotas) else None


def _unknown_name(message: str) -> str | None:
    """`Invalid JSON payload received. Unknown name "x" at …`"""
    _, found, rest = message.partition(_UNKNOWN_NAME)
    return rest.partition('"')[0] if found else None
