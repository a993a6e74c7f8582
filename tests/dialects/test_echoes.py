"""A provider that quotes or repeats what a client wrote says nothing about the key, the model or
the account: no circuit opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import DIALECTS, Encoded
from gateway.dialects.anthropic import errors as anthropic_errors
from gateway.dialects.chat import errors as chat_errors
from gateway.dialects.google import errors as google_errors
from gateway.dialects.responses.answers import failure_of
from gateway.failures import Failure, Kind
from gateway.upstream.blame import judged
from tests.makers import chat, model

PHRASES = (
    "invalid api key",
    "Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai.",
    "API key not valid. Please pass a valid API key.",
    "API key expired",
    "no auth credentials found",
    "this organization has been disabled",
    "This credential is only authorized for use with another client",
    "insufficient credits",
    "Your credit balance is too low to access the API",
    "You exceeded your current quota, please check your plan and billing details.",
    "You're out of extra usage. Add more and keep going",
    "You have reached your specified API usage limits. You will regain access on 2026-12-01",
    "billing hard limit has been reached",
    "unknown model",
    "Model not found: x",
    "is not a valid model ID",
    "the model does not exist",
    "overloaded",
    "rate limit exceeded",
    "try again later",
    "Your account has been suspended.",
    "location",
)
HOSTILE = st.lists(
    st.sampled_from((*PHRASES, "'", '"', "`", ".", ": ", ", ", " ", "\n", "{", "please ", "x")),
    min_size=1,
    max_size=5,
).map("".join) | st.text(max_size=30)
FRAMES = (
    "Invalid value: '{}'. Supported values are: 'low', 'medium', and 'high'.",
    "Invalid value: '{}'",
    "'{}' is not one of ['low', 'high']",
    "{}: Extra inputs are not permitted",
    "{} is not permitted here",
    "tools.0.name: {} does not match the pattern",
    "Unrecognized request argument supplied: {}",
    "Unknown parameter: '{}'.",
    "Failed to deserialize the JSON body into the target type: unknown variant `{}`, expected `a`",
    "Invalid value at 'generation_config.x' (type.googleapis.com/google.protobuf.Enum), \"{}\"",
    'Invalid JSON payload received. Unknown name "{}": Cannot find field.',
    '"{}" is invalid for "verbosity"',
)
TYPE = "invalid_request_error"


def answers(message: str, value: str, status: int) -> Mapping[str, list[Any]]:
    """The error in every shape, by the dialect whose servers use it."""
    plain = {"error": {"message": message, "type": TYPE, "param": "x", "code": "invalid_value"}}
    stated = {"code": status, "message": message, "status": "INVALID_ARGUMENT"}
    found = {"type": "extra_forbidden", "loc": ["body", value], "msg": message, "input": value}
    routed = [
        {"error": {"message": "Provider returned error", "code": status, "metadata": {"raw": raw}}}
        for raw in (message, orjson.dumps(plain).decode(), plain)
    ]
    shapes = [plain, {"error": message}, {"detail": message}, {"detail": [found]}, *routed]
    return {
        "chat": shapes,
        "responses": shapes,
        "anthropic": [{"type": "error", "error": {"type": TYPE, "message": message}}],
        "google": [{"error": stated}, [{"error": stated}]],
    }


def failures(frame: str, value: str, status: int) -> list[Failure]:
    message = frame.replace("{}", value)
    return [
        DIALECTS[dialect].decode_error(status, {}, orjson.dumps(body), 0.0)
        for dialect, bodies in answers(message, value, status).items()
        for body in bodies
    ]


@given(st.sampled_from(FRAMES), HOSTILE, st.sampled_from((400, 422)))
def test_whatever_a_client_writes_nothing_cools_down(frame: str, value: str, status: int) -> None:
    value = value.encode("utf-8", "replace").decode()
    for failure in failures(frame, value, status):
        assert failure.verdict.cooldown_s == 0, failure


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("phrase", PHRASES)
def test_a_phrase_in_a_refused_value_cools_nothing_down(frame: str, phrase: str) -> None:
    for failure in failures(frame, phrase, 400):
        assert failure.verdict.cooldown_s == 0, failure


READERS: Mapping[str, Callable[[Any], Failure]] = {
    "chat": lambda body: chat_errors.decode_error_value(body, None),
    "responses": failure_of,
    "anthropic": lambda body: anthropic_errors.decode_error_value(body, None),
    "google": lambda body: google_errors.decode_error_value(body, None),
}


@given(st.sampled_from(FRAMES), HOSTILE)
def test_nor_inside_an_answer_that_began_well(frame: str, value: str) -> None:
    value = value.encode("utf-8", "replace").decode()
    message = frame.replace("{}", value)
    for dialect, bodies in answers(message, value, 400).items():
        assert READERS[dialect](bodies[0]).verdict.cooldown_s == 0


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_quoted_phrase_leaves_a_bad_request_the_clients(phrase: str) -> None:
    for failure in failures(FRAMES[0], phrase, 400)[:3]:
        assert failure.kind is Kind.INVALID_REQUEST


@pytest.mark.parametrize(
    "message",
    [
        "You do not have access to the file 'invalid api key'.",
        "File not found: this API key has been disabled",
        "The image at url https://x/insufficient credits cannot be read",
        "Access to 'insufficient credits' is denied",
        "Requested providers do not include: your account is suspended",
        "Conversation with id 'the model x does not exist' not found",
        'Prompt with id "invalid model" not found',
    ],
)
@pytest.mark.parametrize("status", [403, 404])
def test_a_thing_with_a_telling_name_is_still_only_a_thing(status: int, message: str) -> None:
    body = orjson.dumps({"error": {"message": message}})
    for face in DIALECTS.values():
        assert face.decode_error(status, {}, body, 0.0).verdict.cooldown_s == 0


@pytest.mark.parametrize(
    "message",
    [
        "Your organization has disabled web search for this workspace.",
        "Your organization has blocked the code execution tool",
        "Web search is disabled for this organization.",
        "Web search is not enabled for your account.",
        "Computer use has been restricted by your organization's administrator.",
        "The code execution tool is not available to this API key",
        "Your API key does not have permission to use web search.",
        "Your account is blocked from using code execution",
        "This project is restricted to batch calls",
        "Failed to authenticate MCP server 'x'",
        "Invalid key 'a' in metadata",
        "unknown sort key",
        "Access denied: your organization's policy has suspended this beta feature",
    ],
)
def test_a_feature_that_is_switched_off_says_nothing_about_the_key(message: str) -> None:
    body = orjson.dumps({"error": {"type": "permission_error", "message": message}})
    for face in DIALECTS.values():
        assert face.decode_error(403, {}, body, 0.0).kind is Kind.REQUEST_DENIED


@pytest.mark.parametrize(
    "message",
    [
        "This organization has been disabled.",
        "Your organization has been disabled by an administrator.",
        "Your API key was reported as leaked. Please use another API key.",
        "Your API key has been revoked.",
        "This API key has expired",
        "The API key you provided is invalid.",
        "Organization org-abc is currently suspended",
        "The security token included in the request is invalid.",
        "Your project has been denied access. Please contact support.",
        "Invalid API key",
        "Forbidden: invalid x-api-key.",
        "Permission denied: Consumer 'api_key:x' has been suspended.",
        "Missing authentication",
        "Authentication failed",
        "User is not authenticated",
        "The caller does not have permission to execute the specified operation",
        "Unauthorized",
        "OAuth authentication is currently not allowed for this organization.",
    ],
)
def test_a_statement_about_the_key_is_one(message: str) -> None:
    body = orjson.dumps({"error": {"type": "permission_error", "message": message}})
    for face in DIALECTS.values():
        assert face.decode_error(403, {}, body, 0.0).kind is Kind.CREDENTIAL


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            "Incorrect API key provided: xa***Qb. You can obtain an API key from https://console.x.ai.",
            Kind.CREDENTIAL,
        ),
        ("API key not valid. Please pass a valid API key.", Kind.CREDENTIAL),
        ("API key expired. Please renew the API key.", Kind.CREDENTIAL),
        ("Invalid API Key", Kind.CREDENTIAL),
        (
            "This credential is only authorized for use with Claude Code and cannot be used for "
            "other API requests.",
            Kind.CREDENTIAL,
        ),
        (
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & "
            "Billing to upgrade or purchase credits.",
            Kind.QUOTA,
        ),
        ("Billing hard limit has been reached", Kind.QUOTA),
        ("The proxy says: invalid API key", Kind.REQUEST_DENIED),
        ("You can only afford 30104 tokens", Kind.CANNOT_AFFORD),
    ],
)
def test_a_bad_request_that_is_a_statement_about_the_account(message: str, kind: Kind) -> None:
    body = orjson.dumps({"error": {"type": "invalid_request_error", "message": message}})
    for face in DIALECTS.values():
        assert face.decode_error(400, {}, body, 0.0).kind is kind


def test_a_routers_provider_has_a_key_of_its_own() -> None:
    raw = orjson.dumps({"error": {"message": "Invalid API key"}}).decode()
    for status in (400, 403, 429):
        error = {
            "message": "Provider returned error",
            "code": status,
            "metadata": {"raw": raw},
        }
        found = DIALECTS["chat"].decode_error(status, {}, orjson.dumps({"error": error}), 0.0)
        assert found.verdict.scope == "model"


def test_a_file_with_a_telling_name_is_not_the_account() -> None:
    message = "The File files/billing-plan is not in an ACTIVE state."
    error = {"code": 400, "message": message, "status": "FAILED_PRECONDITION"}
    found = DIALECTS["google"].decode_error(400, {}, orjson.dumps({"error": error}), 0.0)
    assert found.kind is Kind.REQUEST_DENIED


def test_a_field_in_a_quoted_value_is_not_the_field_that_google_does_not_know() -> None:
    message = 'Invalid value at \'x\' (Enum), "Unknown name "temperature""'
    error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}
    found = DIALECTS["google"].decode_error(400, {}, orjson.dumps({"error": error}), 0.0)
    assert found.param is None


def test_a_value_that_names_another_part_of_the_request_blames_no_translation() -> None:
    asked = chat(verbosity="schema of tools")
    failure = Failure(Kind.INVALID_REQUEST, "Invalid value: 'schema of tools'", status=400)
    found = judged(failure, Encoded("/", {}), asked, model("anthropic"), is_own_format=False)
    assert found.kind is Kind.INVALID_REQUEST
