"""A 429 in the middle of a conversation: a provider of another format goes on, and the first one
comes back.

The official clients keep the conversation: thinking and tool calls as they were sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.e2e.harness import Running, running
from tests.e2e.test_providers import TEXT

CHAINS = ("anthropic>openai", "openai>anthropic", "google>anthropic", "anthropic>google")
SIGNATURE = "bGFi"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
ASKED = "get_weather please"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, *CHAINS) as gateway:
        gateway.set_model_id("openai", "gpt-5.5")
        yield gateway


def limit(gateway: Running, provider: str) -> None:
    gateway.lab.fault(provider, "rate_limit")


def recover(gateway: Running, provider: str) -> None:
    """The limit is over, and so is the cooldown."""
    gateway.lab.fault(provider, "ok")

    async def end() -> None:
        gateway.app.breaker.key_changed(gateway.app.gateway.models[provider].key)

    gateway.run(end())


def check_the_moves(gateway: Running, first: str, other: str) -> None:
    """`first` called a tool, `other` read its result and called again, and `first` read that."""
    answered = [seen for seen in gateway.lab.calls if seen.fault == "ok"]
    assert [seen.provider for seen in answered] == [first, other, first]
    assert SIGNATURE not in str(answered[1].body)
    if first != "google":
        assert SIGNATURE in str(answered[2].body), "its own reasoning comes back"
    assert "4C" in str(answered[2].body)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("chain", CHAINS)
def test_a_client_of_messages(gateway: Running, chain: str, stream: bool) -> None:
    first, other = chain.split(">")
    messages: list[Any] = [{"role": "user", "content": ASKED}]
    fields: dict[str, Any] = {
        "model": chain,
        "max_tokens": 4000,
        "messages": messages,
        "thinking": {"type": "adaptive"},
        "tools": [{"name": "get_weather", "input_schema": SCHEMA}],
    }
    with anthropic.Anthropic(
        base_url=gateway.url, api_key="any", max_retries=0, timeout=20.0
    ) as client:

        def ask() -> Any:
            if not stream:
                return client.messages.create(**fields)
            with client.messages.stream(**fields) as events:
                return events.get_final_message()

        def answered(text: str | None = None) -> Any:
            message = ask()
            calls = [block for block in message.content if block.type == "tool_use"]
            results: list[Any] = [
                {"type": "tool_result", "tool_use_id": call.id, "content": "4C"} for call in calls
            ]
            question = [{"type": "text", "text": text}] if text else []
            messages.append({"role": "assistant", "content": message.content})
            messages.append({"role": "user", "content": [*results, *question]})
            return message

        assert answered().stop_reason == "tool_use"
        limit(gateway, first)
        assert answered("And now?").stop_reason == "end_turn"
        recover(gateway, first)
        last = ask()
    assert [block.text for block in last.content if block.type == "text"] == [TEXT]
    check_the_moves(gateway, first, other)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("chain", CHAINS)
def test_a_client_of_responses(gateway: Running, chain: str, stream: bool) -> None:
    first, other = chain.split(">")
    history: list[Any] = [{"role": "user", "content": ASKED}]
    fields: dict[str, Any] = {
        "model": chain,
        "input": history,
        "store": False,
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "tools": [
            {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}
        ],
    }
    with gateway.sdk() as client:

        def ask() -> Any:
            if not stream:
                answer = client.responses.create(**fields)
            else:
                with client.responses.stream(**fields) as events:
                    answer = events.get_final_response()
            history.extend(item.to_dict(exclude_unset=True) for item in answer.output)
            return answer

        [call] = [item for item in ask().output if item.type == "function_call"]
        history.append({"type": "function_call_output", "call_id": call.call_id, "output": "4C"})
        limit(gateway, first)
        assert ask().output_text == TEXT
        history.append({"role": "user", "content": "And now?"})
        recover(gateway, first)
        assert ask().output_text == TEXT
    check_the_moves(gateway, first, other)


@pytest.mark.parametrize("chain", CHAINS)
def test_a_client_of_chat(gateway: Running, chain: str) -> None:
    first, other = chain.split(">")
    messages: list[Any] = [{"role": "user", "content": ASKED}]
    fields: dict[str, Any] = {
        "model": chain,
        "messages": messages,
        "reasoning_effort": "low",
        "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}],
    }
    with gateway.sdk() as client:

        def ask() -> Any:
            message = client.chat.completions.create(**fields).choices[0].message
            messages.append(message)
            return message

        [call] = ask().tool_calls
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "4C"})
        limit(gateway, first)
        assert ask().content == TEXT
        messages.append({"role": "user", "content": "And now?"})
        recover(gateway, first)
        assert ask().content == TEXT
    check_the_moves(gateway, first, other)
