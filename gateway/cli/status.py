"""`gateway status`: what the running gateway is doing, and which models rest."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli.console import FOUND_PROBLEMS, config_option, configured, fail, json_option, print_json, styled, table
from gateway.config.load import Config
from gateway.reports.running import NotRunning, ask

_COLOURS = {"closed": "green", "open": "red", "half_open": "yellow"}
_WORDS = {"closed": "ready", "open": "rests", "half_open": "to be tested"}


def collect(config: Config | None) -> dict[str, Any]:
    """As `GET /status` says. Raises `NotRunning`."""
    return ask(config, "/status")


def render(found: dict[str, Any]) -> None:
    calls = f"{found['in_flight']} calls under way, {found['waiting']} waiting"
    click.echo(f"gateway {found['version']}, {found['status']} for {duration(found['uptime_s'])}, {calls}")
    rows = [
        (agent["agent"] if number == 0 else "", model["model"], _state(model), model["reason"] or "")
        for agent in found["agents"]
        for number, model in enumerate(agent["chain"])
    ]
    if rows:
        click.echo(table(("AGENT", "MODEL", "STATE", "WHY"), rows, whole=("AGENT", "MODEL")))
    resting = any(model["state"] != "closed" for agent in found["agents"] for model in agent["chain"])
    if resting:
        click.echo(styled("a model that rests is passed over; its next call after that is a test", "bright_black"))


def _state(model: dict[str, Any]) -> str:
    rest = f" {duration(model['resting_s'])}" if model["resting_s"] else ""
    return _WORDS[model["state"]] + rest


def duration(seconds: float) -> str:
    """A few characters: `42 s`, `3 min`, `5 h`, `2 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


@click.command()
@config_option
@json_option
def command(config_path: str | None, as_json: bool) -> None:
    """Show what the running gateway is doing, and which models rest.

    \b
    Example:  gateway status
              GATEWAY_URL=http://127.0.0.1:9000 GATEWAY_KEY=gw-... gateway status
    """
    try:
        found = collect(configured(config_path))
    except NotRunning as error:
        fail(str(error), FOUND_PROBLEMS)
    print_json(found) if as_json else render(found)
