from __future__ import annotations

import pytest

from gateway.failures import VERDICTS, Exhausted, Failure, Kind, classify


def test_every_kind_has_a_verdict() -> None:
    assert set(VERDICTS) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_no_verdict_relays_a_status_that_blames_the_client_key(kind: Kind) -> None:
    assert VERDICTS[kind].status not in (401, 403, 404, 529)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (429, None, "Rate limited", Kind.RATE_LIMIT),
        (429, "insufficient_quota", "You exceeded your current quota", Kind.QUOTA),
        (429, None, "Your team has used all available credits", Kind.QUOTA),
        (
            429,
            "rate_limit_exceeded",
            "Request too large for gpt-x on tokens per min (TPM)",
            Kind.TOO_LARGE,
        ),
        (529, None, "Overloaded", Kind.OVERLOADED),
        (503, None, "", Kind.OVERLOADED),
        (498, None, "", Kind.OVERLOADED),
        (500, None, "", Kind.UNAVAILABLE),
        (520, None, "", Kind.UNAVAILABLE),
        (401, None, "", Kind.CREDENTIAL),
        (400, None, "Incorrect API key provided: xa***", Kind.CREDENTIAL),
        (400, None, "Your credit balance is too low to access the API", Kind.QUOTA),
        (400, None, "prompt is too long: 214290 tokens > 200000 maximum", Kind.CONTEXT_TOO_LONG),
        (400, None, "This model's maximum context length is 8192 tokens", Kind.CONTEXT_TOO_LONG),
        (400, None, "rate limit: too many tokens", Kind.INVALID_REQUEST),
        (403, None, "Content violates usage guidelines.", Kind.POLICY),
        (404, None, "model: claude-x", Kind.MODEL_UNKNOWN),
        (413, None, "", Kind.TOO_LARGE),
        (422, None, "Extra inputs are not permitted", Kind.INVALID_REQUEST),
    ],
)
def test_classification(status: int, code: str | None, message: str, kind: Kind) -> None:
    assert classify(status, code, message) is kind


def test_a_number_inside_a_message_decides_nothing() -> None:
    assert classify(400, None, "request req_011CV529abc4290 was invalid") is Kind.INVALID_REQUEST


def test_of_several_failures_the_likeliest_to_recover_is_reported() -> None:
    failures = [
        Failure(Kind.CREDENTIAL, "a"),
        Failure(Kind.OVERLOADED, "b"),
        Failure(Kind.QUOTA, "c"),
    ]
    assert Exhausted(failures).speaker().kind is Kind.OVERLOADED


def test_a_final_failure_is_reported_before_all_others() -> None:
    failures = [Failure(Kind.RATE_LIMIT, "a"), Failure(Kind.INVALID_REQUEST, "b")]
    assert Exhausted(failures).speaker().kind is Kind.INVALID_REQUEST


def test_long_messages_are_cut() -> None:
    assert len(Failure(Kind.EMPTY, "x" * 10_000).message) < 2_100


def test_a_status_says_more_than_a_vague_code() -> None:
    assert classify(503, "server_error", "busy", type_="server_error") is Kind.OVERLOADED
    assert classify(500, "server_error", "boom") is Kind.UNAVAILABLE
    assert classify(200, "server_error", "boom") is Kind.UNAVAILABLE
