"""Errors: `{"type": "error", "error": {"type", "message", "details"?}, "request_id"}`, as an answer
or as an event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.chat.errors import decode_any_error, loads
from gateway.dialects.chat.errors import decode_error_value as decode_any_value
from gateway.failures import Failure, Kind
from gateway.hub.contracts import REPLAYED
from gateway.hub.shapes import table

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

_CODES: Final[Mapping[str, Kind]] = {
    "organization_on_hold": Kind.QUOTA,
    "enforced_spend_limit_reached": Kind.QUOTA,
    "contract_spend_limit_reached": Kind.QUOTA,
    "linked_organization_spend_limit_reached": Kind.QUOTA,
    "linked_organization_billing_unavailable": Kind.QUOTA,
    "ramp_limit_exceeded": Kind.RATE_LIMIT,
    "request_body_too_large_after_decoding": Kind.TOO_LARGE,
}
"""`details.error_code`, which says more than the type."""

_WORDS: Final[tuple[tuple[re.Pattern[str], Kind], ...]] = (
    (re.compile(r"extra usage is required for long context", re.IGNORECASE), Kind.TOO_LARGE),
    (re.compile(r"blocked by content filtering", re.IGNORECASE), Kind.POLICY),
    (
        re.compile(
            r"model does not support|not supported (for|on|by|with) (this|the) model|specified "
            r"for this model"
            r"|schema is too complex|grammar is too large",
            re.IGNORECASE,
        ),
        Kind.UNSUPPORTED,
    ),
)
"""The cases that Anthropic calls an `invalid_request_error` although the request is not at fault.
Only the prose distinguishes them."""

_EXTRA_INPUT: Final = re.compile(
    r"(?<![\w.])(?:([\w.]+): Extra inputs are not permitted|([\w.]+)[`\"']? is not supported)",
    re.IGNORECASE,
)
_EFFORT: Final = re.compile(r"does not support effort level", re.IGNORECASE)
_REPLAYED: Final = re.compile(
    r"`signature`|`thinking` or `redacted_thinking`|cannot contain `thinking`|thinking block "
    r"must contain"
    r"|bound to a different conversation",
    re.IGNORECASE,
)
"""Thinking that went back is checked: Anthropic refuses it when it, or the text before it, has
changed."""


def decode_error(status: int, headers: Mapping[str, str], body: bytes, now_s: float) -> Failure:
    """An error answer as a `Failure`. `anthropic-ratelimit-*` resets and `retry-after` become the
    retry time."""
    return _sharpened(decode_any_error(status, headers, body, now_s), loads(body))


def decode_error_value(value: Mapping[str, Any], status: int | None) -> Failure:
    """An error event as a `Failure`; its type says the status it would have had."""
    stated = table(value, "error").get("type", "")
    return _sharpened(decode_any_value(value, status or _STATUS.get(stated, 500)), value)


def _sharpened(failure: Failure, value: Any) -> Failure:
    code = table(table(value, "error"), "details").get("error_code")
    if failure.request_id is None and isinstance(value, Mapping):
        failure = failure.with_(request_id=value.get("request_id"))
    if isinstance(code, str) and code:
        failure = failure.with_(code=code, kind=_CODES.get(code, failure.kind))
    if failure.kind not in (Kind.INVALID_REQUEST, Kind.UNSUPPORTED, Kind.RATE_LIMIT):
        return failure
    kind = next((kind for words, kind in _WORDS if words.search(failure.message)), failure.kind)
    return failure.with_(kind=kind, param=failure.param or _field_in(failure.message))


def _field_in(message: str) -> str | None:
    """The request field that a message objects to."""
    if _REPLAYED.search(message):
        return REPLAYED
    match = _EXTRA_INPUT.search(message)
    if match:
        return (match[1] or match[2]).split(".")[0]
    return "output_config.effort" if _EFFORT.search(message) else None
