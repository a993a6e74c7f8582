"""The error that a client receives when no model answered.

A provider's 401, 403, 404 or 529 is never relayed as the client's own status: an SDK would call the
client's key wrong. The verdict of the failure that speaks for all decides; the message names
provider, status and every attempt.
"""

from __future__ import annotations

from math import ceil
from typing import Any, Final

from gateway.failures import Exhausted, Failure, Kind
from gateway.hub.contracts import Refusal
from gateway.inbound.http import HttpError
from gateway.redact import redact
from gateway.types import Attempt, Call, Model, Skipped

RETRY_AFTER_S_MAX: Final = 120
"""Official SDKs wait no longer than this; a longer wait is stated, but not recommended."""

_OWN_CODE: Final = frozenset(
    {
        Kind.INVALID_REQUEST,
        Kind.UNSUPPORTED,
        Kind.POLICY,
        Kind.BAD_OUTPUT,
        Kind.REQUEST_DENIED,
        Kind.TRANSLATION_REFUSED,
    }
)
"""Kinds where the provider's own code says more than ours."""


def of_exhausted(error: Exhausted, call: Call) -> HttpError:
    """The final error of a call."""
    speaker = error.speaker()
    verdict = speaker.verdict
    headers = {"x-should-retry": _should_retry(speaker, error.retry_after_s)}
    if error.retry_after_s is not None and verdict.status in (429, 503):
        headers["retry-after"] = str(max(1, ceil(error.retry_after_s)))
    return HttpError(
        verdict.status,
        redact(_message(error, call)),
        type_=verdict.type,
        code=_code(speaker),
        param=speaker.param,
        headers=headers,
        **_details(speaker, call),
    )


def of_refusal(refusal: Refusal) -> HttpError:
    """The error of a call that a limit refuses."""
    status, message, type_, code, param, headers, details = refusal
    return HttpError(
        status, message, type_=type_, code=code, param=param, headers=headers, **details
    )


def in_band(failure: Failure, attempt: Attempt) -> Refusal:
    """The error event that ends a broken stream."""
    verdict = failure.verdict
    code = "upstream_stream_error" if verdict.code in (None, "upstream_error") else verdict.code
    message = redact(f"{attempt.model.provider.name}: {failure.message}")
    return Refusal(
        verdict.status,
        message,
        verdict.type,
        code,
        details={"upstream": _upstream(failure, attempt)},
    )


def _code(failure: Failure) -> str | None:
    if failure.kind in _OWN_CODE and failure.code and not failure.code.isdigit():
        return failure.code
    return failure.verdict.code


def _should_retry(speaker: Failure, retry_after_s: float | None) -> str:
    """Our own rounds are over: a client's repetition helps only where a time to wait for is
    known."""
    wait_is_known = retry_after_s is not None and retry_after_s <= RETRY_AFTER_S_MAX
    return "true" if wait_is_known and speaker.verdict.should_retry else "false"


def _message(error: Exhausted, call: Call) -> str:
    failed = [attempt for attempt in call.attempts if attempt.failure is not None]
    if len(failed) == 1 and not call.skipped:
        message = error.failures[0].message
        return message if failed[0].native else f"{failed[0].model.provider.name}: {message}"
    lines = [_line(attempt, attempt.failure) for attempt in failed if attempt.failure is not None]
    lines += [_skipped(skipped) for skipped in call.skipped]
    wait = (
        f" The first may be tried again in {ceil(error.retry_after_s)} s."
        if error.retry_after_s
        else ""
    )
    return f"no model of agent {call.agent.name!r} could answer: {'; '.join(lines)}.{wait}"


def _line(attempt: Attempt, failure: Failure) -> str:
    return f"{_who(attempt.model)}: {failure.brief()}: {failure.message[:300]}"


def _skipped(skipped: Skipped) -> str:
    """Why a model was not tried."""
    failure = skipped.failure
    if failure is None:
        return f"{_who(skipped.model)} is at its maxConcurrent limit"
    state = "is cooling down" if skipped.remaining_s > 0 else "is being probed by another call"
    return f"{_who(skipped.model)} {state} after {failure.brief()}: {failure.message[:300]}"


def _who(model: Model) -> str:
    return f"{model.name} ({model.provider.name})"


def _details(speaker: Failure, call: Call) -> dict[str, Any]:
    attempt = next((attempt for attempt in call.attempts if attempt.failure is speaker), None)
    details: dict[str, Any] = {"attempts": call.briefs()}
    if attempt is not None:
        details["upstream"] = _upstream(speaker, attempt)
    return details


def _upstream(failure: Failure, attempt: Attempt) -> dict[str, Any]:
    facts = {
        "provider": attempt.model.provider.name,
        "model": attempt.model.model_id,
        "status": failure.status,
        "type": failure.type,
        "code": failure.code,
        "request_id": failure.request_id,
    }
    return {key: value for key, value in facts.items() if value is not None}
