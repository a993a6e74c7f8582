"""What is found wrong with a configuration that is valid."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest

from gateway.config import schema
from gateway.config.audit import Finding, examine, form, is_loopback, is_near, shared_keys
from gateway.config.load import Config, build
from gateway.config.model_ids import MODEL_IDS, RETIRED, retired_on
from gateway.providers import PROVIDERS
from tests import makers

TODAY = date(2026, 11, 24)


def config(agents: dict[str, list[str]] | None = None, **models: schema.Model) -> Config:
    tables = {name: schema.Agent(models=chain) for name, chain in (agents or {}).items()}
    return build(schema.Root(models=models, agents=tables), None, {}, None, [])


def said(findings: Iterable[Finding], section: str) -> list[tuple[str, str]]:
    return [
        (finding.severity, finding.message) for finding in findings if finding.section == section
    ]


def address(url: str, provider: str = "custom") -> list[tuple[str, str]]:
    model = schema.Model(provider=provider, model="x", base_url=url)
    return [
        (severity, words.removeprefix(url))
        for severity, words in said(examine(config(a=model), TODAY), "models")
    ]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://host.example/v1", []),
        ("http://127.0.0.1:8000/v1", []),
        ("http://box.local/api", []),
        (
            "http://host.example/v1",
            [" is not encrypted: the key and every prompt travel in the clear."],
        ),
        ("https://host.example", [" has no path."]),
        ("https://host.example//v1", [" has a double slash."]),
    ],
)
def test_addresses(url: str, found: list[str]) -> None:
    assert address(url) == [("warning", words) for words in found]


def test_a_provider_without_a_path_of_its_own_needs_none() -> None:
    assert address("https://proxy.example", "anthropic") == []
    assert address("https://proxy.example", "openai") == [("warning", " has no path.")]


@pytest.mark.parametrize(
    ("provider", "model_id", "severity"),
    [
        ("anthropic", "claude-sonnet-4-20250514", "error"),
        ("anthropic", "claude-sonnet-4-5", "warning"),
        ("openai", "o1-preview", "error"),
        ("openai", "gpt-5.1", "warning"),
        ("google", "gemini-2.0-flash-exp", "error"),
        ("xai", "grok-beta", "error"),
    ],
)
def test_retired_ids(provider: str, model_id: str, severity: str) -> None:
    found = said(
        examine(config(a=schema.Model(provider=provider, model=model_id)), TODAY), "models"
    )
    assert [word for word, _ in found] == [severity]
    elsewhere = schema.Model(provider=provider, model=model_id, base_url="https://mine.example/v1")
    assert said(examine(config(a=elsewhere), TODAY), "models") == []


def test_a_day_turns_a_warning_into_an_error() -> None:
    gpt = config(a=schema.Model(provider="openai", model="gpt-5"))
    assert said(examine(gpt, date(2026, 12, 10)), "models")[0][0] == "warning"
    assert said(examine(gpt, date(2026, 12, 11)), "models")[0][0] == "error"


def test_default_models_are_not_retired() -> None:
    assert {
        name: retired_on(name, model_id)
        for name, model_id in MODEL_IDS.items()
        if retired_on(name, model_id)
    } == {}
    assert set(RETIRED) <= set(PROVIDERS)


@pytest.mark.parametrize(
    "model_id", ["gpt-4o", "gpt-4o-mini", "gpt-4.1-nano", "gpt-5-mini", "o3-pro"]
)
def test_ids_that_only_look_retired(model_id: str) -> None:
    assert retired_on("openai", model_id) is None


def test_agents_and_models_without_one() -> None:
    local = schema.Model(provider="custom", model="x", base_url="http://127.0.0.1:1/v1")
    found = said(examine(config({"dev": ["a", "b"]}, a=local, b=local, c=local), TODAY), "agents")
    assert found == [
        ("ok", "a -> b"),
        (
            "info",
            "all its models share one key: an empty account or a refused key stops every one.",
        ),
        ("info", "is in no chain; clients may still send its name as `model`."),
    ]
    assert said(examine(config(a=local), TODAY), "agents")[0] == ("warning", "there are no agents.")


@pytest.mark.parametrize(
    ("models", "is_warned"),
    [
        ([{}, {}], False),
        ([{"model": "qwen3"}, {"model": "llama"}], False),
        ([{}, {"model": "mistral-embed"}], True),
        ([{}, {"options": {"dimensions": 8}}], True),
        ([{"space": "one"}, {"model": "mistral-embed", "space": "one"}], False),
        ([{"model": "bge-m3", "space": "one"}, {"model": "bge-large"}], True),
        ([{"model": "qwen3"}, {"model": "mistral-embed"}], True),
    ],
)
def test_embeddings_never_fall_into_another_space(
    models: list[dict[str, Any]], is_warned: bool
) -> None:
    table = {
        name: schema.Model(**{"provider": "openai", "model": "text-embedding-3-small", **fields})
        for name, fields in zip("ab", models, strict=True)
    }
    found = said(examine(config({"index": ["a", "b"]}, **table), TODAY), "agents")
    assert (
        any(words.startswith("embeddings never fall back from a") for _, words in found)
        is is_warned
    )
    assert all(severity != "warning" for severity, _ in found) is not is_warned


def test_a_key_that_goes_to_two_hosts() -> None:
    one, other = (makers.model("custom", name=name, base_url=f"http://{name}/v1") for name in "ab")
    assert said(shared_keys([one, other]), "keys") == [("warning", "the same key is sent to a, b.")]
    assert said(shared_keys([one, makers.model("custom", base_url="http://a/v2")]), "keys") == []


@pytest.mark.parametrize(
    ("provider", "more", "key", "severity", "word"),
    [
        ("anthropic", {}, "sk-ant-api03-x", None, ""),
        ("anthropic", {}, "sk-ant-oat01-x", "error", 'Write authType = "oauth_token".'),
        ("anthropic", {"auth_type": "oauth_token"}, "sk-ant-oat01-x", None, ""),
        (
            "anthropic",
            {"auth_type": "oauth_token"},
            "sk-ant-api03-x",
            "error",
            'Write authType = "api_key".',
        ),
        ("anthropic", {"auth_type": "pi_auth"}, "anything", None, ""),
        ("anthropic", {}, "sk-proj-x", "error", "gateway credentials set anthropic_key"),
        ("openai", {}, "sk-proj-x", None, ""),
        ("openai", {}, "sk-ant-api03-x", "error", "gateway credentials set openai_key"),
        ("openai", {}, "sk-or-v1-x", "error", "gateway credentials set openai_key"),
        ("openai", {}, "team-key", "warning", ""),
        ("openai", {"base_url": "http://127.0.0.1:1/v1"}, "team-key", None, ""),
        ("google", {}, "AIzaX", None, ""),
        ("google", {}, "gsk_x", "error", "gateway credentials set google_key"),
        ("custom", {}, "sk-ant-api03-x", None, ""),
        ("mistral", {}, "sk-x", None, ""),
    ],
)
def test_the_form_of_keys(
    provider: str, more: dict[str, Any], key: str, severity: str | None, word: str
) -> None:
    found = list(form(makers.model(provider, **more), key))
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    assert all(word in finding.cure and key not in f"{finding}" for finding in found)


def test_hosts() -> None:
    assert [
        host
        for host in ("127.0.0.1", "10.1.2.3", "box", "fd00::1", "8.8.8.8", "a.example")
        if not is_near(host)
    ] == [
        "8.8.8.8",
        "a.example",
    ]
    assert [
        host
        for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "10.1.2.3")
        if is_loopback(host)
    ] == [
        "127.0.0.1",
        "localhost",
        "[::1]",
    ]
