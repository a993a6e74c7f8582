"""Every provider × streaming and not × text and tools, with the official client over real
sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway.lab.answers import WORDS
from tests.e2e.harness import IDS, Running, running

TEXT = " ".join(WORDS)
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAA=="  # noqa: E501


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(Path(tmp_path_factory.mktemp("home")), *IDS) as gateway:
        yield gateway


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


@pytest.mark.parametrize("provider", IDS)
def test_text(gateway: Running, provider: str) -> None:
    with gateway.sdk() as client:
        raw = client.chat.completions.with_raw_response.create(
            model=provider, messages=[user("Hello")]
        )
        answer = raw.parse()
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (
        answer.usage.total_tokens
        == answer.usage.prompt_tokens + answer.usage.completion_tokens
        > 60
    )
    assert answer.model == IDS[provider]
    assert raw.headers["x-gateway-provider"] == provider
    assert raw.headers["x-gateway-attempts"] == f"{provider};200"
    assert raw.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("provider", IDS)
def test_streamed_text(gateway: Running, provider: str) -> None:
    with gateway.sdk() as client:
        chunks = list(
            client.chat.completions.create(
                model=provider,
                messages=[user("Hello")],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].usage is not None
    assert not chunks[-1].choices


@pytest.mark.parametrize("provider", IDS)
def test_tools(gateway: Running, provider: str) -> None:
    messages: list[Any] = [user("get_weather please")]
    with gateway.sdk() as client:
        first = client.chat.completions.create(
            model=provider, messages=messages, tools=TOOLS
        ).choices[0]
        assert first.finish_reason == "tool_calls"
        assert first.message.tool_calls is not None
        call: Any = first.message.tool_calls[0]
        assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"Oslo"}')
        messages += [first.message, {"role": "tool", "tool_call_id": call.id, "content": "4C"}]
        second = client.chat.completions.create(
            model=provider, messages=messages, tools=TOOLS
        ).choices[0]
    assert second.message.content == TEXT


@pytest.mark.parametrize("provider", IDS)
def test_streamed_tools_through_the_sdk_accumulator(gateway: Running, provider: str) -> None:
    with (
        gateway.sdk() as client,
        client.chat.completions.stream(
            model=provider, messages=[user("get_weather")], tools=TOOLS
        ) as stream,
    ):
        for _ in stream:
            pass
        final = stream.get_final_completion().choices[0]
    assert final.finish_reason == "tool_calls"
    assert final.message.tool_calls is not None
    assert final.message.tool_calls[0].function.arguments == '{"city":"Oslo"}'


@pytest.mark.parametrize("provider", IDS)
def test_images_reach_the_provider(gateway: Running, provider: str) -> None:
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]
    with gateway.sdk() as client:
        client.chat.completions.create(model=provider, messages=[user(content)])
    assert "iVBORw0KGgo" in str(gateway.lab.calls[-1].body)


@pytest.mark.parametrize("provider", ["anthropic", "google", "groq", "openrouter"])
def test_reasoning_comes_apart_from_the_answer(gateway: Running, provider: str) -> None:
    with gateway.sdk() as client:
        answer = client.chat.completions.create(
            model=provider, messages=[user("Hi")], reasoning_effort="low"
        )
    message: Any = answer.choices[0].message
    assert message.reasoning_content == "Let me think."
    assert message.content == TEXT


def test_a_model_that_takes_tools_only_there_is_spoken_to_through_responses(tmp_path: Path) -> None:
    with running(tmp_path, "openai") as gateway:
        model = gateway.app.gateway.models["openai"]
        object.__setattr__(model, "model_id", "gpt-6-luna")
        with (
            gateway.sdk() as client,
            client.chat.completions.stream(
                model="openai", messages=[user("get_weather")], tools=TOOLS
            ) as stream,
        ):
            final: Any = stream.until_done().get_final_completion().choices[0]
        assert gateway.lab.calls[-1].path.endswith("/responses")
        assert final.message.tool_calls[0].function.name == "get_weather"
        assert (
            final.message.tool_calls[0].extra_content["openai"]["reasoning"][0]["encrypted_content"]
            == "bGFi"
        )


@pytest.mark.anyio
async def test_async_client(gateway: Running) -> None:
    async with openai.AsyncOpenAI(base_url=gateway.url, api_key="x", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="google", messages=[user("say: hi")], stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == "hi"


def test_dropped_fields_are_named_in_a_header(gateway: Running) -> None:
    with gateway.sdk() as client:
        raw = client.chat.completions.with_raw_response.create(
            model="anthropic", messages=[user("Hi")], seed=7, presence_penalty=0.5
        )
    assert (
        raw.headers["x-gateway-dropped"] == "presence_penalty,seed"
        or "seed" in raw.headers["x-gateway-dropped"]
    )


def test_the_list_of_models_is_the_list_of_agents(gateway: Running) -> None:
    with gateway.sdk() as client:
        assert {model.id for model in client.models.list()} == set(IDS)
        assert client.models.retrieve("anthropic").id == "anthropic"
