"""A configuration for somebody who has none: one model for every key that the environment holds.

The only place besides `providers.py` that knows vendors by name: model ids go out of date, and are brought up to
date here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.config import schema
from gateway.config.load import Config, build
from gateway.providers import PROVIDERS

MODEL_IDS: Final[Mapping[str, str]] = {
    "anthropic": "claude-sonnet-5",
    "openai": "gpt-5.4-mini",
    "google": "gemini-3.5-flash",
    "xai": "grok-4.3",
    "mistral": "mistral-large-latest",
    "groq": "openai/gpt-oss-120b",
    "openrouter": "anthropic/claude-sonnet-5",
}
"""A sensible model of each provider, first choice first."""

AGENT: Final = "default"
"""The agent whose chain holds all of them."""


def providers_with_keys(env: Mapping[str, str]) -> list[str]:
    """The providers whose usual environment variable is set."""
    return [name for name in MODEL_IDS if any(env.get(variable) for variable in PROVIDERS[name].env)]


def from_environment(env: Mapping[str, str]) -> Config | None:
    """A model per provider with a key, and the agent `default` with all of them as its chain; None without any key."""
    found = providers_with_keys(env)
    if not found:
        return None
    models = {name: schema.Model(provider=name, model=MODEL_IDS[name]) for name in found}
    agents = {AGENT: schema.Agent(models=found)}
    return build(schema.Root(models=models, agents=agents), None, env, None, [])
