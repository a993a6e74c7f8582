"""The demo: what `gateway serve` shows without a configuration and without a key.

The fault lab plays two providers; the first model of the agent `demo` is rate-limited, so the first
answer already comes through the fallback.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

from gateway.config import schema
from gateway.config.load import Config, build
from gateway.lab import Lab

KEYS = {"ANTHROPIC_API_KEY": "demo", "GEMINI_API_KEY": "demo"}
"""The lab accepts any key."""

SHOWS = (
    "The built-in fault lab plays two providers; no other is asked. The first model",
    "is rate-limited, so the second one answers: see x-gateway-attempts.",
)
"""The faults that the demo shows."""


def with_own_key(program: str) -> Iterator[str]:
    """The lines of the screen that say how to go on with a key of one's own."""
    yield f"  your own key  ANTHROPIC_API_KEY=sk-ant-... {program} serve"
    yield f"                {program} init     writes a configuration with all settings"


@asynccontextmanager
async def demo_config() -> AsyncIterator[tuple[Config, Mapping[str, str]]]:
    """(the configuration, the environment that holds its keys), for as long as the lab runs."""
    async with Lab() as lab:
        lab.fault("anthropic", "rate_limit")
        models = {
            "primary": _model(lab, "anthropic", "claude-sonnet-5"),
            "fallback": _model(lab, "google", "gemini-3.5-flash"),
        }
        agents = {"demo": schema.Agent(models=["primary", "fallback"])}
        yield build(schema.Root(models=models, agents=agents), None, {}, None, []), KEYS


def _model(lab: Lab, provider: str, model_id: str) -> schema.Model:
    return schema.Model(provider=provider, model=model_id, base_url=lab.base_url(provider))
