"""`gateway keys`: the clients' keys for this gateway."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli.console import FOUND_PROBLEMS, WRONG_USAGE, fail, find, json_option, print_json, styled, table
from gateway.config.check import did_you_mean
from gateway.config.load import ConfigError
from gateway.inbound.keys import Keys, KeysError, at_home

_PERIOD: Final = re.compile(r"([1-9]\d*)([hdw])", re.ASCII)
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}


def _keys() -> Keys:
    return at_home(os.environ, Path.home(), time.monotonic, time.time)


def collect(keys: Keys) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [
        {
            "name": entry.name,
            "agents": entry.agents,
            "created": entry.created.isoformat(),
            "expires": entry.expires.isoformat() if entry.expires else None,
            "expired": entry.is_expired(now),
            "budget": entry.budget,
            "rate": entry.rate,
        }
        for entry in keys.entries()
    ]


def render(rows: list[dict[str, Any]], *, locked: bool) -> None:
    if not rows:
        who = "nobody may call" if locked else "anybody on this host may call, and nobody from elsewhere"
        click.echo(f"No client keys: {who}.")
        click.echo("Make one with: gateway keys add NAME")
        return
    body = [
        (
            row["name"],
            ", ".join(row["agents"]) if row["agents"] else "all",
            row["created"][:10],
            ("expired" if row["expired"] else row["expires"][:10]) if row["expires"] else "never",
            ", ".join([*row["budget"], *row["rate"]]) or "none",
        )
        for row in rows
    ]
    click.echo(table(("NAME", "AGENTS", "CREATED", "EXPIRES", "LIMITS"), body, whole=("NAME",)))


@click.group()
def command() -> None:
    """Make and revoke the clients' keys.

    With keys, every client must present one, as a bearer token or as x-api-key.
    A running gateway notices changes within a second.

    \b
    Example:  gateway keys add laptop --agent dev --agent reviewer --expires 90d
              gateway keys rm laptop
    """


@command.command("add")
@click.argument("name")
@click.option("--agent", "agents", multiple=True, help="An agent this key may use; repeat for several. Default: all.")
@click.option("--expires", metavar="PERIOD", help="Such as 12h, 90d or 4w. Default: never.")
@click.option("--budget", "budgets", multiple=True, help='Such as "5 USD/day"; repeat for several. Default: none.')
@click.option("--rate", "rates", multiple=True, help='Such as "30 calls/minute"; repeat for several. Default: none.')
@json_option
def add(
    name: str,
    agents: tuple[str, ...],
    expires: str | None,
    budgets: tuple[str, ...],
    rates: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a key and print it, once.

    \b
    Example:  OPENAI_API_KEY=$(gateway keys add laptop --agent dev)
              gateway keys add bot --budget "5 USD/day" --rate "30 calls/minute"
    """
    _warn_of_unknown(agents)
    try:
        key = _keys().add(name, agents, _end(expires), budget=budgets, rate=rates)
    except KeysError as error:
        fail(str(error), FOUND_PROBLEMS)
    if as_json:
        print_json({"name": name, "key": key})
    else:
        click.echo(key)
        click.echo("This is the only time it is shown.", err=True)


@command.command("ls")
@json_option
def ls(as_json: bool) -> None:
    """List the keys; their secrets are not kept."""
    try:
        keys = _keys()
    except KeysError as error:
        fail(str(error), FOUND_PROBLEMS)
    rows = collect(keys)
    print_json(rows) if as_json else render(rows, locked=keys.any())


@command.command("rm")
@click.argument("name")
def rm(name: str) -> None:
    """Revoke a key. A running gateway refuses it within a second."""
    try:
        _keys().remove(name)
    except KeysError as error:
        fail(str(error), FOUND_PROBLEMS)
    click.echo(f"revoked {name}")


def _warn_of_unknown(agents: tuple[str, ...]) -> None:
    """An agent may be added later, so an unknown one is worth a word and no more."""
    if not agents:
        return
    try:
        config = find(None)
    except ConfigError:
        return
    for agent in agents:
        if config is not None and agent not in config.agents and agent not in config.models:
            near = did_you_mean(agent, [*config.agents, *config.models])
            click.echo(f"{styled('warning', 'yellow', err=True)}: there is no agent {agent!r} yet. {near}", err=True)


def _end(period: str | None) -> datetime | None:
    if period is None:
        return None
    match = _PERIOD.fullmatch(period)
    if match is None:
        fail(f"--expires {period!r}: write it as 12h, 90d or 4w", WRONG_USAGE)
    try:
        return datetime.now(UTC) + timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        fail(f"--expires {period!r} is beyond all calendars; leave it away for a key that never expires", WRONG_USAGE)
