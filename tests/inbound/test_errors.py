"""The error when no model answered: never the provider's own status, always who said
what."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects import INBOUND
from gateway.failures import VERDICTS, Exhausted, Failure, Kind
from gateway.hub.contracts import Refusal
from gateway.inbound.errors import in_band, of_exhausted
from gateway.inbound.http import HttpError
from gateway.types import Attempt, Call, Skipped
from tests.makers import call, model

SONNET, LOCAL = model(name="sonnet"), model("custom", name="local")
LIMITED = Failure(Kind.RATE_LIMIT, "slow down", status=429)


def rendered(error: HttpError) -> dict[str, Any]:
    """The error object that a client of chat completions is sent."""
    body: dict[str, Any] = dict(INBOUND["chat"].encode_error(error.refusal, "req_1").body["error"])
    return body


def answered(
    *failures: Failure, retry_after_s: float | None = None
) -> tuple[Refusal, dict[str, Any], Call]:
    asked = call(SONNET, LOCAL)
    models = [SONNET, LOCAL]
    asked.attempts = [
        Attempt(models[n % 2], n + 1, failure=failure) for n, failure in enumerate(failures)
    ]
    error = of_exhausted(Exhausted(failures, retry_after_s), asked)
    return error.refusal, rendered(error), asked


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_has_a_status_of_its_own(kind: Kind) -> None:
    error, body, _ = answered(Failure(kind, "why", status=418))
    verdict = VERDICTS[kind]
    assert (error.status, body["type"], body["code"]) == (
        verdict.status,
        verdict.type,
        verdict.code,
    )
    assert error.status not in (401, 403, 404, 529)


@pytest.mark.parametrize("status", [401, 403])
def test_a_providers_refusal_of_our_key_is_not_a_401(status: int) -> None:
    error, body, _ = answered(
        Failure(Kind.CREDENTIAL, "bad key sk-abcdef123456", status=status, request_id="req_9")
    )
    assert error.status == 502
    assert body["code"] == "upstream_authentication_error"
    assert body["upstream"] == {
        "provider": "anthropic", "model": "claude-sonnet-5", "status": status,
        "request_id": "req_9",
    }  # fmt: skip
    assert "sk-abcdef" not in repr(error)
    assert "***" in body["message"]


def test_a_single_failure_keeps_the_providers_message() -> None:
    _, body, _ = answered(
        Failure(Kind.INVALID_REQUEST, "max_tokens: too large", status=400, param="max_tokens")
    )
    assert body["message"] == "anthropic: max_tokens: too large"
    assert body["param"] == "max_tokens"


def test_several_are_all_named() -> None:
    error, body, _ = answered(LIMITED, Failure(Kind.TIMEOUT, "too slow"), retry_after_s=6.2)
    assert error.status == 429
    assert body["message"] == (
        "no model of agent 'dev' could answer: sonnet (anthropic): 429 rate limit: slow down; "
        "local (custom): timeout: too slow. The first may be tried again in 7 s."
    )
    assert body["attempts"] == ["sonnet;429", "local;timeout"]


@pytest.mark.parametrize(
    ("skipped", "said", "brief"),
    [
        (
            Skipped(SONNET, 29.5, LIMITED),
            "sonnet (anthropic) is cooling down after 429 rate limit: slow down",
            "sonnet;cooldown=30",
        ),
        (
            Skipped(SONNET, 0.0, LIMITED),
            "sonnet (anthropic) is being probed by another call",
            "sonnet;probing",
        ),
        (Skipped(SONNET, 0.0), "sonnet (anthropic) is at its maxConcurrent limit", "sonnet;busy"),
    ],
)
def test_a_model_that_was_not_tried_is_named_with_its_reason(
    skipped: Skipped, said: str, brief: str
) -> None:
    asked = call(SONNET)
    asked.skipped = [skipped]
    body = rendered(of_exhausted(Exhausted([LIMITED], 30.0), asked))
    assert said in body["message"]
    assert (body["attempts"], asked.tried()) == ([brief], brief)


@pytest.mark.parametrize(
    ("kind", "retry_after_s", "headers"),
    [
        (Kind.RATE_LIMIT, 0.2, {"retry-after": "1", "x-should-retry": "true"}),
        (Kind.RATE_LIMIT, 120.0, {"retry-after": "120", "x-should-retry": "true"}),
        (Kind.RATE_LIMIT, 121.0, {"retry-after": "121", "x-should-retry": "false"}),
        (Kind.RATE_LIMIT, None, {"x-should-retry": "false"}),
        (Kind.OVERLOADED, 7.0, {"retry-after": "7", "x-should-retry": "true"}),
        (Kind.QUOTA, 7.0, {"retry-after": "7", "x-should-retry": "false"}),
        (Kind.UNAVAILABLE, 7.0, {"x-should-retry": "true"}),
        (Kind.INVALID_REQUEST, None, {"x-should-retry": "false"}),
    ],
)
def test_whether_to_come_back(
    kind: Kind, retry_after_s: float | None, headers: dict[str, str]
) -> None:
    error, _, _ = answered(Failure(kind, "why"), retry_after_s=retry_after_s)
    assert dict(error.headers) == headers


def test_of_all_failures_the_likeliest_to_recover_is_reported() -> None:
    assert answered(Failure(Kind.CREDENTIAL, "no", status=401), LIMITED)[0].status == 429
    assert (
        answered(LIMITED, Failure(Kind.POLICY, "refused", status=400))[1]["code"]
        == "content_policy_violation"
    )


@pytest.mark.parametrize(
    ("code", "shown"), [("string_above_max_length", "string_above_max_length"), ("1210", None)]
)
def test_a_code_of_the_providers_is_kept_where_the_request_is_at_fault(
    code: str, shown: str | None
) -> None:
    assert answered(Failure(Kind.INVALID_REQUEST, "bad", status=400, code=code))[1]["code"] == shown


def test_in_band() -> None:
    failure = Failure(Kind.TRUNCATED, "cut; Bearer abcdefgh12345678", request_id="req_9")
    refusal = in_band(failure, Attempt(SONNET, 1))
    assert refusal.message == "anthropic: cut; ***"
    assert (refusal.type, refusal.code) == ("server_error", "upstream_stream_error")
    assert refusal.details["upstream"] == {
        "provider": "anthropic",
        "model": "claude-sonnet-5",
        "request_id": "req_9",
    }


@pytest.mark.parametrize("kind", Kind)
def test_in_band_never_has_the_code_of_an_answer(kind: Kind) -> None:
    refusal = in_band(Failure(kind, "why"), Attempt(SONNET, 1))
    assert refusal.code not in (None, "upstream_error")
