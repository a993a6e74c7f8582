"""Errors to the client: Anthropic's body, types and statuses.

Claude Code decides by status and wording what to do next: it asks for a new sign-in on 401 and 403,
compacts the conversation when the prompt is too long, and stops where `retry-after` exceeds a
minute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import ceil, isfinite
from typing import Any, Final, NamedTuple

from gateway.hub.contracts import Refusal, Rendered

RETRY_AFTER_S_MAX: Final = 60
"""Above it Claude Code shows the error instead of waiting."""


class _Form(NamedTuple):
    """How an error is stated."""

    status: int
    type: str
    is_final: bool = False
    """Repeating cannot help: `x-should-retry` is false."""


_INVALID: Final = "invalid_request_error"
_BROKEN: Final = _Form(500, "api_error")
_OPERATOR: Final = _Form(500, "api_error", is_final=True)
"""A fault of the gateway's configuration or its accounts, which the client must not take for its
own."""

_BY_CODE: Final[Mapping[Any, _Form]] = {
    "insufficient_quota": _OPERATOR,
    "upstream_authentication_error": _OPERATOR,
    "upstream_model_not_found": _OPERATOR,
    "budget_exceeded": _Form(429, "rate_limit_error", is_final=True),
}
_BY_STATUS: Final[Mapping[int, _Form]] = {
    401: _Form(401, "authentication_error", is_final=True),
    402: _OPERATOR,
    403: _Form(403, "permission_error", is_final=True),
    404: _Form(404, "not_found_error"),
    413: _Form(413, "request_too_large"),
    429: _Form(429, "rate_limit_error"),
    502: _BROKEN,
    503: _Form(529, "overloaded_error"),
    504: _Form(504, "timeout_error"),
    529: _Form(529, "overloaded_error"),
}

_TOO_LONG: Final = "prompt is too long"
_LIMIT: Final = re.compile(r"(?:maximum|limit|window|up to)\D{0,40}(\d{1,15})", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d{1,15}")
_GROUPED: Final = re.compile(r"(?<=\d)[,_](?=\d{3})")
_KEY_HEADER: Final = re.compile(r"x-api-key", re.IGNORECASE)
"""Claude Code takes any error with this word, whatever its status, for its own sign-in and shows
only "Please run /login" (2.1.332). A provider means the gateway's key."""


def encode_error(refusal: Refusal, request_id: str) -> Rendered:
    """`refusal` as Anthropic states errors."""
    form = _form(refusal)
    headers = {name.lower(): value for name, value in refusal.headers.items()}
    if "retry-after" in headers:
        headers["retry-after"] = _retry_after(headers["retry-after"])
    if form.is_final:
        headers["x-should-retry"] = "false"
    return Rendered(form.status, {**error_body(refusal), "request_id": request_id}, headers)


def error_body(refusal: Refusal) -> dict[str, Any]:
    """The error object, as a body and as an event."""
    error: dict[str, Any] = {"type": _form(refusal).type, "message": _message(refusal)}
    facts = {"code": refusal.code, "param": refusal.param, **refusal.details}
    details = {key: value for key, value in facts.items() if value is not None}
    if details:
        error["details"] = details
    return {"type": "error", "error": error}


def _form(refusal: Refusal) -> _Form:
    found = _BY_CODE.get(refusal.code) or _BY_STATUS.get(refusal.status)
    if found is not None:
        return found
    return _BROKEN if refusal.status >= 500 else _Form(refusal.status, _INVALID)


def _retry_after(value: str) -> str:
    """Whole seconds from 1 to the limit; the limit for a date, which our own errors do not
    state."""
    try:
        wait_s = float(value)
    except ValueError:
        wait_s = RETRY_AFTER_S_MAX
    if not isfinite(wait_s):
        wait_s = RETRY_AFTER_S_MAX
    return str(min(max(ceil(wait_s), 1), RETRY_AFTER_S_MAX))


def _message(refusal: Refusal) -> str:
    """The words; those that clients look for come first, and the provider's own stay."""
    message = _KEY_HEADER.sub("API key", refusal.message)
    if refusal.code == "context_length_exceeded" and _TOO_LONG not in message.lower():
        return f"{_too_long(message)}. {message}"
    if refusal.status == 404 and refusal.code == "model_not_found":
        return message if message.startswith("model: ") else f"model: {message}"
    return message


def _too_long(message: str) -> str:
    """ "prompt is too long", with both numbers where the provider's words hold them."""
    plain = _GROUPED.sub("", message)
    found = _LIMIT.search(plain)
    limit = int(found[1]) if found else 0
    tokens = max((int(number) for number in _NUMBER.findall(plain)), default=0)
    if not limit or tokens <= limit:
        return _TOO_LONG
    return f"{_TOO_LONG}: {tokens} tokens > {limit} maximum"
