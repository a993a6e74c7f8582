"""`gateway agents`: the names that clients may send, and their chains."""

from __future__ import annotations

from collections.abc import Sequence

import click

from gateway.cli.console import config_option, prints, required, table
from gateway.reports.agents import AgentRow, agents


def render(rows: Sequence[AgentRow]) -> None:
    """Prints a table."""
    if not rows:
        click.echo("No agents yet. Add [agents.<name>] with models = [...] to the configuration.")
        return
    head = ("AGENT", "CHAIN")
    click.echo(table(head, [(row.agent, " -> ".join(row.models)) for row in rows], whole=head))


@click.command()
@config_option
@prints(render)
def command(config_path: str | None) -> list[AgentRow]:
    """List the agents and their chains.

    \b
    Example:  gateway agents --json | jq -r '.[].agent'
    """
    return agents(required(config_path))
