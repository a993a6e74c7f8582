"""Google's errors: one status for every limit, and words that mean less than they say."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects import REPLAYED
from gateway.dialects.google import decode_error
from gateway.failures import Failure, Kind

BOILERPLATE = (
    "You exceeded your current quota, please check your plan and "
    "billing details. For more information, see …"
)


def failure(code: int, status: str, message: str, *details: Any) -> Failure:
    body = {"error": {"code": code, "message": message, "status": status, "details": list(details)}}
    return decode_error(code, {}, orjson.dumps(body), 0.0)


def quota(id_: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": id_}],
    }


def retry(delay: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def test_a_limit_of_a_minute_does_not_mean_an_empty_account() -> None:
    """Its words speak of a plan and of billing, as those of every other limit do."""
    found = failure(
        429,
        "RESOURCE_EXHAUSTED",
        BOILERPLATE,
        quota("GenerateRequestsPerMinutePerProjectPerModel"),
        retry("34.07s"),
    )
    assert (found.kind, found.retry_after_s) == (Kind.RATE_LIMIT, 34.07)
    assert found.verdict.scope == "model"


def test_the_message_states_a_time_where_no_detail_does() -> None:
    found = failure(429, "RESOURCE_EXHAUSTED", BOILERPLATE + "\nPlease retry in 34.07s.")
    assert (found.kind, found.retry_after_s) == (Kind.RATE_LIMIT, 34.07)


@pytest.mark.parametrize(
    ("stated", "expected_s"), [((), 3600), ((retry("36s"),), 3600), ((retry("7200s"),), 7200)]
)
def test_a_daily_limit_cools_down_for_long_whatever_seconds_it_states(
    stated: tuple[Any, ...], expected_s: float
) -> None:
    day = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
    found = failure(429, "RESOURCE_EXHAUSTED", BOILERPLATE, day, *stated)
    assert (found.kind, found.retry_after_s) == (Kind.RATE_LIMIT, expected_s)


@pytest.mark.parametrize(
    ("code", "status", "message", "kind"),
    [
        (
            429,
            "RESOURCE_EXHAUSTED",
            "Your prepayment credits are depleted. Please manage your billing.",
            Kind.QUOTA,
        ),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "Your project has exceeded its monthly spending cap.",
            Kind.QUOTA,
        ),
        (402, "RESOURCE_EXHAUSTED", "Payment required.", Kind.QUOTA),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "Resource has been exhausted (e.g. check quota).",
            Kind.RATE_LIMIT,
        ),
        (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", Kind.OVERLOADED),
        (
            400,
            "FAILED_PRECONDITION",
            "User location is not supported for the API use.",
            Kind.CREDENTIAL,
        ),
        (403, "PERMISSION_DENIED", "Your API key was reported as leaked.", Kind.CREDENTIAL),
        (403, "PERMISSION_DENIED", "The caller does not have permission", Kind.CREDENTIAL),
        (
            403,
            "PERMISSION_DENIED",
            "You do not have permission to access the File abc123.",
            Kind.REQUEST_DENIED,
        ),
        (
            403,
            "PERMISSION_DENIED",
            "CachedContent not found (or permission denied)",
            Kind.REQUEST_DENIED,
        ),
        (
            400,
            "FAILED_PRECONDITION",
            "The File abc123 is not in an ACTIVE state.",
            Kind.REQUEST_DENIED,
        ),
        (404, "NOT_FOUND", "models/x is not found for API version v1beta", Kind.MODEL_UNKNOWN),
        (404, "NOT_FOUND", "File abc123 not found.", Kind.REQUEST_DENIED),
        (402, "FAILED_PRECONDITION", "You can only afford 30104 tokens.", Kind.CANNOT_AFFORD),
        (
            400,
            "INVALID_ARGUMENT",
            "Request payload size exceeds the limit: 20971520 bytes.",
            Kind.TOO_LARGE,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Developer instruction is not enabled for models/gemma-3-1b-it",
            Kind.UNSUPPORTED,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Image input modality is not enabled for models/x",
            Kind.UNSUPPORTED,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "Budget 0 is invalid. This model only works in thinking mode.",
            Kind.UNSUPPORTED,
        ),
        (400, "INVALID_ARGUMENT", "Corrupted thought signature.", Kind.UNSUPPORTED),
        (400, "INVALID_ARGUMENT", "contents is not specified", Kind.INVALID_REQUEST),
    ],
)
def test_kinds(code: int, status: str, message: str, kind: Kind) -> None:
    assert failure(code, status, message).kind is kind


SIGNATURES = {
    "Corrupted thought signature.": REPLAYED,
    (
        "Unable to submit request because Thought signature is not "
        "valid.. Learn more: https://cloud.google.com/"
    ): REPLAYED,
    # leaving more out does not help
    "Function call is missing a thought_signature in functionCall parts.": None,
    "contents is not specified": None,
}


@pytest.mark.parametrize(("message", "param"), SIGNATURES.items())
def test_a_refused_signature_of_an_earlier_turn_is_named(message: str, param: str | None) -> None:
    assert failure(400, "INVALID_ARGUMENT", message).param == param


@pytest.mark.parametrize("details", [5, {"a": 1}, [1, {"violations": ["x", 7]}, {"violations": 3}]])
def test_details_of_an_unknown_shape_are_skipped(details: Any) -> None:
    body = orjson.dumps(
        {
            "error": {
                "code": 429,
                "message": "no",
                "status": "RESOURCE_EXHAUSTED",
                "details": details,
            }
        }
    )
    assert decode_error(429, {}, body, 0.0).kind is Kind.RATE_LIMIT


def test_the_reason_of_an_error_says_more_than_its_words() -> None:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_SERVICE_BLOCKED",
    }
    assert (
        failure(403, "PERMISSION_DENIED", "Requests to this resource are blocked.", info).kind
        is Kind.CREDENTIAL
    )
