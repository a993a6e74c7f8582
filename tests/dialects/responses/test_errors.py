from __future__ import annotations

import json

import pytest

from gateway.dialects import DIALECTS, REPLAYED
from gateway.failures import Kind

FACE = DIALECTS["responses"]


@pytest.mark.parametrize(
    "error",
    [
        {
            "message": "The encrypted content could not be verified.",
            "code": "invalid_encrypted_content",
        },
        {"message": "invalid_encrypted_content: item rs_1", "code": None},
    ],
)
def test_reasoning_that_the_provider_cannot_read_is_named(error: dict[str, str | None]) -> None:
    body = json.dumps({"error": {"type": "invalid_request_error", "param": None, **error}}).encode()
    failure = FACE.decode_error(400, {}, body, 0.0)
    assert (failure.kind, failure.param) == (Kind.INVALID_REQUEST, REPLAYED)


def test_other_errors_are_those_of_chat_completions() -> None:
    body = (
        b'{"error": {"message": "No.", "type": '
        b'"invalid_request_error", "param": "top_p", "code": null}}'
    )
    assert FACE.decode_error(400, {}, body, 0.0).param == "top_p"
    assert FACE.decode_error(429, {"retry-after": "3"}, b"{}", 0.0).kind is Kind.RATE_LIMIT
