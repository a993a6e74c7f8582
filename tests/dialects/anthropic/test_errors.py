"""What Anthropic's errors mean, as answers and as events."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway import sse
from gateway.dialects import REPLAYED, Encoded, anthropic
from gateway.failures import Failed, Failure, Kind


def failure(
    status: int, message: str, type_: str = "invalid_request_error", **more: Any
) -> Failure:
    body = {
        "type": "error",
        "error": {"type": type_, "message": message, **more},
        "request_id": "req_1",
    }
    return anthropic.decode_error(status, {}, orjson.dumps(body), 0.0)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            (
                "You have reached your specified API usage limits. You will regain access on "
                "2026-12-01."
            ),
            Kind.QUOTA,
        ),
        ("You're out of extra usage. Add more and keep going.", Kind.QUOTA),
        ("Your credit balance is too low to access the Anthropic API.", Kind.QUOTA),
        ("This credential is only authorized for use with another client.", Kind.CREDENTIAL),
        ("This organization has been disabled.", Kind.CREDENTIAL),
        ("Output blocked by content filtering policy", Kind.POLICY),
        ("This model does not support assistant message prefill.", Kind.UNSUPPORTED),
        ("`temperature` and `top_p` cannot both be specified for this model.", Kind.UNSUPPORTED),
        ("prompt is too long: 210000 tokens > 200000 maximum", Kind.CONTEXT_TOO_LONG),
        ("messages.0.content: Field required", Kind.INVALID_REQUEST),
    ],
)
def test_a_bad_request_is_often_something_else(message: str, kind: Kind) -> None:
    assert failure(400, message).kind is kind


@pytest.mark.parametrize(
    ("status", "type_", "code", "kind"),
    [
        (429, "rate_limit_error", "enforced_spend_limit_reached", Kind.QUOTA),
        (429, "rate_limit_error", "ramp_limit_exceeded", Kind.RATE_LIMIT),
        (400, "invalid_request_error", "organization_on_hold", Kind.QUOTA),
        (400, "invalid_request_error", "of_tomorrow", Kind.INVALID_REQUEST),
    ],
)
def test_the_details_of_an_answer_and_of_an_event_decide(
    status: int, type_: str, code: str, kind: Kind
) -> None:
    found = failure(status, "no", type_, details={"error_code": code})
    assert (found.kind, found.code, found.request_id) == (kind, code, "req_1")
    event = {
        "type": "error",
        "error": {"type": type_, "message": "no", "details": {"error_code": code}},
    }
    with pytest.raises(Failed) as raised:
        anthropic.StreamDecoder(Encoded("/", {})).decode(sse.Event(b"error", orjson.dumps(event)))
    assert raised.value.failure.kind is kind


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("thinking: Extra inputs are not permitted", "thinking"),
        ('"thinking.type.enabled" is not supported for this model.', "thinking"),
        ("This model does not support effort level 'xhigh'.", "output_config.effort"),
        ("messages.1.content.0: Invalid `signature` in `thinking` block", REPLAYED),
        (
            "messages.3.content.8: `thinking` or `redacted_thinking` blocks cannot be modified.",
            REPLAYED,
        ),
        ("The block is bound to a different conversation.", REPLAYED),
    ],
)
def test_the_field_that_an_error_is_about(message: str, param: str) -> None:
    assert failure(400, message).param == param


@pytest.mark.parametrize("error", ["boom", None, [], {"message": "boom", "details": "no"}])
def test_an_error_of_another_shape_is_recognised(error: Any) -> None:
    found = anthropic.decode_error(529, {}, orjson.dumps({"type": "error", "error": error}), 0.0)
    assert (found.kind, found.status) == (Kind.OVERLOADED, 529)


def test_an_untyped_error_inside_a_200_keeps_its_message() -> None:
    with pytest.raises(Failed) as raised:
        anthropic.decode_response(
            {"error": {"type": "overloaded_error", "message": "Overloaded"}}, Encoded("/", {})
        )
    assert (raised.value.failure.kind, raised.value.failure.message) == (
        Kind.OVERLOADED,
        "Overloaded",
    )


@pytest.mark.parametrize(
    ("status", "type_", "message", "kind"),
    [
        (
            403,
            "permission_error",
            "You do not have permission to access the requested resource.",
            Kind.REQUEST_DENIED,
        ),
        (403, "permission_error", "Your API key has been revoked.", Kind.CREDENTIAL),
        (404, "not_found_error", "model: claude-x", Kind.MODEL_UNKNOWN),
        (404, "not_found_error", "File not found: file_011", Kind.REQUEST_DENIED),
    ],
)
def test_a_permission_or_a_missing_thing_is_the_keys_or_models_only_if_it_says_so(
    status: int, type_: str, message: str, kind: Kind
) -> None:
    assert failure(status, message, type_).kind is kind
    event = {"type": "error", "error": {"type": type_, "message": message}}
    with pytest.raises(Failed) as raised:
        anthropic.StreamDecoder(Encoded("/", {})).decode(sse.Event(b"error", orjson.dumps(event)))
    assert raised.value.failure.kind is kind
