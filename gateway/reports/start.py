"""The text that a gateway prints at its start: its address, its agents, and their keys' sources."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config.load import Config
from gateway.credentials.store import Credentials
from gateway.reports.models import key_source
from gateway.types import Agent


@dataclass(frozen=True, slots=True)
class ChainModel:
    """One model of a chain."""

    model: str
    provider: str
    id: str
    """The vendor's string."""


@dataclass(frozen=True, slots=True)
class AgentChain:
    """One agent, and its models, first choice first."""

    agent: str
    chain: list[ChainModel]


@dataclass(frozen=True, slots=True)
class Started:
    """The first screen of `gateway serve`."""

    url: str
    """Without a path."""
    demo: bool
    config: str | None
    """The configuration file; None for the demo, and for keys in the environment."""
    agents: list[AgentChain]
    keys: dict[str, tuple[str, str]]
    """Model → (where its key comes from, why it cannot be used)."""
    locked: bool
    """Whether clients need a key."""


def started(
    config: Config,
    credentials: Credentials,
    url: str,
    *,
    demo: bool,
    locked: bool,
) -> Started:
    """The report of a gateway that has just started."""
    return Started(
        url=url,
        demo=demo,
        config=str(config.path) if config.path else None,
        agents=[_chain(agent) for agent in config.agents.values()],
        keys={model.name: key_source(model, credentials) for model in config.models.values()},
        locked=locked,
    )


def _chain(agent: Agent) -> AgentChain:
    chain = [ChainModel(model.name, model.provider.name, model.model_id) for model in agent.models]
    return AgentChain(agent.name, chain)
