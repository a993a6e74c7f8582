"""Errors in this API's form: over HTTP, and inside a stream.

What a client does with an error depends on its status and code (measured with Codex): a 429 without
`retry-after` ends its turn, an overload code inside a stream is final while `server_error` is
repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.chat.errors import encode_error as error_object
from gateway.failures import Failure
from gateway.hub.contracts import Refusal, Rendered

OWN_NAMES: Final[Mapping[str, str]] = {
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "messages": "input",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
}
"""Fields of the hub → what this API's clients call them."""

RETRY_AFTER_S: Final[Mapping[int, int]] = {429: 60, 503: 5}
"""The wait in seconds that is stated with a status when none is known."""

_STATUSES: Final[Mapping[int, int]] = {529: 503}
"""Statuses that only one provider's clients know."""

_REPEATABLE: Final = "server_error"
_FINAL: Final = "invalid_prompt"
_IN_BAND: Final = frozenset(
    {
        "context_length_exceeded",
        "cyber_policy",
        "insufficient_quota",
        "invalid_prompt",
        "rate_limit_exceeded",
    }
)
"""Codes of a failed response that clients act on."""


def own_name(param: str | None) -> str | None:
    """A request field in this API's words. Places in the hub's messages are no places in the
    client's input."""
    if param is None:
        return None
    head = param.partition(".")[0].partition("[")[0]
    return OWN_NAMES.get(head, param)


def with_own_names(failure: Failure) -> Failure:
    """`failure` about the hub's chat as one about the client's request."""
    name = own_name(failure.param)
    if name == failure.param:
        return failure
    return failure.with_(
        param=name, message=failure.message.replace(f"'{failure.param}'", f"'{name}'")
    )


def encode_error(refusal: Refusal, request_id: str) -> Rendered:
    """`refusal` as OpenAI's API states errors; 429 and 503 always say when to come back."""
    status = _STATUSES.get(refusal.status, refusal.status)
    body = error_object(
        refusal.message,
        refusal.type,
        param=own_name(refusal.param),
        code=refusal.code,
        **refusal.details,
    )
    headers = dict(refusal.headers)
    if status in RETRY_AFTER_S:
        headers.setdefault("retry-after", str(RETRY_AFTER_S[status]))
    return Rendered(status, body, headers)


def in_band(refusal: Refusal) -> dict[str, Any]:
    """The fields of an `error` event: flat and nested at once, since clients read one or the
    other."""
    code = _in_band_code(refusal)
    error = {
        "type": refusal.type,
        "code": code,
        "message": _message(refusal, code),
        "param": own_name(refusal.param),
    }
    return {"code": code, "message": error["message"], "param": error["param"], "error": error}


def _in_band_code(refusal: Refusal) -> str:
    if refusal.code in _IN_BAND:
        return str(refusal.code)
    if refusal.type in _IN_BAND:
        return refusal.type
    return _FINAL if refusal.type == "invalid_request_error" else _REPEATABLE


def _message(refusal: Refusal, code: str) -> str:
    """Codex reads how long to wait from the words of the message."""
    wait = refusal.headers.get("retry-after")
    if code != "rate_limit_exceeded" or not wait or "try again in" in refusal.message.lower():
        return refusal.message
    return f"{refusal.message} Please try again in {wait}s."
