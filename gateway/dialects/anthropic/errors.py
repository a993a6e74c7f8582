"""Errors: `{"type": "error", "error": {"type", "message", "details"?}, "request_id"}`, as an answer or as an event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.chat.errors import decode_error as decode_any_error
from gateway.dialects.chat.errors import decode_error_value as decode_any_value
from gateway.failures import Failure, Kind

_STATUS: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status of every error type: an error inside a stream comes without one."""

_DETAILS: Final[Mapping[str, Kind]] = {
    "organization_on_hold": Kind.QUOTA,
    "enforced_spend_limit_reached": Kind.QUOTA,
    "contract_spend_limit_reached": Kind.QUOTA,
    "ramp_limit_exceeded": Kind.RATE_LIMIT,
}
_EXTRA_INPUT: Final = re.compile(r"([\w.]+): Extra inputs are not permitted|`?(\w+)`? is not supported", re.IGNORECASE)
_EFFORT: Final = re.compile(r"does not support effort level", re.IGNORECASE)


def decode_error(status: int, headers: Mapping[str, str], body: bytes, now_s: float) -> Failure:
    """An error answer as a `Failure`. `anthropic-ratelimit-*` resets and `retry-after` become the retry time."""
    return _sharpened(decode_any_error(status, headers, body, now_s), {})


def decode_error_value(value: Mapping[str, Any], status: int | None) -> Failure:
    """An error event as a `Failure`; its type says the status it would have had."""
    error = value.get("error") or {}
    failure = decode_any_value(value, status or _STATUS.get(error.get("type", ""), 500))
    return _sharpened(failure.with_(request_id=value.get("request_id")), error.get("details") or {})


def _sharpened(failure: Failure, details: Mapping[str, Any]) -> Failure:
    kind = _DETAILS.get(details.get("error_code", ""))
    if kind is not None:
        return failure.with_(kind=kind)
    if failure.kind is Kind.INVALID_REQUEST and failure.param is None:
        match = _EXTRA_INPUT.search(failure.message)
        if match:
            return failure.with_(param=(match[1] or match[2]).split(".")[0])
        if _EFFORT.search(failure.message):
            return failure.with_(param="output_config")
    return failure
