"""`gateway requests`: the last calls, or the timeline of one."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import click

from gateway.cli.console import (
    FOUND_PROBLEMS,
    config_option,
    configured,
    fail,
    prints,
    styled,
    table,
    wrapped,
)
from gateway.observe.ledger_read import Filters, Unreadable
from gateway.reports.requests import AttemptRow, CallRow, request, requests

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_COUNT: Final = click.IntRange(1)
_HEAD: Final = ("TIME", "AGENT", "MODEL", "STATUS", "TOOK", "TOKENS", "ID")


def since(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """The callback of an option such as `90m`, `2h` or `7d`: Unix time that long ago."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+)([smhd])", value, re.ASCII)
    if match is None:
        raise click.BadParameter(f"{value!r} is not a period; write 90m, 2h or 7d", ctx, param)
    return time.time() - int(match[1]) * _UNITS[match[2]]


def render(found: Sequence[CallRow] | CallRow) -> None:
    """Prints a table of calls, or the timeline of one."""
    if isinstance(found, CallRow):
        _timeline(found)
    elif not found:
        click.echo("No such calls.")
    else:
        click.echo(table(_HEAD, [_row(call) for call in found], whole=("ID",)))


def _row(call: CallRow) -> tuple[str, ...]:
    model, took = call.model or "-", f"{call.seconds:.1f} s"
    tokens = f"{call.input}+{call.output}" if call.output is not None else "-"
    return _time(call.at), call.agent, model, f"{call.status}", took, tokens, call.id


def _timeline(call: CallRow) -> None:
    streamed = "streamed" if call.stream else "whole"
    by = f"  by {call.gateway}" if call.gateway else ""
    click.echo(f"{call.id}  {_time(call.at)}  {call.agent}  for {call.client}  {streamed}{by}")
    for attempt in call.attempts:
        _attempt(attempt)
    has_count = call.output is not None
    counts = f"tokens {call.input}+{call.output}" if has_count else "no token count"
    finish = call.finish or ""
    click.echo(f"  {call.seconds:8.3f} s  status {call.status}  {counts}  {finish}".rstrip())
    if call.dropped:
        click.echo(f"  dropped: {call.dropped}")


def _attempt(attempt: AttemptRow) -> None:
    ended = f"{attempt.ended_s:8.3f}" if attempt.ended_s is not None else " " * 8
    model = f"{attempt.model} ({attempt.provider} {attempt.model_id})"
    click.echo(f"  {attempt.began_s:8.3f} to {ended} s  {model}")
    click.echo("      " + "  ".join(_outcome(attempt)))
    if attempt.message:
        click.echo(wrapped(attempt.message, " " * 6))


def _outcome(attempt: AttemptRow) -> list[str]:
    words = [_word(attempt)]
    if attempt.first_token_s is not None:
        words.append(f"first content {attempt.first_token_s:.3f}")
    if attempt.cooldown_s:
        words.append(f"cooling down {attempt.cooldown_s:.0f} s")
    if attempt.request_id:
        words.append(attempt.request_id)
    return words


def _word(attempt: AttemptRow) -> str:
    if attempt.outcome == "ok":
        return styled("ok", "green")
    return styled(f"{attempt.status or ''} {attempt.outcome}".strip(), "red")


def _time(at: float) -> str:
    moment = datetime.fromtimestamp(at)
    is_today = moment.date() == datetime.now().date()
    return moment.strftime("%H:%M:%S" if is_today else "%m-%d %H:%M")


def _rows(found: Sequence[CallRow] | CallRow) -> Any:
    return asdict(found) if isinstance(found, CallRow) else [asdict(call) for call in found]


@click.command()
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--agent", help="Calls of one agent.")
@click.option("--model", help="Calls that this model answered.")
@click.option("--status", type=int, help="Calls with this HTTP status.")
@click.option("--failed", is_flag=True, help="Calls with a status of 400 or more.")
@click.option("--since", callback=since, metavar="SPAN", help="Calls of the last 90m, 2h, 7d.")
@click.option("--limit", default=20, show_default=True, type=_COUNT, help="At most this many.")
@click.option("--all", "of_all", is_flag=True, help="Of all gateways that share [ledger] url.")
@config_option
@prints(render, data=_rows, errors={Unreadable: FOUND_PROBLEMS}, csv=True)
def command(
    id_: str | None,
    config_path: str | None,
    limit: int,
    of_all: bool,
    **filters: Any,
) -> Sequence[CallRow] | CallRow:
    """Show the last calls, or with ID (or its beginning) what happened in one.

    \b
    Example:  gateway requests --failed --since 2h
              gateway requests req_c6a5891a
    """
    config = configured(config_path)
    if id_ is None:
        return requests(config, Filters(**filters), limit, of_all=of_all)
    one = request(config, id_, of_all=of_all)
    if one is None:
        fail(f"no call has an id that begins with {id_!r}", FOUND_PROBLEMS)
    return one
