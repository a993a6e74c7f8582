"""Secrets in other people's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.redact import HIDDEN, redact

SECRETS = (
    "sk-ant-api03-abcdefghijklmnop-QRSTUV_wxyz",
    "sk-ant-oat01-abcdefghijklmnop",
    "sk-proj-abcdefghijklmnopqrstuvwxyz",
    "sk-or-v1-0123456789abcdef0123456789abcdef",
    "sk-abcd**********************wxyz",
    "gsk_abcdefghijklmnopqrstuvwxyz",
    "xai-abcdefghijklmnopqrstuvwxyz",
    "AIzaSyA-abcdefghijklmnopqrstuvwxyz_0123",
    "AQ.Ab8RN6abcdefghijklmnop-qrst_uv",
    "ya29.a0AfH6SMabcdefghijklmnop-qrst_uv",
    "gw-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "hf_abcdefghijklmnopqrstuvwxyz",
    "nvapi-abcdefghijklmnop",
)

FRAMES = (
    "Incorrect API key provided: {}. You can find yours at https://example.org.",
    '{{"key": "{}"}}',
    "GET /v1beta/models?key={}&alt=sse",
    "x-api-key:{}",
    "'{}'",
    "{}",
    "first {0} then {0}",
    "line\n{}\nline",
)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_key_is_hidden_wherever_it_is(secret: str, frame: str) -> None:
    text = redact(frame.format(secret))
    assert secret not in text
    assert secret[-6:] not in text
    assert HIDDEN in text


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "Authorization: BEARER   {}"])
def test_a_bearer_without_a_known_form_is_hidden(header: str) -> None:
    assert "0123456789abcdef" not in redact(header.format("0123456789abcdef/+~=="))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "max_tokens: 300000 > 64000, which is the maximum allowed for claude-sonnet-4-20250514",
        "The model `gpt-4o-mini` does not exist. Try task-specific or risk-averse ones.",
        "Missing Authorization header; use Bearer auth.",
        "request req_011CSHoEeqs5C35K2UUqR7Fy",
        "sk- is how keys begin",
    ],
)
def test_text_without_a_key_is_unchanged(text: str) -> None:
    assert redact(text) == text


@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)
