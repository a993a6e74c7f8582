"""Public servers without a row of their own, known by their address."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.chat import encode_request
from gateway.providers import HOSTS, PROVIDERS, quirks_of
from tests.makers import chat, model

LOOP = (
    {"role": "user", "content": "go"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "1"},
)


def body(base_url: str, *messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return encode_request(chat(*messages, **fields), model("custom", "m", base_url=base_url)).body


@pytest.mark.parametrize(
    "base_url", ["https://api.deepseek.com", "https://API.DeepSeek.com:443/beta"]
)
def test_a_thinking_server_has_its_reasoning_back(base_url: str) -> None:
    sent = body(base_url, *LOOP, reasoning_effort="high")
    assert sent["thinking"] == {"type": "enabled"}
    assert "reasoning_effort" not in sent
    assert sent["messages"][1]["reasoning_content"] == " "
    loop = (LOOP[0], {**LOOP[1], "reasoning_content": "need f"}, LOOP[2])
    assert body(base_url, *loop)["messages"][1]["reasoning_content"] == "need f"


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:8000/v1", "https://api.deepseek.com.example/v1"]
)
def test_any_other_host_is_an_unknown_server(base_url: str) -> None:
    assert body(base_url, *LOOP, reasoning_effort="high")["reasoning_effort"] == "high"
    assert "reasoning_content" not in body(base_url, *LOOP)["messages"][1]


def test_a_provider_with_an_address_of_its_own_keeps_its_quirks() -> None:
    assert quirks_of(PROVIDERS["openai"], "https://api.deepseek.com") is PROVIDERS["openai"].quirks


def test_json_mode_mentions_json_in_the_prompt() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    url = "https://api.deepseek.com"
    for wanted in (schema, {"type": "json_object"}):
        sent = body(url, response_format=wanted)
        assert sent["response_format"] == {"type": "json_object"}
        assert "JSON" in sent["messages"][0]["content"]
    instructed = body(
        url, {"role": "user", "content": "as json, please"}, response_format={"type": "json_object"}
    )
    assert len(instructed["messages"]) == 1


@pytest.mark.parametrize("host", HOSTS)
def test_hosts_are_public_names(host: str) -> None:
    assert host == host.lower()
    assert "." in host
    assert not host.startswith(("127.", "10.", "192.168."))
