from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.responses import inbound
from gateway.hub.contracts import Refusal
from tests.dialects.responses.inbound.makers import answer
from tests.dialects.responses.inbound.strict import check

RATE: dict[str, Any] = {"type": "rate_limit_error", "code": "rate_limit_exceeded"}


@pytest.mark.parametrize(
    ("refusal", "status", "headers"),
    [
        (Refusal(400, "no"), 400, {}),
        (Refusal(429, "slow", **RATE), 429, {"retry-after": "60"}),
        (Refusal(429, "slow", **RATE, headers={"retry-after": "7"}), 429, {"retry-after": "7"}),
        (Refusal(503, "busy", "server_error"), 503, {"retry-after": "5"}),
        (Refusal(529, "busy", "server_error"), 503, {"retry-after": "5"}),
        (
            Refusal(502, "gone", "server_error", headers={"x-should-retry": "false"}),
            502,
            {"x-should-retry": "false"},
        ),
        (Refusal(401, "key"), 401, {}),
    ],
    ids=str,
)
def test_a_status_says_when_to_come_back(
    refusal: Refusal, status: int, headers: dict[str, str]
) -> None:
    rendered = inbound.encode_error(refusal, "req_1")
    assert (rendered.status, rendered.headers) == (status, headers)


def test_an_error_has_all_members_and_the_details() -> None:
    refusal = Refusal(
        400, "no", code="invalid_value", param="temperature", details={"attempts": ["a;400"]}
    )
    assert inbound.encode_error(refusal, "req_1").body == {
        "error": {
            "message": "no",
            "type": "invalid_request_error",
            "param": "temperature",
            "code": "invalid_value",
            "attempts": ["a;400"],
        }
    }


@pytest.mark.parametrize(
    ("param", "wanted"),
    [
        (None, None),
        ("messages", "input"),
        ("messages[3].content", "input"),
        ("messages.content.image_url", "input"),
        ("max_completion_tokens", "max_output_tokens"),
        ("reasoning_effort", "reasoning.effort"),
        ("response_format.json_schema", "text.format"),
        ("input[2].call_id", "input[2].call_id"),
        ("tools[0].name", "tools[0].name"),
    ],
)
def test_a_field_has_the_client_s_name(param: str | None, wanted: str | None) -> None:
    body: Any = inbound.encode_error(Refusal(400, "no", param=param), "req_1").body
    assert body["error"]["param"] == wanted


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refusal(502, "x", "server_error", "upstream_stream_error"), "server_error"),
        (Refusal(503, "x", "server_error", "upstream_overloaded"), "server_error"),
        (Refusal(503, "x", "server_error", "server_is_overloaded"), "server_error"),
        (Refusal(504, "x", "server_error"), "server_error"),
        (Refusal(429, "x", **RATE), "rate_limit_exceeded"),
        (Refusal(429, "x", "insufficient_quota", "insufficient_quota"), "insufficient_quota"),
        (Refusal(429, "x", "insufficient_quota", "budget_exceeded"), "insufficient_quota"),
        (Refusal(400, "x", code="context_length_exceeded"), "context_length_exceeded"),
        (Refusal(400, "x", code="content_policy_violation"), "invalid_prompt"),
        (Refusal(400, "x"), "invalid_prompt"),
    ],
    ids=str,
)
def test_the_code_inside_a_stream_is_one_that_clients_act_on(refusal: Refusal, code: str) -> None:
    events = check(inbound.StreamEncoder(answer()).error(refusal))
    assert events[-2]["code"] == events[-1]["response"]["error"]["code"] == code


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (
            Refusal(429, "Slow.", **RATE, headers={"retry-after": "7"}),
            "Slow. Please try again in 7s.",
        ),
        (
            Refusal(429, "Try again in 2s.", **RATE, headers={"retry-after": "7"}),
            "Try again in 2s.",
        ),
        (Refusal(429, "Slow.", **RATE), "Slow."),
        (Refusal(503, "Busy.", "server_error", headers={"retry-after": "7"}), "Busy."),
    ],
    ids=str,
)
def test_the_wait_is_in_the_words_of_a_rate_limit(refusal: Refusal, message: str) -> None:
    assert check(inbound.StreamEncoder(answer()).error(refusal))[-2]["message"] == message
