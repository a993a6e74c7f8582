"""The vendors' model ids: one of each provider for a configuration made from keys alone, and those
that are retired.

Model ids go out of date; this is the only place besides `providers.py` to update. Retired ids are
never refused or replaced: only `doctor` reads them, so an id that is missing here costs nothing.
Sources: the vendors' deprecation pages and model lists, November 2026; see `docs/providers.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatchcase
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


GONE: Final = date.min
"""Switched off on an unknown day."""

RETIRED: Final[Mapping[str, Mapping[str, date]]] = {
    "anthropic": {
        "claude-2*": GONE,
        "claude-3-*": GONE,
        "claude-haiku-3-*": GONE,
        "claude-mythos-preview": GONE,
        "claude-opus-4-0": GONE,
        "claude-opus-4-1*": date(2026, 8, 5),
        "claude-opus-4-20250514": GONE,
        "claude-sonnet-4-0": GONE,
        "claude-sonnet-4-20250514": GONE,
        "claude-sonnet-4-5": date(2026, 11, 30),
        "claude-sonnet-4-5-20250929": date(2026, 11, 30),
    },
    "google": {
        "gemini-1.*": GONE,
        "gemini-2.0-*": GONE,
        "gemini-3-pro-preview": GONE,
        "gemini-pro": GONE,
    },
    "openai": {
        "chatgpt-4o-latest": date(2026, 8, 10),
        "gpt-3.5*": date(2026, 10, 23),
        "gpt-4": date(2026, 10, 23),
        "gpt-4-*": date(2026, 10, 23),
        "gpt-4.1": date(2027, 1, 14),
        "gpt-4.1-mini": date(2027, 1, 14),
        "gpt-4.5*": GONE,
        "gpt-5": date(2026, 12, 11),
        "gpt-5.1": date(2027, 4, 1),
        "gpt-5.4-nano": date(2027, 4, 1),
        "gpt-5*-chat-latest": date(2026, 8, 10),
        "o1": date(2026, 10, 23),
        "o1-mini": date(2026, 10, 23),
        "o1-preview": date(2026, 10, 23),
        "o3": date(2026, 12, 11),
        "o3-mini": date(2026, 10, 23),
        "o4-mini": date(2026, 10, 23),
    },
    "xai": {"grok-beta": GONE, "grok-vision-beta": GONE},
}
"""Provider → pattern of ids → the first day without it."""


def providers_with_keys(env: Mapping[str, str]) -> list[str]:
    """The providers whose usual environment variable is set."""
    return [name for name in MODEL_IDS if any(map(env.get, PROVIDERS[name].env))]


def from_environment(env: Mapping[str, str]) -> Config | None:
    """A model per provider with a key, and the agent `default` with all of them as its chain; None
    without any key."""
    found = providers_with_keys(env)
    if not found:
        return None
    models = {name: schema.Model(provider=name, model=MODEL_IDS[name]) for name in found}
    agents = {AGENT: schema.Agent(models=found)}
    return build(schema.Root(models=models, agents=agents), None, env, None, [])


def retired_on(provider_name: str, model_id: str) -> date | None:
    """The first day on which the vendor no longer serves `model_id`; None if it is not known to be
    retired."""
    patterns = RETIRED.get(provider_name, {})
    if model_id in patterns:
        return patterns[model_id]
    return next((day for pattern, day in patterns.items() if fnmatchcase(model_id, pattern)), None)
