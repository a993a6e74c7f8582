"""Error answers as real servers word them: what the chain makes of each."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.chat import decode_error
from gateway.dialects.chat.errors import decode_error_value
from gateway.failures import Failure, Kind

NOW = 1_790_000_000.0


def failure(status: int, body: Any, headers: dict[str, str] | None = None) -> Failure:
    return decode_error(status, headers or {}, body if isinstance(body, bytes) else orjson.dumps(body), NOW)


def test_a_megabyte_of_words_is_read_at_its_beginning() -> None:
    """Patterns over all of it would hold up every other call for minutes."""
    read = failure(422, {"detail": [{"msg": "input token count " * 60_000, "loc": ["body", "messages"]}]})
    assert (read.kind, len(read.message) < 10_000) == (Kind.INVALID_REQUEST, True)


def said(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", **more}}


def routed(message: str, code: int, **metadata: Any) -> dict[str, Any]:
    return {"error": {"message": message, "code": code, "metadata": metadata}}


GROQ_LIMIT = (
    "Rate limit reached for model `m` in organization `o` on tokens per minute (TPM): Limit 6000, Used 5500, Requested "
    "900. Please try again in 4.2s. Need more tokens? Upgrade today at https://console.groq.com/settings/billing"
)
GROQ_SIZE = (
    "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9000, please reduce your "
    "message size and try again. Need more tokens? Upgrade today at https://console.groq.com/settings/billing"
)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, said(GROQ_LIMIT, code="rate_limit_exceeded"), Kind.RATE_LIMIT),
        (413, said(GROQ_SIZE, code="rate_limit_exceeded"), Kind.TOO_LARGE),
        (413, said(GROQ_SIZE), Kind.TOO_LARGE),
        (400, said("Failed to call a function.", code="tool_use_failed"), Kind.BAD_OUTPUT),
        (400, said("Failed to generate JSON.", code="json_validate_failed"), Kind.BAD_OUTPUT),
        (403, said("The model `m` is blocked.", code="model_permission_blocked_project"), Kind.MODEL_UNKNOWN),
        (400, said("The model `m` requires terms acceptance.", code="model_terms_required"), Kind.MODEL_UNKNOWN),
        (400, said("Organization has been restricted.", code="organization_restricted"), Kind.CREDENTIAL),
        (400, said("json mode cannot be combined with tool/function calling"), Kind.UNSUPPORTED),
        (400, {"code": "invalid-argument", "error": "Model not found: grok-9"}, Kind.MODEL_UNKNOWN),
        (400, {"code": "x", "error": "Incorrect API key provided: xa***."}, Kind.CREDENTIAL),
        (403, {"code": "x", "error": "Your newly created team doesn't have any credits yet."}, Kind.QUOTA),
        (403, {"code": "x", "error": "The caller does not have permission"}, Kind.CREDENTIAL),
        (403, {"code": "x", "error": "Content violates usage guidelines. API key ID: k"}, Kind.POLICY),
        (400, {"code": "x", "error": "This model's maximum prompt length is 10 but …"}, Kind.CONTEXT_TOO_LONG),
        (400, said("Model Not Exist"), Kind.MODEL_UNKNOWN),
        (400, {"error": {"code": "1211", "message": "Unknown Model, please check."}}, Kind.MODEL_UNKNOWN),
        (429, {"error": {"code": "1113", "message": "Insufficient balance. Please recharge."}}, Kind.QUOTA),
        (429, {"error": {"message": "busy", "type": "engine_overloaded_error"}}, Kind.OVERLOADED),
        (429, {"error": {"message": "pay", "type": "exceeded_current_quota_error"}}, Kind.QUOTA),
        (400, said("registry.ollama.ai/library/gemma3:latest does not support tools"), Kind.UNSUPPORTED),
        (
            400,
            {"object": "error", "message": '"auto" tool choice requires --enable-auto-tool-choice'},
            Kind.UNSUPPORTED,
        ),
        (400, said("Unsupported value: 'x'", code="unsupported_value"), Kind.UNSUPPORTED),
        (400, said("Conversation roles must alternate"), Kind.UNSUPPORTED),
        (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, Kind.OVERLOADED),
        (400, {"error": {"code": 400, "message": "x", "type": "exceed_context_size_error"}}, Kind.CONTEXT_TOO_LONG),
        (400, b"", Kind.CONTEXT_TOO_LONG),
        (413, b"", Kind.TOO_LARGE),
        (405, b"<html>", Kind.MODEL_UNKNOWN),
        (402, routed("This request requires more credits, or fewer max_tokens.", 402), Kind.QUOTA),
        (403, routed("Input flagged", 403, reasons=["violence"]), Kind.POLICY),
        (403, routed("Input flagged", 403, reasons=[], flagged_input="…"), Kind.POLICY),
        (404, routed("No endpoints found that support tool use.", 404), Kind.UNSUPPORTED),
        (404, routed("No endpoints found matching your data policy.", 404), Kind.MODEL_UNKNOWN),
        (400, routed("x/y is not a valid model ID", 400), Kind.MODEL_UNKNOWN),
        (400, routed("Provider returned error", 400, raw="prompt is too long: 9 tokens > 8"), Kind.CONTEXT_TOO_LONG),
        (400, routed("Provider returned error", 400, raw={"error": {"message": "Overloaded"}}), Kind.OVERLOADED),
        (400, routed("Provider returned error", 400, raw="temperature: must be at most 1"), Kind.INVALID_REQUEST),
        (400, routed("x", 400, error_type="string_too_long"), Kind.CONTEXT_TOO_LONG),
        (400, routed("x", 400, error_type="payload_too_large"), Kind.TOO_LARGE),
        (400, routed("x", 400, error_type="provider_overloaded"), Kind.OVERLOADED),
        (400, routed("x", 400, error_type={"of": "no known form"}), Kind.INVALID_REQUEST),
    ],
)
def test_what_an_error_means(status: int, body: Any, kind: Kind) -> None:
    assert failure(status, body).kind is kind


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ({"error": {"type": "overloaded_error", "message": "Overloaded"}}, Kind.OVERLOADED, "Overloaded"),
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
    headers = {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1790000012000"}
    assert failure(429, routed("free-models-per-day", 429, headers=headers)).retry_after_s == pytest.approx(12)
    assert failure(429, routed("slow", 429, headers=headers), {"retry-after": "3"}).retry_after_s == 3
    assert failure(429, said(GROQ_LIMIT)).retry_after_s == pytest.approx(4.2)
    assert decode_error_value({"error": {"code": 429, "message": "try again in 9s"}}, None).retry_after_s == 9


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
