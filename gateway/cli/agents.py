"""`gateway agents`: the names that clients may send, their chains, and the lines that each client
needs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

import click

from gateway.cli.console import (
    CONFIGURATION,
    FOUND_PROBLEMS,
    WRONG_USAGE,
    agents_beginning,
    config_option,
    fail,
    prints,
    required,
    styled,
    table,
)
from gateway.config.load import Config
from gateway.dialects.model_lists import agent_of_alias
from gateway.inbound.access import ANYBODY
from gateway.inbound.http import HttpError
from gateway.inbound.keys import KeysError, at_home
from gateway.inbound.resolve import resolve
from gateway.reports.agents import AgentRow, agents
from gateway.reports.clients import KEY, ClientSetup, client_setup
from gateway.reports.running import NotRunning, address

NO_AGENTS = "No agents yet. Add [agents.<name>] with models = [...] to the configuration."

Found = list[AgentRow] | ClientSetup
"""The list, or what each client of one agent needs."""


def render(found: Found) -> None:
    """Prints a table, or the lines of every client."""
    if isinstance(found, ClientSetup):
        _render_setup(found)
    elif not found:
        click.echo(NO_AGENTS)
    else:
        _render_rows(found)


def _render_rows(rows: Sequence[AgentRow]) -> None:
    head = ["AGENT", "CHAIN", "ALIASES"]
    cells = [[row.agent, " -> ".join(row.models), ", ".join(row.aliases)] for row in rows]
    columns = 3 if any(row.aliases for row in rows) else 2
    shown = [cell[:columns] for cell in cells]
    click.echo(table(head[:columns], shown, whole=head))


def _render_setup(setup: ClientSetup) -> None:
    """Lines begin at the margin, so that they can be copied as they are."""
    click.echo(f"{setup.agent}: {' -> '.join(setup.models)}, at {setup.url}")
    if setup.key == KEY:
        click.echo(f"{KEY} is a client key: gateway keys add NAME --agent {quote(setup.agent)}")
    if setup.is_window_assumed:
        window = f"{setup.context_window:,}"
        click.echo(f"A context of {window} tokens is assumed: no model has a contextWindow.")
    for client in setup.clients:
        for lines in client.lines:
            click.echo(styled(f"\n# {client.client}: {lines.place}", "cyan"))
            click.echo(lines.text)


@click.command()
@click.argument("agent", required=False, shell_complete=agents_beginning)
@click.option("--clients", is_flag=True, help="Print the clients' lines for the first agent.")
@config_option
@prints(
    render,
    errors={HttpError: WRONG_USAGE, KeysError: CONFIGURATION, NotRunning: FOUND_PROBLEMS},
)
def command(agent: str | None, clients: bool, config_path: str | None) -> Found:
    """List the agents and their chains.

    With AGENT, print the exact lines that point each client at it: the SDKs,
    Codex, Claude Code, opencode, aider and others.

    \b
    Example:  gateway agents
              gateway agents dev
              gateway agents --json | jq -r '.[].agent'
    """
    config = required(config_path)
    if agent is None and not clients:
        return agents(config)
    return _setup(config, agent if agent is not None else _first(config))


def _first(config: Config) -> str:
    if not config.agents:
        fail(NO_AGENTS, CONFIGURATION)
    return next(iter(config.agents))


def _setup(config: Config, name: str) -> ClientSetup:
    meant = resolve(name, config.agents, config.models, ANYBODY, agent_of_alias)
    keys = at_home(os.environ, Path.home(), time.monotonic, time.time)
    return client_setup(meant, address(config), locked=keys.any())
