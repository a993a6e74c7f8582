"""A conversation that a fallback served stays there, in every API; new conversations go to the
first model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from gateway.types import Model
from tests.e2e.harness import Running, running
from tests.e2e.test_moves import limit, recover
from tests.makers import call

AGENT = "anthropic>openai>groq"
ANSWER = {"role": "assistant", "content": "Hello!"}
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
both_ways = pytest.mark.parametrize("stream", [False, True])
each_api = pytest.mark.parametrize("api", PATHS)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, AGENT, "openai>anthropic") as gateway:
        yield gateway


class Said(NamedTuple):
    """What the headers of an answer say."""

    model: str
    is_sticky: bool


ANTHROPIC, OPENAI, GROQ = Said("anthropic", False), Said("openai", False), Said("groq", False)
STAYED = Said("openai", True)


def ask(
    gateway: Running,
    *history: dict[str, Any],
    api: str = "chat",
    stream: bool = False,
    headers: dict[str, str] | None = None,
    begins: str = "Hello",
    **fields: Any,
) -> Said:
    said: list[Any] = [{"role": "user", "content": begins}, *history]
    body: dict[str, Any] = {
        "model": AGENT,
        "stream": stream,
        "input" if api == "responses" else "messages": said,
    }
    if api == "messages":
        body["max_tokens"] = 99
    body |= fields
    answer = httpx.post(gateway.url + PATHS[api], json=body, headers=headers, timeout=20)
    assert answer.status_code == 200, answer.text
    sticky = answer.headers.get("x-gateway-sticky")
    assert sticky in (None, "1")
    return Said(answer.headers["x-gateway-model"], sticky is not None)


def later(text: str = "And now?") -> tuple[dict[str, Any], ...]:
    return (ANSWER, {"role": "user", "content": text})


def begin(gateway: Running, **how: Any) -> None:
    """A conversation that falls back; then its first model recovers."""
    limit(gateway, "anthropic")
    assert ask(gateway, **how) == OPENAI
    recover(gateway, "anthropic")


@both_ways
@each_api
def test_a_conversation_stays_and_a_new_one_does_not(
    gateway: Running, api: str, stream: bool
) -> None:
    how: dict[str, Any] = {"api": api, "stream": stream}
    begin(gateway, **how)
    assert ask(gateway, **how) == ANTHROPIC, "a new conversation, though it begins alike"
    assert ask(gateway, *later(), **how) == STAYED
    assert ask(gateway, *later(), *later(), **how) == STAYED
    assert ask(gateway, *later(), begins="Something else", **how) == ANTHROPIC


@both_ways
def test_a_conversation_that_falls_back_late_stays_from_then_on(
    gateway: Running, stream: bool
) -> None:
    assert ask(gateway, stream=stream) == ANTHROPIC
    limit(gateway, "anthropic")
    assert ask(gateway, *later(), stream=stream) == OPENAI
    recover(gateway, "anthropic")
    assert ask(gateway, *later(), *later(), stream=stream) == STAYED


@pytest.mark.parametrize(
    ("api", "header"),
    [
        ("messages", "x-claude-code-session-id"),
        ("responses", "session-id"),
        ("chat", "x-session-affinity"),
    ],
)
def test_a_session_that_a_header_names_stays_however_it_begins(
    gateway: Running, api: str, header: str
) -> None:
    begin(gateway, api=api, headers={header: "s1"})
    assert ask(gateway, api=api, headers={header: "s1"}) == STAYED
    assert ask(gateway, *later(), api=api, headers={header: "s2"}) == ANTHROPIC
    assert ask(gateway, *later(), api=api) == ANTHROPIC


@pytest.mark.parametrize(
    ("api", "one", "other"),
    [
        ("messages", {"metadata": {"user_id": "s1"}}, {"metadata": {"user_id": "s2"}}),
        ("responses", {"prompt_cache_key": "s1"}, {"prompt_cache_key": "s2"}),
        ("chat", {"prompt_cache_key": "s1"}, {"prompt_cache_key": "s2"}),
    ],
)
def test_a_name_in_the_body_tells_conversations_apart(
    gateway: Running, api: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    begin(gateway, api=api, **one)
    assert ask(gateway, *later(), api=api, **other) == ANTHROPIC
    assert ask(gateway, api=api, **one) == ANTHROPIC, "a new conversation of the same program"
    assert ask(gateway, *later(), api=api, **one) == STAYED


def test_a_stored_response_goes_on_where_it_was_made(gateway: Running) -> None:
    limit(gateway, "anthropic")
    body = {"model": AGENT, "input": "Hello"}
    first = httpx.post(gateway.url + PATHS["responses"], json=body, timeout=20)
    recover(gateway, "anthropic")
    more = {"model": AGENT, "input": "And now?", "previous_response_id": first.json()["id"]}
    then = httpx.post(gateway.url + PATHS["responses"], json=more, timeout=20)
    assert (then.headers["x-gateway-model"], then.headers.get("x-gateway-sticky")) == (
        "openai",
        "1",
    )


def test_a_model_that_cools_down_keeps_nothing(gateway: Running) -> None:
    begin(gateway)
    limit(gateway, "openai")
    assert ask(gateway, *later()) == ANTHROPIC, "the operator's order holds for the others"
    recover(gateway, "openai")
    assert ask(gateway, *later()) == ANTHROPIC, "its cache is there by now"


async def taking_a_slot(gateway: Running, model: Model) -> None:
    assert gateway.app.breaker.admit(call(model), model) is not None


def test_a_model_that_is_full_keeps_nothing(gateway: Running) -> None:
    begin(gateway)
    openai = gateway.app.gateway.models["openai"]
    object.__setattr__(openai, "max_concurrent", 1)

    gateway.run(taking_a_slot(gateway, openai))
    assert ask(gateway, *later()) == ANTHROPIC


def test_a_conversation_follows_its_models(gateway: Running) -> None:
    begin(gateway)
    limit(gateway, "anthropic")
    limit(gateway, "openai")
    assert ask(gateway, *later()) == GROQ
    recover(gateway, "anthropic")
    recover(gateway, "openai")
    assert ask(gateway, *later()) == Said("groq", True)


def test_agents_share_no_conversation(gateway: Running) -> None:
    begin(gateway)
    assert ask(gateway, *later(), model="openai>anthropic") == OPENAI


def test_a_named_model_is_the_one_that_answers(gateway: Running) -> None:
    begin(gateway)
    assert ask(gateway, *later(), model="anthropic") == ANTHROPIC


async def reloading(gateway: Running, sticky_seconds: float) -> None:
    config = gateway.app.gateway.config
    fallback = msgspec.structs.replace(config.fallback, sticky_seconds=sticky_seconds)
    gateway.app.swap(replace(config, fallback=fallback))


def test_zero_seconds_switch_it_off_also_in_a_running_gateway(gateway: Running) -> None:
    begin(gateway)
    gateway.run(reloading(gateway, 0))
    assert ask(gateway, *later()) == ANTHROPIC
    gateway.run(reloading(gateway, 300))
    assert ask(gateway, *later()) == STAYED, "a reload forgets nothing"


def test_a_cache_that_is_cold_by_now_keeps_nothing(tmp_path: Path) -> None:
    """The next call takes longer than a microsecond to come."""
    with running(tmp_path, AGENT, sticky_seconds=1e-6) as gateway:
        begin(gateway)
        assert ask(gateway, *later()) == ANTHROPIC
