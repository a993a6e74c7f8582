"""`gateway requests`: the last calls, or the timeline of one."""

from __future__ import annotations

import csv
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli.console import (
    FOUND_PROBLEMS,
    config_option,
    configured,
    fail,
    json_option,
    print_json,
    styled,
    table,
    wrapped,
)
from gateway.config import schema
from gateway.config.files import path_of
from gateway.config.load import Config
from gateway.observe.ledger_read import Filters, Record, Unreadable, call, calls

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def since(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """`90m`, `2h`, `7d` as an option: Unix time so long ago."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+)([smhd])", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no span of time; write 90m, 2h or 7d", ctx, param)
    return time.time() - int(match[1]) * _UNITS[match[2]]


def ledger_path(config: Config | None) -> Path:
    """Where this configuration's ledger is, or that of a gateway without one."""
    return config.ledger_path if config is not None else path_of(schema.Ledger().path)


def collect(config: Config | None, filters: Filters, limit: int) -> list[Record]:
    """Raises `Unreadable`."""
    return calls(ledger_path(config), filters, limit)


def render(found: Sequence[Record]) -> None:
    if not found:
        click.echo("No such calls.")
        return
    rows = [
        (
            _time(each["at"]),
            each["agent"],
            each["model"] or "-",
            str(each["status"]),
            f"{each['seconds']:.1f} s",
            f"{each['input']}+{each['output']}" if each["output"] is not None else "-",
            each["id"],
        )
        for each in found
    ]
    click.echo(table(("TIME", "AGENT", "MODEL", "STATUS", "TOOK", "TOKENS", "ID"), rows, whole=("ID",)))


def timeline(found: Record) -> None:
    """One call, attempt by attempt."""
    streamed = "streamed" if found["stream"] else "whole"
    click.echo(f"{found['id']}  {_time(found['at'])}  {found['agent']}  for {found['client']}  {streamed}")
    for each in found["attempts"]:
        good = each["outcome"] == "ok"
        word = styled(
            each["outcome"] if good else f"{each['status'] or ''} {each['outcome']}".strip(), "green" if good else "red"
        )
        ended = f"{each['ended_s']:8.3f}" if each["ended_s"] is not None else " " * 8
        first = f"  first content {each['first_token_s']:.3f}" if each["first_token_s"] is not None else ""
        rest = f"  rests {each['cooldown_s']:.0f} s" if each["cooldown_s"] else ""
        click.echo(f"  {each['began_s']:8.3f} to {ended} s  {each['model']} ({each['provider']} {each['model_id']})")
        click.echo(f"      {word}{first}{rest}" + (f"  {each['request_id']}" if each["request_id"] else ""))
        if each["message"]:
            click.echo(wrapped(each["message"], " " * 6))
    counts = f"tokens {found['input']}+{found['output']}" if found["output"] is not None else "no tokens counted"
    click.echo(f"  {found['seconds']:8.3f} s  status {found['status']}  {counts}  {found['finish'] or ''}")
    if found["dropped"]:
        click.echo(f"  dropped: {found['dropped']}")


def _time(at: float) -> str:
    moment = datetime.fromtimestamp(at)
    return moment.strftime("%H:%M:%S" if moment.date() == datetime.now().date() else "%m-%d %H:%M")


def print_csv(records: Iterable[Mapping[str, Any]]) -> None:
    """With a header; nothing for no records."""
    rows = [{key: value for key, value in record.items() if not isinstance(value, list)} for record in records]
    if rows:
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@click.command()
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--agent", help="Calls of one agent.")
@click.option("--model", help="Calls that this model answered.")
@click.option("--status", type=int, help="Calls with this HTTP status.")
@click.option("--failed", is_flag=True, help="Calls with a status of 400 or more.")
@click.option("--since", "after", callback=since, metavar="SPAN", help="Calls of the last 90m, 2h, 7d.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="At most so many.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@config_option
def command(
    id_: str | None, agent: str | None, model: str | None, status: int | None, failed: bool, after: float | None,
    limit: int, as_csv: bool, as_json: bool, config_path: str | None,
) -> None:  # fmt: skip
    """Show the last calls, or with ID (or its beginning) what happened in one.

    \b
    Example:  gateway requests --failed --since 2h
              gateway requests req_c6a5891a
    """
    config = configured(config_path)
    try:
        if id_ is not None:
            one = call(ledger_path(config), id_)
            if one is None:
                fail(f"no call has an id that begins with {id_!r}", FOUND_PROBLEMS)
            print_json(one) if as_json else timeline(one)
            return
        found = collect(config, Filters(agent, model, status, after, failed), limit)
    except Unreadable as error:
        fail(str(error), FOUND_PROBLEMS)
    if as_csv:
        print_csv(found)
    else:
        print_json(found) if as_json else render(found)
