"""The Agents SDK, which drops or raises where others are silent, reads our streams and answers
them."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from agents import Agent, OpenAIResponsesModel, RunConfig, Runner, function_tool
from openai import AsyncOpenAI

from gateway.dialects.responses import inbound
from gateway.hub.chunks import delta
from gateway.hub.contracts import Batch
from tests.dialects.responses.inbound.makers import ending, request, stream, tool_call
from tests.dialects.responses.inbound.test_sdk import BROKEN, replay
from tests.dialects.responses.inbound.test_streams import offered


async def run_agent(*answers: bytes) -> tuple[Any, list[dict[str, Any]]]:
    """What the Agents SDK makes of streamed answers, and the requests that it sent."""
    rest, sent = list(answers), []

    def reply(call: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(call.content))
        return replay(rest.pop(0))(call)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(reply))
    sdk = AsyncOpenAI(
        api_key="key", base_url="http://gateway.test/v1", http_client=http, max_retries=0
    )

    @function_tool
    def look(where: str) -> str:
        """Looks somewhere."""
        return f"seen {where}"

    agent = Agent(name="a", tools=[look], model=OpenAIResponsesModel("dev", sdk))
    run = Runner.run_streamed(agent, "Hello", run_config=RunConfig(tracing_disabled=True))
    async for _ in run.stream_events():
        pass
    return run.final_output, sent


@pytest.mark.anyio
async def test_the_agents_sdk_calls_a_tool_and_brings_everything_back() -> None:
    first = stream(
        offered(),
        [
            delta(reasoning_content="Why"),
            tool_call(0, "c1", "look", '{"where":'),
            tool_call(0, arguments='"up"}'),
            *ending("tool_calls"),
        ],
    )
    second = stream(offered(), [delta(content="Up"), *ending()])
    final, sent = await run_agent(first, second)
    assert final == "Up"
    messages = request(*sent[1]["input"], tools=sent[1]["tools"]).chat["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[1]["reasoning_content"] == "Why"
    assert messages[2]["content"] == "seen up"


@pytest.mark.anyio
async def test_the_agents_sdk_raises_for_a_broken_answer() -> None:
    encoder = inbound.StreamEncoder(offered())
    data = encoder.encode(Batch([delta(content="He")])) + encoder.error(BROKEN)
    with pytest.raises(Exception, match="gone"):
        await run_agent(data)
