"""Anthropic's official client against the gateway: on the native lane, and through the hub to other
providers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam

from tests.e2e.harness import IDS, Running, running
from tests.e2e.test_providers import PIXEL, TEXT

LANES = ("anthropic", "openai", "google", "mistral", "custom")
ERRORS = {
    "rate_limit": anthropic.RateLimitError,
    "overloaded": anthropic.InternalServerError,
    "bad_request": anthropic.BadRequestError,
    "context_too_long": anthropic.BadRequestError,
}
BROKEN = [
    f"{provider}+{fault}"
    for provider in LANES[:2]
    for fault in (*ERRORS, "clean_cut", "usage_missing")
]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: list[ToolParam] = [
    {"name": "get_weather", "description": "The weather of a city", "input_schema": SCHEMA}
]
HELLO: list[MessageParam] = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(Path(tmp_path_factory.mktemp("home")), *IDS, *BROKEN) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: Running) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=gateway.url, api_key="any", max_retries=0, timeout=20.0
    ) as client:
        yield client


def said(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", LANES)
def test_text(client: anthropic.Anthropic, provider: str, stream: bool) -> None:
    message: anthropic.types.Message
    if stream:
        with client.messages.stream(model=provider, max_tokens=500, messages=HELLO) as events:
            pieces = list(events.text_stream)
            message = events.get_final_message()
        assert len(pieces) > 1
        assert "".join(pieces) == TEXT
    else:
        message = client.messages.create(model=provider, max_tokens=500, messages=HELLO)
    assert said(message) == TEXT
    assert (message.role, message.stop_reason, message.stop_sequence) == (
        "assistant",
        "end_turn",
        None,
    )
    assert message.model == IDS[provider]
    assert message.usage.input_tokens == 12
    assert message.usage.output_tokens > 60


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", LANES)
def test_a_tool_is_called_and_answered(
    client: anthropic.Anthropic, provider: str, stream: bool
) -> None:
    messages: list[MessageParam] = [{"role": "user", "content": "get_weather please"}]

    def ask() -> Any:
        fields: dict[str, Any] = {
            "model": provider,
            "max_tokens": 500,
            "messages": messages,
            "tools": TOOLS,
        }
        if not stream:
            return client.messages.create(**fields)
        with client.messages.stream(**fields) as events:
            return events.get_final_message()

    first = ask()
    assert first.stop_reason == "tool_use"
    [call] = [block for block in first.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("get_weather", {"city": "Oslo"})
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": "4C"}
    messages += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    assert said(ask()) == TEXT


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_thinking_comes_back_signed(
    client: anthropic.Anthropic, provider: str, stream: bool
) -> None:
    fields: dict[str, Any] = {"model": provider, "max_tokens": 4000, "messages": HELLO}
    fields["thinking"] = {"type": "adaptive"}
    if stream:
        with client.messages.stream(**fields) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**fields)
    thoughts = [block for block in message.content if block.type == "thinking"]
    if provider == "anthropic":
        assert [(block.thinking, block.signature) for block in thoughts] == [
            ("Let me think.", "bGFi")
        ]
    assert said(message) == TEXT


@pytest.mark.parametrize("provider", ["anthropic", "openai", "google"])
def test_structured_output(client: anthropic.Anthropic, provider: str) -> None:
    config: Any = {"format": {"type": "json_schema", "schema": SCHEMA}}
    message = client.messages.create(
        model=provider, max_tokens=500, messages=HELLO, output_config=config
    )
    assert said(message) == '{"city":"Oslo"}'


@pytest.mark.parametrize("provider", LANES)
def test_an_image(client: anthropic.Anthropic, gateway: Running, provider: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL.partition(",")[2]}
    content: Any = [{"type": "image", "source": source}, {"type": "text", "text": "say: seen"}]
    message = client.messages.create(
        model=provider, max_tokens=500, messages=[{"role": "user", "content": content}]
    )
    assert said(message) == "seen"
    assert PIXEL.partition(",")[2] in str(gateway.lab.calls[-1].body)


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_the_limit_of_an_answer(client: anthropic.Anthropic, provider: str) -> None:
    message = client.messages.create(model=provider, max_tokens=5, messages=HELLO)
    assert message.stop_reason == "max_tokens"


@pytest.mark.parametrize("provider", LANES[:2])
@pytest.mark.parametrize("fault", ERRORS)
def test_errors_are_those_of_the_sdk(
    client: anthropic.Anthropic, fault: str, provider: str
) -> None:
    model = f"{provider}+{fault}"
    with pytest.raises(ERRORS[fault]) as raised:
        client.messages.create(
            model=model, max_tokens=500, messages=HELLO, stream=fault == "rate_limit"
        )
    body: Any = raised.value.body
    assert body["type"] == "error"
    assert body["error"]["message"]
    assert raised.value.request_id == body["request_id"]


@pytest.mark.parametrize("provider", LANES[:2])
def test_a_broken_stream_raises(client: anthropic.Anthropic, provider: str) -> None:
    broken = client.messages.stream(model=f"{provider}+clean_cut", max_tokens=500, messages=HELLO)
    with pytest.raises(anthropic.APIStatusError), broken as events:
        events.get_final_message()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", LANES[:2])
def test_an_answer_without_counts_has_zeros(
    client: anthropic.Anthropic, provider: str, stream: bool
) -> None:
    fields: dict[str, Any] = {
        "model": f"{provider}+usage_missing",
        "max_tokens": 500,
        "messages": HELLO,
    }
    message: anthropic.types.Message
    if stream:
        with client.messages.stream(**fields) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**fields)
    assert said(message) == TEXT
    assert message.usage.output_tokens in (0, 1)


def test_counts(client: anthropic.Anthropic) -> None:
    own = client.messages.count_tokens(model="anthropic", messages=HELLO, tools=TOOLS)
    estimated = client.messages.count_tokens(model="openai", messages=HELLO, tools=TOOLS)
    assert 20 < estimated.input_tokens < own.input_tokens < 120


def test_an_unknown_agent_is_not_found(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="does not exist"):
        client.messages.create(model="nobody", max_tokens=500, messages=HELLO)
