"""Model ids by provider: one of each for a configuration made from keys alone, and those that are
retired.

The ids are in the rows of `providers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatchcase
from typing import Final

from gateway.config import schema
from gateway.config.load import Config, build
from gateway.providers import PROVIDERS, default_models

MODEL_IDS: Final[Mapping[str, str]] = default_models(PROVIDERS.values())
"""A sensible model of each provider, first choice first."""

AGENT: Final = "default"
"""The agent whose chain holds all of them."""

RETIRED: Final[Mapping[str, Mapping[str, date]]] = {
    row.name: row.retired
    for row in PROVIDERS.values()
    if row.retired
}  # fmt: skip
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
