"""The demo: what `gateway serve` shows somebody who has neither a configuration nor a key.

The fault lab plays two providers; the first model of the agent `demo` is rate-limited, so the first answer already
comes through the fallback.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway.config import schema
from gateway.config.load import Config, build
from gateway.lab import Lab

KEYS = {"ANTHROPIC_API_KEY": "demo", "GEMINI_API_KEY": "demo"}
"""Any key will do for the lab."""


@asynccontextmanager
async def demo_config() -> AsyncIterator[tuple[Config, Mapping[str, str]]]:
    """(the configuration, the environment that holds its keys), for as long as the lab runs."""
    async with Lab() as lab:
        lab.fault("anthropic", "rate_limit")
        models = {
            "primary": schema.Model(provider="anthropic", model="claude-sonnet-5", base_url=lab.base_url("anthropic")),
            "fallback": schema.Model(provider="google", model="gemini-3.5-flash", base_url=lab.base_url("google")),
        }
        agents = {"demo": schema.Agent(models=["primary", "fallback"])}
        yield build(schema.Root(models=models, agents=agents), None, {}, None, []), KEYS
