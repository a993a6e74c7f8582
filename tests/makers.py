"""The nouns of the gateway, made with as few words as a test needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.dialects.chat import decode_request
from gateway.providers import PROVIDERS, quirks_of
from gateway.shared.breaker import Breaker, Settings
from gateway.shared.engine import News
from gateway.shared.local import Local
from gateway.types import Agent, Call, Chat, Client, Model, Request

IDS = {
    "anthropic": "claude-sonnet-5",
    "openai": "gpt-4o",
    "groq": "openai/gpt-oss-20b",
    "google": "gemini-3.5-flash",
    "xai": "grok-4.5",
    "mistral": "mistral-large-latest",
    "openrouter": "anthropic/claude-sonnet-5",
    "custom": "qwen3:32b",
}


def model(
    provider: str = "anthropic",
    model_id: str | None = None,
    *,
    name: str | None = None,
    **more: Any,
) -> Model:
    """A model of a provider; `name` is the provider's unless stated."""
    row = PROVIDERS[provider]
    base_url = more.pop("base_url", row.base_url or "http://127.0.0.1:9/v1")
    return Model(
        name=name or provider,
        provider=row,
        model_id=model_id or IDS.get(provider, row.default_model),
        base_url=base_url,
        credential=more.pop("credential", f"{row.credential}:default"),
        quirks=more.pop("quirks", quirks_of(row, base_url)),
        **more,
    )


def chat(*messages: dict[str, Any], **fields: Any) -> Chat:
    """A normalised chat; one user message when none is given."""
    body = {
        "model": "dev",
        "messages": list(messages) or [{"role": "user", "content": "Hi"}],
        **fields,
    }
    return decode_request(body)


def call(*models: Model, received_at: float = 0.0, **fields: Any) -> Call:
    """A call to an agent `dev` with the given chain."""
    body = chat(**fields)
    return Call(
        "req_1",
        Agent("dev", models),
        Client("tests"),
        Request(body),
        bool(body.get("stream")),
        received_at,
    )


def breaker(
    clock: Callable[[], float],
    settings: Settings | None = None,
    on_news: Callable[[News], None] = lambda news: None,
) -> Breaker:
    """A breaker with an engine of its own."""
    shared = Local(clock)
    shared.subscribe(on_news)
    return Breaker(shared, clock, settings)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
