"""The agents: the names that clients may send, and the chain of each."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config.load import Config


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One `[agents.NAME]` entry."""

    agent: str
    models: list[str]
    """The names of its models, first choice first."""
    unsupported: str
    """`warn` or `reject`: what happens to a request field that a model does not support."""


def agents(config: Config) -> list[AgentRow]:
    """All agents, in the order of the configuration."""
    return [
        AgentRow(agent.name, [model.name for model in agent.models], agent.unsupported)
        for agent in config.agents.values()
    ]
