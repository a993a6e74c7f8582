"""`gateway keys`: the clients' keys for this gateway."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from gateway.cli.cluster_keys import Others
from gateway.cli.console import FOUND_PROBLEMS, WRONG_USAGE, fail, prints, styled, table
from gateway.config.check import did_you_mean
from gateway.config.load import Config, ConfigError
from gateway.inbound.keys import Keys, KeysError, at_home
from gateway.inbound.shared_keys import has_record
from gateway.reports.config import find
from gateway.reports.keys import ClientKey, ClientKeys, client_keys

_PERIOD: Final = re.compile(r"([1-9]\d*)([hdw])", re.ASCII)
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}


def _keys() -> Keys:
    return at_home(os.environ, Path.home(), time.monotonic, time.time)


def render(found: ClientKeys) -> None:
    """Prints a table."""
    if not found.keys:
        click.echo(f"No client keys: {_who(found)}.")
        click.echo("Make one with: gateway keys add NAME")
        return
    head = ("NAME", "AGENTS", "PAGE", "CREATED", "EXPIRES", "LIMITS")
    click.echo(table(head, [_row(key) for key in found.keys], whole=("NAME",)))


def _who(found: ClientKeys) -> str:
    if found.needed:
        return "no client may call"
    return "any client on this host may call, and none from elsewhere"


def _row(key: ClientKey) -> tuple[str, ...]:
    agents = ", ".join(key.agents) if key.agents else "all"
    limits = ", ".join([*key.budget, *key.rate]) or "none"
    page = "admin" if key.admin else "-"
    return key.name, agents, page, key.created[:10], _expires(key), limits


def _expires(key: ClientKey) -> str:
    if key.expires is None:
        return "never"
    return "expired" if key.expired else key.expires[:10]


@click.group()
def command() -> None:
    """Make and revoke the clients' keys.

    With keys, every client must present one, as a bearer token or as x-api-key.
    A running gateway notices changes within a second.

    \b
    Example:  gateway keys add laptop --agent dev --agent reviewer --expires 90d
              gateway keys rm laptop
    """


_cluster_option = click.option(
    "--cluster",
    is_flag=True,
    help="At all gateways of the cluster ([cluster] redis).",
)


@dataclass(frozen=True, slots=True)
class _Made:
    name: str
    key: str


def _render_made(made: _Made) -> None:
    click.echo(made.key)
    click.echo("This is the only time it is shown. The client sends it as its API key.", err=True)
    click.echo("Every client needs a key now; `gateway keys ls` lists them.", err=True)


@command.command("add")
@click.argument("name")
@click.option(
    "--agent",
    "agents",
    multiple=True,
    help="An agent this key may use; repeat for several. Default: all.",
)
@click.option("--expires", metavar="PERIOD", help="Such as 12h, 90d or 4w. Default: never.")
@click.option("--budget", "budgets", multiple=True, help='Such as "5 USD/day"; repeat for several.')
@click.option(
    "--rate", "rates", multiple=True, help='Such as "30 calls/minute"; repeat for several.'
)
@click.option(
    "--admin", is_flag=True, help="The key also opens the web page, which shows all agents."
)
@_cluster_option
@prints(_render_made, errors={KeysError: FOUND_PROBLEMS})
def add(
    name: str,
    agents: tuple[str, ...],
    expires: str | None,
    budgets: tuple[str, ...],
    rates: tuple[str, ...],
    admin: bool,
    cluster: bool,
) -> _Made:
    """Make a key and print it, once.

    \b
    Example:  OPENAI_API_KEY=$(gateway keys add laptop --agent dev)
              gateway keys add bot --budget "5 USD/day" --rate "30 calls/minute"
              gateway keys add me --admin
              gateway keys add ci --cluster
    """
    if admin and agents:
        fail("--admin and --agent exclude each other: the web page shows all agents", WRONG_USAGE)
    _warn_of_unknown(agents)
    _warn_of_when_down((*budgets, *rates))
    keys = _keys()
    others = Others(keys) if cluster else None
    key = keys.add(name, agents, _end(expires), budget=budgets, rate=rates, admin=admin)
    if others is not None:
        others.share(name)
    return _Made(name, key)


@command.command("ls")
@prints(render, data=lambda found: found.keys, errors={KeysError: FOUND_PROBLEMS})
def ls() -> ClientKeys:
    """List the keys; their secrets are not kept.

    \b
    Example:  gateway keys ls
    """
    keys = _keys()
    return client_keys(keys.entries(), needed=keys.any(), now=datetime.now(UTC))


@command.command("rm")
@click.argument("name")
@_cluster_option
@prints(lambda done: click.echo(f"revoked {done['revoked']}"), errors={KeysError: FOUND_PROBLEMS})
def rm(name: str, cluster: bool) -> dict[str, str]:
    """Revoke a key. A running gateway refuses it within a second.

    A key that the gateways of a cluster share is revoked at all of them.

    \b
    Example:  gateway keys rm laptop
    """
    keys = _keys()
    others = Others(keys) if cluster or has_record(keys, name) else None
    if others is not None:
        others.revoke(name)
    else:
        keys.remove(name)
    return {"revoked": name}


def _warn_of_unknown(agents: tuple[str, ...]) -> None:
    """An unknown agent is only a warning, because it may be added later."""
    config = _config() if agents else None
    if config is None:
        return
    known = [*config.agents, *config.entries]
    for agent in agents:
        if agent not in known:
            near = did_you_mean(agent, known)
            _warn(f"there is no agent {agent!r} yet. {near}")


def _warn_of_when_down(limits: tuple[str, ...]) -> None:
    """What a limit says of the time without the engine means nothing where there is none."""
    config = _config() if any("whenDown" in limit for limit in limits) else None
    if config is not None and not config.cluster.redis:
        _warn("whenDown is never used, as there is no [cluster] redis.")


def _config() -> Config | None:
    """None without a valid one."""
    try:
        return find(None)
    except ConfigError:
        return None


def _warn(message: str) -> None:
    click.echo(f"{styled('warning', 'yellow', err=True)}: {message}", err=True)


def _end(period: str | None) -> datetime | None:
    if period is None:
        return None
    match = _PERIOD.fullmatch(period)
    if match is None:
        fail(f"--expires {period!r}: write it as 12h, 90d or 4w", WRONG_USAGE)
    try:
        return datetime.now(UTC) + timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        fail(
            f"--expires {period!r} is too far in the future; omit it for a key that never expires",
            WRONG_USAGE,
        )
