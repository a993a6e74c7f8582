"""`gateway status`: what the running gateway does, and which models are cooling down."""

from __future__ import annotations

import sys

import click

from gateway.cli.console import (
    FOUND_PROBLEMS,
    WIDTH,
    config_option,
    configured,
    prints,
    styled,
    table,
)
from gateway.config.load import Config
from gateway.reports.overview import Overview
from gateway.reports.running import NotRunning
from gateway.reports.status import CallState, ModelState, Status, ask_status

_WORDS = {"closed": "ready", "open": "cooling down", "half_open": "to be tested"}
_CALLS_SHOWN = 10


def render(found: Status | Overview) -> None:
    """Prints one line about the process, a table of the agents, and the calls under way; or all the
    blocks of the page."""
    if isinstance(found, Overview):
        from gateway.cli.watch import lines

        click.echo("\n".join(lines(found, WIDTH)))
        return
    calls = f"{found.in_flight} calls under way, {found.waiting} waiting"
    click.echo(f"gateway {found.version}, {found.status} for {duration(found.uptime_s)}, {calls}")
    rows = [
        (agent.agent if number == 0 else "", model.model, _state(model), model.reason or "")
        for agent in found.agents
        for number, model in enumerate(agent.chain)
    ]
    if rows:
        head = ("AGENT", "MODEL", "STATE", "WHY")
        click.echo(table(head, rows, whole=head[:3]))
    if any(model.state != "closed" for agent in found.agents for model in agent.chain):
        note = "a model that is cooling down is skipped; its next call after that is a test"
        click.echo(styled(note, "bright_black"))
    if found.calls:
        _calls(found)
    _cluster(found)


def _state(model: ModelState) -> str:
    left = f" {duration(model.cooldown_left_s)}" if model.cooldown_left_s else ""
    return _WORDS.get(model.state, model.state) + left


def _calls(found: Status) -> None:
    head = ("CALL", "AGENT", "CLIENT", "MODEL", "TRIED", "FOR")
    rows = [_call(call) for call in found.calls[:_CALLS_SHOWN]]
    click.echo(table(head, rows, whole=("CALL", "AGENT", "FOR")))
    if found.in_flight > len(rows):
        click.echo(styled(f"and {found.in_flight - len(rows)} more", "bright_black"))


def _cluster(found: Status) -> None:
    group = found.cluster
    if group is None:
        return
    if not group.up:
        click.echo(styled(f"the engine of the cluster is away: {group.reason}", "yellow"))
        return
    odd = group.odd
    rows = [
        (
            member.name,
            member.host,
            str(member.pid),
            member.version,
            f"{member.config}{' (others have another)' if member in odd else ''}",
            f"{member.silent_s:.1f} s",
        )
        for member in group.members
    ]
    head = ("MEMBER", "HOST", "PID", "VERSION", "CONFIGURATION", "SILENT")
    click.echo(table(head, rows, whole=("MEMBER", "SILENT")))


def _call(call: CallState) -> tuple[str, ...]:
    model = call.model or "waiting"
    return call.id, call.agent, call.client, model, f"{len(call.attempts)}", duration(call.seconds)


def duration(seconds: float) -> str:
    """A few characters: `42 s`, `3 min`, `5 h`, `2 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


@click.command()
@config_option
@click.option(
    "--watch",
    "is_watched",
    is_flag=True,
    help="Show all that the web page shows, redrawn every second; q quits.",
)
@prints(render, errors={NotRunning: FOUND_PROBLEMS})
def command(config_path: str | None, is_watched: bool) -> Status | Overview:
    """Show what the running gateway does, and which models are cooling down.

    Without a terminal, --watch prints once.

    \b
    Example:  gateway status
              gateway status --watch
              GATEWAY_URL=http://127.0.0.1:9000 GATEWAY_KEY=gw-... gateway status
    """
    config = configured(config_path)
    return _watched(config) if is_watched else ask_status(config)


def _watched(config: Config | None) -> Overview:
    from gateway.cli.watch import look, watch

    if sys.stdout.isatty() and not click.get_current_context().params["as_json"]:
        watch(config)
        raise SystemExit(0)
    return look(config)
