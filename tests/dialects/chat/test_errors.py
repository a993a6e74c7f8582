"""Error answers as real servers word them: what the chain makes of each."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects import DIALECTS
from gateway.dialects.chat import decode_error
from gateway.dialects.chat.errors import decode_error_value
from gateway.failures import Failure, Kind
from gateway.hub.contracts import REPLAYED

NOW = 1_790_000_000.0


def failure(status: int, body: Any, headers: dict[str, str] | None = None) -> Failure:
    return decode_error(
        status, headers or {}, body if isinstance(body, bytes) else orjson.dumps(body), NOW
    )


def test_a_megabyte_of_words_is_read_at_its_beginning() -> None:
    """Patterns over all of it would hold up every other call for minutes."""
    read = failure(
        422, {"detail": [{"msg": "input token count " * 60_000, "loc": ["body", "messages"]}]}
    )
    assert (read.kind, len(read.message) < 10_000) == (Kind.INVALID_REQUEST, True)


def said(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", **more}}


def routed(message: str, code: int, **metadata: Any) -> dict[str, Any]:
    return {"error": {"message": message, "code": code, "metadata": metadata}}


GROQ_LIMIT = (
    "Rate limit reached for model `m` in organization `o` on tokens per minute (TPM): Limit "
    "6000, Used 5500, Requested "
    "900. Please try again in 4.2s. Need more tokens? Upgrade today at "
    "https://console.groq.com/settings/billing"
)
GROQ_SIZE = (
    "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9000, "
    "please reduce your "
    "message size and try again. Need more tokens? Upgrade today at "
    "https://console.groq.com/settings/billing"
)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, said(GROQ_LIMIT, code="rate_limit_exceeded"), Kind.RATE_LIMIT),
        (413, said(GROQ_SIZE, code="rate_limit_exceeded"), Kind.TOO_LARGE),
        (413, said(GROQ_SIZE), Kind.TOO_LARGE),
        (400, said("Failed to call a function.", code="tool_use_failed"), Kind.BAD_OUTPUT),
        (400, said("Failed to generate JSON.", code="json_validate_failed"), Kind.BAD_OUTPUT),
        (
            403,
            said("The model `m` is blocked.", code="model_permission_blocked_project"),
            Kind.MODEL_UNKNOWN,
        ),
        (
            400,
            said("The model `m` requires terms acceptance.", code="model_terms_required"),
            Kind.MODEL_UNKNOWN,
        ),
        (
            400,
            said("Organization has been restricted.", code="organization_restricted"),
            Kind.CREDENTIAL,
        ),
        (400, said("json mode cannot be combined with tool/function calling"), Kind.UNSUPPORTED),
        (400, {"code": "invalid-argument", "error": "Model not found: grok-9"}, Kind.MODEL_UNKNOWN),
        (400, {"code": "x", "error": "Incorrect API key provided: xa***."}, Kind.CREDENTIAL),
        (
            403,
            {"code": "x", "error": "Your newly created team doesn't have any credits yet."},
            Kind.QUOTA,
        ),
        (403, {"code": "x", "error": "The caller does not have permission"}, Kind.CREDENTIAL),
        (
            403,
            {"code": "x", "error": "Content violates usage guidelines. API key ID: k"},
            Kind.POLICY,
        ),
        (
            400,
            {"code": "x", "error": "This model's maximum prompt length is 10 but …"},
            Kind.CONTEXT_TOO_LONG,
        ),
        (400, said("Model Not Exist"), Kind.MODEL_UNKNOWN),
        (
            400,
            {"error": {"code": "1211", "message": "Unknown Model, please check."}},
            Kind.MODEL_UNKNOWN,
        ),
        (
            429,
            {"error": {"code": "1113", "message": "Insufficient balance. Please recharge."}},
            Kind.QUOTA,
        ),
        (429, {"error": {"message": "busy", "type": "engine_overloaded_error"}}, Kind.OVERLOADED),
        (429, {"error": {"message": "pay", "type": "exceeded_current_quota_error"}}, Kind.QUOTA),
        (
            400,
            said("registry.ollama.ai/library/gemma3:latest does not support tools"),
            Kind.UNSUPPORTED,
        ),
        (
            400,
            {"object": "error", "message": '"auto" tool choice requires --enable-auto-tool-choice'},
            Kind.UNSUPPORTED,
        ),
        (400, said("Unsupported value: 'x'", code="unsupported_value"), Kind.UNSUPPORTED),
        (400, said("Conversation roles must alternate"), Kind.UNSUPPORTED),
        (
            503,
            {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
            Kind.OVERLOADED,
        ),
        (
            400,
            {"error": {"code": 400, "message": "x", "type": "exceed_context_size_error"}},
            Kind.CONTEXT_TOO_LONG,
        ),
        (400, b"", Kind.CONTEXT_TOO_LONG),
        (413, b"", Kind.TOO_LARGE),
        (405, b"<html>", Kind.MODEL_UNKNOWN),
        (402, routed("This request requires more credits, or fewer max_tokens.", 402), Kind.QUOTA),
        (403, routed("Input flagged", 403, reasons=["violence"]), Kind.POLICY),
        (403, routed("Input flagged", 403, reasons=[], flagged_input="…"), Kind.POLICY),
        (404, routed("No endpoints found that support tool use.", 404), Kind.UNSUPPORTED),
        (404, routed("No endpoints found matching your data policy.", 404), Kind.REQUEST_DENIED),
        (400, routed("x/y is not a valid model ID", 400), Kind.MODEL_UNKNOWN),
        (
            400,
            routed("Provider returned error", 400, raw="prompt is too long: 9 tokens > 8"),
            Kind.CONTEXT_TOO_LONG,
        ),
        (
            400,
            routed("Provider returned error", 400, raw={"error": {"message": "Overloaded"}}),
            Kind.OVERLOADED,
        ),
        (
            400,
            routed("Provider returned error", 400, raw="temperature: must be at most 1"),
            Kind.INVALID_REQUEST,
        ),
        (400, routed("x", 400, error_type="string_too_long"), Kind.CONTEXT_TOO_LONG),
        (400, routed("x", 400, error_type="payload_too_large"), Kind.TOO_LARGE),
        (400, routed("x", 400, error_type="provider_overloaded"), Kind.OVERLOADED),
        (400, routed("x", 400, error_type={"of": "no known form"}), Kind.INVALID_REQUEST),
    ],
)
def test_what_an_error_means(status: int, body: Any, kind: Kind) -> None:
    assert failure(status, body).kind is kind


AFFORD = (
    "This request requires more credits, or fewer max_tokens. You "
    "requested up to 65536 tokens, but can only afford "
)
OWN_FAULTS = [
    (402, AFFORD + "30104. To increase, visit the site", Kind.CANNOT_AFFORD),
    (402, AFFORD + "0", Kind.QUOTA),
    (402, "Insufficient credits", Kind.QUOTA),
    (403, "You do not have permission to access the requested file.", Kind.REQUEST_DENIED),
    (
        403,
        "Your API key does not have permission to use the specified resource.",
        Kind.REQUEST_DENIED,
    ),
    (403, "Access denied by the guardrail of this workspace", Kind.REQUEST_DENIED),
    (403, "The SAS token of the image url is expired", Kind.REQUEST_DENIED),
    (403, "Your API key was reported as leaked.", Kind.CREDENTIAL),
    (403, "This API key has been disabled", Kind.CREDENTIAL),
    (403, "Your account is suspended", Kind.CREDENTIAL),
    (403, "Key limit exceeded (daily limit)", Kind.QUOTA),
    (403, "Project `p` does not have access to model `m`", Kind.MODEL_UNKNOWN),
    (403, "Forbidden", Kind.NOT_THE_API),
    (404, "No such File object: file-abc", Kind.REQUEST_DENIED),
    (404, "Previous response with id 'resp_1' not found.", Kind.REQUEST_DENIED),
    (404, "No allowed providers are available for the selected model.", Kind.REQUEST_DENIED),
    (
        404,
        "No endpoints found matching your data policy (Paid model training).",
        Kind.REQUEST_DENIED,
    ),
    (404, "No endpoints found for vendor/model.", Kind.MODEL_UNKNOWN),
    (404, "The model `x` does not exist or you do not have access to it.", Kind.MODEL_UNKNOWN),
    (404, 'model "x" not found, try pulling it first', Kind.MODEL_UNKNOWN),
    (404, "The API deployment for this resource does not exist.", Kind.MODEL_UNKNOWN),
    (404, "no Route matched with those values", Kind.NOT_THE_API),
    (404, "Invalid URL (POST /v1/responses)", Kind.NOT_THE_API),
    (404, "Not Found", Kind.NOT_THE_API),
    (410, "model m is no longer available", Kind.MODEL_UNKNOWN),
]


@pytest.mark.parametrize(("status", "message", "kind"), OWN_FAULTS)
def test_an_error_about_one_request_blames_neither_key_nor_model(
    status: int, message: str, kind: Kind
) -> None:
    for body in (
        said(message),
        {"detail": message},
        {"message": message},
        {"error": message},
        routed(message, status),
    ):
        assert failure(status, body).kind is kind
    assert failure(status, message.encode()).kind is kind
    assert decode_error_value(routed(message, status), None).kind is kind


PAGE = b"<!DOCTYPE html><html><head><title>Attention Required!</title></head></html>"


@pytest.mark.parametrize("status", [400, 402, 403, 404, 422, 451])
def test_the_page_of_a_content_network_is_not_the_provider(status: int) -> None:
    assert failure(status, PAGE).kind is Kind.NOT_THE_API
    assert failure(status, PAGE).message.endswith(
        "instead of an answer of the provider's API: Attention Required!"
    )
    assert (
        failure(status, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>").kind
        is Kind.NOT_THE_API
    )


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_browser_challenge_is_recognised_with_any_status(status: int) -> None:
    assert failure(status, PAGE, {"cf-mitigated": "challenge"}).kind is Kind.NOT_THE_API


@pytest.mark.parametrize("status", [403, 404])
def test_an_empty_error_answer_does_not_come_from_the_api(status: int) -> None:
    assert failure(status, b"").kind is Kind.NOT_THE_API


@pytest.mark.parametrize(
    "body", [b"", b"  ", b"{}", b"[]", b"[{}]", b"null", b"0", b'""', b'{"error":{}}']
)
def test_an_error_without_words_is_shown_by_its_status(body: bytes) -> None:
    for face in DIALECTS.values():
        for status in (400, 403, 418, 500):
            found = face.decode_error(status, {}, body, NOW)
            assert found.message == f"HTTP {status} without a message"


@pytest.mark.parametrize("value", [None, {}, [], "", {"error": {}}, {"error": None}, {"error": ""}])
def test_no_error_inside_an_answer_is_without_words(value: Any) -> None:
    assert decode_error_value(value, None).message.strip()


@pytest.mark.parametrize("body", [b"", PAGE, b'{"detail":"Unauthorized"}', b"Unauthorized"])
def test_a_401_is_about_the_key_whatever_it_says(body: bytes) -> None:
    assert failure(401, body).kind is Kind.CREDENTIAL


@pytest.mark.parametrize(
    ("type_", "message", "kind"),
    [
        ("permission_error", "You may not read this file", Kind.REQUEST_DENIED),
        ("not_found_error", "File not found: file_1", Kind.REQUEST_DENIED),
        ("not_found_error", "model: m", Kind.MODEL_UNKNOWN),
        ("authentication_error", "no", Kind.CREDENTIAL),
    ],
)
def test_the_type_of_an_error_inside_a_200_replaces_its_status(
    type_: str, message: str, kind: Kind
) -> None:
    assert decode_error_value({"error": {"type": type_, "message": message}}, None).kind is kind


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (
            {"error": {"type": "overloaded_error", "message": "Overloaded"}},
            Kind.OVERLOADED,
            "Overloaded",
        ),
        ({"error": {"type": "invalid_request_error", "message": "no"}}, Kind.INVALID_REQUEST, "no"),
        ({"error": {"code": 429, "message": "later"}}, Kind.RATE_LIMIT, "later"),
        ({"error": "boom"}, Kind.UNAVAILABLE, "boom"),
        ({"status": "failed"}, Kind.UNAVAILABLE, '{"status":"failed"}'),
    ],
)
def test_an_error_inside_a_200(value: Any, kind: Kind, message: str) -> None:
    found = decode_error_value(value, None)
    assert (found.kind, found.message) == (kind, message)


def test_when_to_come_back() -> None:
    headers = {
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "1790000012000",
    }
    assert failure(
        429, routed("free-models-per-day", 429, headers=headers)
    ).retry_after_s == pytest.approx(12)
    assert (
        failure(429, routed("slow", 429, headers=headers), {"retry-after": "3"}).retry_after_s == 3
    )
    assert failure(429, said(GROQ_LIMIT)).retry_after_s == pytest.approx(4.2)
    assert (
        decode_error_value(
            {"error": {"code": 429, "message": "try again in 9s"}}, None
        ).retry_after_s
        == 9
    )


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Argument not supported on this model: presencePenalty", "presence_penalty"),
        ("This model does not support 'reasoning_effort' value 'none'", "reasoning_effort"),
        ("`reasoning_format` is not supported with this model", "reasoning_format"),
        ("Reasoning is mandatory for this endpoint and cannot be disabled.", "reasoning"),
        ("property 'foo' is unsupported", "foo"),
        ("something else", None),
    ],
)
def test_the_field_an_error_is_about(message: str, param: str | None) -> None:
    assert failure(400, said(message)).param == param


RELAYED = {
    "messages.1.content.0: Invalid `signature` in `thinking` block": REPLAYED,
    "Corrupted thought signature.": REPLAYED,
    "Unable to submit request because Thought signature is not valid.": REPLAYED,
    "The encrypted content could not be verified. invalid_encrypted_content": REPLAYED,
    "The signature of the request is invalid": None,
}


@pytest.mark.parametrize(("message", "param"), RELAYED.items())
def test_a_router_relays_what_a_provider_says_about_reasoning_of_earlier_turns(
    message: str, param: str | None
) -> None:
    raw = orjson.dumps({"error": {"message": message}}).decode()
    assert failure(400, routed("Provider returned error", 400, raw=raw)).param == param
    assert failure(400, said(message)).param == param
