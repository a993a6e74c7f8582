"""The official SDKs read the list of models, and find each name of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import anthropic
import openai
import pytest

from gateway.config import schema
from gateway.lab import Lab
from tests.e2e.harness import Running, chains

PAGE = 1_000


def with_aliases(lab: Lab) -> schema.Root:
    root = chains(lab)
    root.agents["dev"] = schema.Agent(
        models=["anthropic", "openai"], aliases=["gpt-5.5", "claude-*"]
    )
    return root


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(Path(tmp_path_factory.mktemp("home")))
    running.start(with_aliases)
    try:
        yield running
    finally:
        running.stop()


def test_openais(gateway: Running) -> None:
    with gateway.sdk() as client:
        listed = {model.id: model for model in client.models.list()}
        assert list(listed)[:2] == ["dev", "gpt-5.5"]
        assert listed["gpt-5.5"].object == "model"
        assert client.models.retrieve("gpt-5.5") == listed["gpt-5.5"]
        assert client.models.retrieve("claude-haiku-4-5").id == "claude-haiku-4-5"
        with pytest.raises(openai.NotFoundError, match="Did you mean"):
            client.models.retrieve("gpt-5.4")


def test_anthropics(gateway: Running) -> None:
    with anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as client:
        listed = {model.id: model for model in client.models.list(limit=PAGE)}
        assert {"dev", "gpt-5.5", "claude-dev"} <= set(listed)
        assert listed["dev"].display_name == "dev"
        assert listed["dev"].created_at.tzinfo is not None
        assert client.models.retrieve("claude-dev") == listed["claude-dev"]
        with pytest.raises(anthropic.NotFoundError) as raised:
            client.models.retrieve("gpt-5.4")
        assert isinstance(raised.value.body, dict)
        assert raised.value.body["error"]["type"] == "not_found_error"


ALIASES = ("gpt-5.5", "claude-haiku-4-5")


def said_by_dev(headers: Mapping[str, str]) -> bool:
    return (headers["x-gateway-agent"], headers["x-gateway-model"]) == ("dev", "anthropic")


@pytest.mark.parametrize("name", ALIASES)
def test_an_alias_is_called_in_every_api(gateway: Running, name: str) -> None:
    with gateway.sdk() as client:
        chat = client.chat.completions.with_raw_response
        assert said_by_dev(
            chat.create(model=name, messages=[{"role": "user", "content": "Hi"}]).headers
        )
        assert said_by_dev(
            client.responses.with_raw_response.create(model=name, input="Hi").headers
        )
    with anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as messages:
        create = messages.messages.with_raw_response.create
        answer = create(model=name, max_tokens=100, messages=[{"role": "user", "content": "Hi"}])
        assert said_by_dev(answer.headers)
