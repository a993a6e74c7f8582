"""`gateway agents`: which names clients may send, and what stands behind them."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli.console import config_option, json_option, print_json, required, table
from gateway.config.load import Config


def collect(config: Config) -> list[dict[str, Any]]:
    return [
        {"agent": agent.name, "models": [model.name for model in agent.models], "unsupported": agent.unsupported}
        for agent in config.agents.values()
    ]


def render(agents: list[dict[str, Any]]) -> None:
    if not agents:
        click.echo("No agents yet. Add [agents.<name>] with models = [...] to the configuration.")
        return
    head = ("AGENT", "CHAIN")
    click.echo(table(head, [(agent["agent"], " -> ".join(agent["models"])) for agent in agents], whole=head))


@click.command()
@config_option
@json_option
def command(config_path: str | None, as_json: bool) -> None:
    """List the agents and their chains.

    \b
    Example:  gateway agents --json | jq -r '.[].agent'
    """
    found = collect(required(config_path))
    print_json(found) if as_json else render(found)
