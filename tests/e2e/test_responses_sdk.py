"""OpenAI's official client and its Agents SDK on the Responses API: on the native lane, and through
the hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from agents import Agent, OpenAIResponsesModel, RunConfig, Runner, function_tool
from openai.types.responses import Response
from pydantic import BaseModel

from tests.e2e.harness import IDS, Running, running
from tests.e2e.test_providers import PIXEL, TEXT

LANES = ("openai", "anthropic", "google", "mistral", "custom")
ERRORS = {
    "rate_limit": openai.RateLimitError,
    "overloaded": openai.InternalServerError,
    "bad_request": openai.BadRequestError,
    "context_too_long": openai.BadRequestError,
}
BROKEN = [f"{provider}+{fault}" for provider in LANES[:2] for fault in (*ERRORS, "clean_cut")]
TOOLS: list[Any] = [
    {
        "type": "function",
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    }
]


class Place(BaseModel):
    """What a structured answer holds."""

    city: str


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(Path(tmp_path_factory.mktemp("home")), *IDS, *BROKEN) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: Running) -> Iterator[openai.OpenAI]:
    with gateway.sdk() as client:
        yield client


def ask(client: openai.OpenAI, stream: bool, **fields: Any) -> Response:
    """An answer, read whole or by the SDK's accumulator."""
    if not stream:
        answer: Response = client.responses.create(**fields)
        return answer
    with client.responses.stream(**fields) as events:
        for _ in events:
            pass
        return events.get_final_response()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", LANES)
def test_text(client: openai.OpenAI, provider: str, stream: bool) -> None:
    answer = ask(client, stream, model=provider, input="Hello")
    assert answer.output_text == TEXT
    assert (answer.status, answer.error, answer.incomplete_details) == ("completed", None, None)
    assert answer.model == IDS[provider]
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 60


@pytest.mark.parametrize("provider", LANES)
def test_plain_events(client: openai.OpenAI, provider: str) -> None:
    with client.responses.create(model=provider, input="Hello", stream=True) as stream:
        events = list(stream)
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert (
        "".join(event.delta for event in events if event.type == "response.output_text.delta")
        == TEXT
    )
    assert [event.sequence_number for event in events] == list(range(len(events)))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", LANES)
def test_a_tool_is_called_and_answered(client: openai.OpenAI, provider: str, stream: bool) -> None:
    history: list[Any] = [{"role": "user", "content": "get_weather please"}]
    first = ask(client, stream, model=provider, input=history, tools=TOOLS)
    [call] = [item for item in first.output if item.type == "function_call"]
    assert (call.name, call.arguments) == ("get_weather", '{"city":"Oslo"}')
    history += [
        *first.output,
        {"type": "function_call_output", "call_id": call.call_id, "output": "4C"},
    ]
    assert ask(client, stream, model=provider, input=history, tools=TOOLS).output_text == TEXT


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_conversation_is_continued_by_id(
    client: openai.OpenAI, gateway: Running, provider: str, stream: bool
) -> None:
    first = ask(client, stream, model=provider, input="say: one")
    second = ask(client, stream, model=provider, input="say: two", previous_response_id=first.id)
    assert second.output_text == "two"
    sent = str(gateway.lab.calls[-1].body)
    assert sent.index("say: one") < sent.index("say: two")
    assert "'one'" in sent
    assert client.responses.retrieve(first.id).output_text == "one"
    items: list[Any] = list(client.responses.input_items.list(second.id, order="asc"))
    assert [item.role for item in items] == ["user", "assistant", "user"]
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_structured_output(client: openai.OpenAI, provider: str) -> None:
    answer = client.responses.parse(model=provider, input="Where?", text_format=Place)
    assert answer.output_parsed == Place(city="Oslo")
    with client.responses.stream(model=provider, input="Where?", text_format=Place) as events:
        assert events.get_final_response().output_parsed == Place(city="Oslo")


@pytest.mark.parametrize("provider", LANES)
def test_an_image(client: openai.OpenAI, gateway: Running, provider: str) -> None:
    content: Any = [
        {"type": "input_image", "image_url": PIXEL},
        {"type": "input_text", "text": "say: seen"},
    ]
    answer = client.responses.create(model=provider, input=[{"role": "user", "content": content}])
    assert answer.output_text == "seen"
    assert PIXEL.partition(",")[2] in str(gateway.lab.calls[-1].body)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_reasoning_has_a_summary(tmp_path: Path, provider: str, stream: bool) -> None:
    fields: dict[str, Any] = {"input": "Hello", "reasoning": {"effort": "low", "summary": "auto"}}
    with running(tmp_path, provider) as gateway, gateway.sdk() as client:
        gateway.set_model_id("openai", "gpt-5.5")
        answer = ask(
            client, stream, model=provider, **fields, include=["reasoning.encrypted_content"]
        )
    thoughts = [item for item in answer.output if item.type == "reasoning"]
    assert [part.text for item in thoughts for part in item.summary] == ["Let me think."]
    assert all(item.encrypted_content for item in thoughts)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_the_limit_of_an_answer(client: openai.OpenAI, provider: str) -> None:
    answer = client.responses.create(model=provider, input="Hello", max_output_tokens=16)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("provider", LANES[:2])
@pytest.mark.parametrize("fault", ERRORS)
def test_errors_are_those_of_the_sdk(client: openai.OpenAI, fault: str, provider: str) -> None:
    with pytest.raises(ERRORS[fault]) as raised:
        client.responses.create(
            model=f"{provider}+{fault}", input="Hello", stream=fault == "rate_limit"
        )
    assert raised.value.message


@pytest.mark.parametrize("provider", LANES[:2])
def test_a_broken_stream_raises(client: openai.OpenAI, provider: str) -> None:
    broken = client.responses.stream(model=f"{provider}+clean_cut", input="Hello")
    with pytest.raises(openai.APIError), broken as events:
        events.get_final_response()


def test_an_estimate_of_tokens(client: openai.OpenAI) -> None:
    assert client.responses.input_tokens.count(model="openai", input="x" * 400).input_tokens == 103


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"4C in {city}"


async def run_agent(gateway: Running, provider: str, stream: bool) -> Any:
    """The last output of an agent with one tool."""
    async with openai.AsyncOpenAI(
        base_url=gateway.url + "/v1", api_key="any", max_retries=0, timeout=20.0
    ) as sdk:
        agent = Agent(name="a", tools=[get_weather], model=OpenAIResponsesModel(provider, sdk))
        config = RunConfig(tracing_disabled=True)
        if not stream:
            return (await Runner.run(agent, "get_weather", run_config=config)).final_output
        run = Runner.run_streamed(agent, "get_weather", run_config=config)
        async for _ in run.stream_events():
            pass
        return run.final_output


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
async def test_the_agents_sdk(gateway: Running, provider: str, stream: bool) -> None:
    before = len(gateway.lab.calls)
    assert await run_agent(gateway, provider, stream) == TEXT
    assert len(gateway.lab.calls) == before + 2
    assert "4C in Oslo" in str(gateway.lab.calls[-1].body)
