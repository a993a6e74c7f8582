"""Embeddings with the official client over real sockets: both forms, parts, fallback in one
space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from gateway.config import schema
from gateway.lab import Lab
from gateway.lab.answers import DIMENSIONS, embedding
from tests.e2e.harness import Running

IDS = {
    "openai": "text-embedding-3-small",
    "mistral": "codestral-embed",
    "google": "gemini-embedding-001",
    "openrouter": "openai/text-embedding-3-small",
    "custom": "bge-m3",
}
CHAINS = {
    "pair": ("first", "second", "third"),
    "mixed": ("first", "third"),
    "chat": ("claude", "first"),
}
"""Two models of one space and one of another."""


def root(lab: Lab) -> schema.Root:
    models = {
        name: schema.Model(provider=name, model=model_id, base_url=lab.base_url(name))
        for name, model_id in IDS.items()
    }
    models |= {
        "first": schema.Model(
            provider="openai",
            model="text-embedding-3-large",
            base_url=lab.base_url("openai"),
            space="large",
        ),
        "second": schema.Model(
            provider="openrouter",
            model="openai/large",
            base_url=lab.base_url("openrouter"),
            space="large",
        ),
        "third": schema.Model(provider="custom", model="nomic", base_url=lab.base_url("custom")),
        "claude": schema.Model(
            provider="anthropic", model="claude-sonnet-5", base_url=lab.base_url("anthropic")
        ),
    }
    agents = {name: schema.Agent(models=list(chain)) for name, chain in CHAINS.items()}
    return schema.Root(models=models, agents=agents, fallback=schema.Fallback(max_wait_seconds=0))


@contextmanager
def serving(home: Path) -> Iterator[Running]:
    gateway = Running(home)
    gateway.start(root)
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(Path(tmp_path_factory.mktemp("home"))) as gateway:
        yield gateway


def post(gateway: Running, path: str = "/v1/embeddings", **body: Any) -> httpx.Response:
    return httpx.post(gateway.url + path, json=body, timeout=20, trust_env=False)


def vectors(answer: Any) -> list[list[float]]:
    return [entry.embedding for entry in answer.data]


@pytest.mark.parametrize("provider", IDS)
def test_the_official_client_gets_the_vectors_of_every_provider(
    gateway: Running, provider: str
) -> None:
    texts = ["Hello", "Grüße 🙈", "Hello again"]
    with gateway.sdk() as client:
        raw = client.embeddings.with_raw_response.create(model=provider, input=texts)
    answer = raw.parse()
    scale = 2 if provider == "google" else 1  # the lab's vectors of that API are not normalised
    wanted = [[scale * number for number in embedding(text, DIMENSIONS)] for text in texts]
    assert vectors(answer) == wanted
    assert [entry.index for entry in answer.data] == [0, 1, 2]
    assert (answer.object, answer.model) == ("list", IDS[provider])
    assert answer.usage.total_tokens == answer.usage.prompt_tokens == 3
    assert raw.headers["x-gateway-provider"] == provider
    assert raw.headers["x-gateway-embedding-space"] == f"{IDS[provider]}@default"
    assert "x-gateway-dropped" not in raw.headers


@pytest.mark.parametrize("provider", IDS)
def test_the_form_is_the_one_that_was_asked_for(gateway: Running, provider: str) -> None:
    forms: Mapping[str | None, type] = {None: list, "float": list, "base64": str}
    for form, type_ in forms.items():
        asked = {"encoding_format": form} if form else {}
        answer = post(gateway, model=provider, input="Hello", **asked).json()
        assert type(answer["data"][0]["embedding"]) is type_


@pytest.mark.parametrize("provider", IDS)
def test_dimensions_reach_the_provider_under_its_own_name(gateway: Running, provider: str) -> None:
    with gateway.sdk() as client:
        raw = client.embeddings.with_raw_response.create(
            model=provider, input="Hello", dimensions=8
        )
    [vector] = vectors(raw.parse())
    assert vector == pytest.approx(embedding("Hello", 8), abs=1e-7)
    assert raw.headers["x-gateway-embedding-space"] == f"{IDS[provider]}@default; dimensions=8"


@pytest.mark.parametrize(("provider", "requests"), [("openai", 1), ("google", 3), ("custom", 1)])
def test_a_request_is_sent_in_parts_where_the_provider_takes_fewer_inputs(
    gateway: Running, provider: str, requests: int
) -> None:
    before = len(gateway.lab.calls)
    texts = [f"text {number}" for number in range(250)]
    with gateway.sdk() as client:
        answer = client.embeddings.create(model=provider, input=texts, dimensions=8)
    assert len(gateway.lab.calls) - before == requests
    assert [entry.index for entry in answer.data] == list(range(250))
    for text, vector in zip(texts, vectors(answer), strict=True):
        assert vector == pytest.approx(embedding(text, 8), abs=1e-7)
    assert answer.usage.prompt_tokens == 250


def test_a_part_that_fails_fails_the_whole(tmp_path: Path) -> None:
    with serving(tmp_path) as gateway:
        gateway.lab.fault("google", "ok", "server_error")
        answer = post(gateway, model="google", input=["a"] * 150)
        assert answer.status_code == 502
        assert "inputs 100 to 149" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/embeddings", "/v1//embeddings/"])
def test_the_path_with_and_without_v1(gateway: Running, path: str) -> None:
    assert post(gateway, path, model="openai", input="Hello").status_code == 200


FAULTS = [
    "rate_limit",
    "overloaded",
    "quota",
    "bad_key",
    "empty",
    "not_json",
    "cut",
    "error_first_event",
    "unavailable",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_moves_on_to_the_next_model_of_the_same_space(tmp_path: Path, fault: str) -> None:
    with serving(tmp_path) as gateway:
        gateway.lab.fault("openai", fault)
        answer = post(gateway, model="pair", input="Hello")
        assert answer.status_code == 200
        assert answer.headers["x-gateway-model"] == "second"
        assert answer.headers["x-gateway-embedding-space"] == "large"


@pytest.mark.parametrize("agent", ["pair", "mixed"])
def test_a_call_never_falls_into_another_space(tmp_path: Path, agent: str) -> None:
    with serving(tmp_path) as gateway:
        gateway.lab.fault("openai", "rate_limit")
        gateway.lab.fault("openrouter", "rate_limit")
        for _ in range(2):  # the second one finds the models in cooldown
            answer = post(gateway, model=agent, input="Hello")
            assert answer.status_code == 429
            assert "third" not in str(answer.json())
        assert all(seen.provider != "custom" for seen in gateway.lab.calls)


def test_token_ids_go_to_the_one_provider_that_means_them(gateway: Running) -> None:
    with gateway.sdk() as client:
        client.embeddings.create(model="openai", input=[[15339, 1917], [1]])
        assert gateway.lab.calls[-1].body["input"] == [[15339, 1917], [1]]
        for provider in ("google", "custom", "mistral", "openrouter"):
            with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
                client.embeddings.create(model=provider, input=[15339, 1917])


def test_a_chat_agent_cannot_embed_and_says_so(gateway: Running) -> None:
    answer = post(gateway, model="chat", input="Hello")
    assert answer.status_code == 400
    assert "anthropic has no embeddings API" in answer.json()["error"]["message"]


def test_a_call_is_in_the_metrics_like_any_other(gateway: Running) -> None:
    post(gateway, model="openai", input=["a", "b"])
    text = httpx.get(gateway.url + "/metrics", trust_env=False).text
    assert 'gateway_tokens_total{agent="openai",model="openai",type="input"}' in text
    assert 'gateway_requests_total{agent="openai",status="200"}' in text
