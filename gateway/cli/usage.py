"""`gateway usage`: tokens and money by agent, model, day or client."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from gateway.cli.console import FOUND_PROBLEMS, config_option, configured, fail, json_option, print_json, table
from gateway.cli.requests import ledger_path, print_csv, since
from gateway.config.load import Config
from gateway.observe.ledger_read import GROUPS, Filters, Record, Unreadable, usage
from gateway.observe.prices import cost

_COUNTS = (
    "calls",
    "failed",
    "uncounted",
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "reasoning",
)


def collect(config: Config | None, by: str, filters: Filters) -> list[dict[str, Any]]:
    """One record per group: the counts, `cost` in dollars of what has a known price (None if nothing has), `unpriced`,
    the number of calls whose tokens have none, and `uncounted`, of those without a count. Raises `Unreadable`."""
    groups: dict[str, dict[str, Any]] = {}
    for record in usage(ledger_path(config), by, filters):
        total = groups.setdefault(
            record["group"], {by: record["group"], **dict.fromkeys(_COUNTS, 0), "cost": 0.0, "unpriced": 0}
        )
        for key in _COUNTS:
            total[key] += int(record[key])
        dollars = _dollars(record, config)
        if dollars is None:
            total["unpriced"] += record["calls"]
        else:
            total["cost"] += dollars
    for total in groups.values():
        if not total["cost"] and (total["unpriced"] or total["uncounted"]):
            total["cost"] = None  # unknown is not zero
    return list(groups.values())


def _dollars(record: Record, config: Config | None) -> float | None:
    if record["cost"] is None and not record["input"] and not record["output"]:
        return 0.0
    model = config.models.get(record["model"]) if config is not None else None
    at = datetime.fromisoformat(record["day"]).replace(hour=12, tzinfo=UTC).timestamp()
    stated = model.price if model is not None else None
    return cost(record["provider"], record["model_id"], record, at, stated, record["calls"])


def render(found: Sequence[dict[str, Any]], by: str) -> None:
    if not found:
        click.echo("No calls.")
        return
    rows = [
        (
            str(each[by]), f"{each['calls']:,}", f"{each['failed']:,}", f"{each['input']:,}", f"{each['cache_read']:,}",
            f"{each['output']:,}", money([each]),
        )
        for each in (*found, _sum(found, by))
    ]  # fmt: skip
    head = (by.upper(), "CALLS", "FAILED", "INPUT", "CACHED", "OUTPUT", "COST")
    click.echo(table(head, rows, whole=head))
    if any(each["unpriced"] for each in found):
        click.echo("? the price of some of it is not known; state it with [models.<name>.price]")
    if uncounted := sum(each["uncounted"] for each in found):
        click.echo(f"? nobody counted the tokens of {uncounted} of the answers")


def _sum(found: Sequence[dict[str, Any]], by: str) -> dict[str, Any]:
    keys = (*_COUNTS, "cost", "unpriced")
    return {by: "all", **{key: sum(each[key] or 0 for each in found) for key in keys}}


def money(groups: Iterable[dict[str, Any]]) -> str:
    """`$1.23`; `$1.23 ?` where part of it is unknown, `?` where all is."""
    rows = list(groups)
    dollars = sum(each["cost"] or 0.0 for each in rows)
    unknown = any(each["unpriced"] or each["uncounted"] for each in rows)
    if unknown and not dollars:
        return "?"
    text = f"${dollars:,.2f}" if dollars >= 0.1 or not dollars else f"${dollars:.4f}"
    return f"{text} ?" if unknown else text


@click.command()
@click.option("--by", type=click.Choice(list(GROUPS)), default="agent", show_default=True, help="Grouped by.")
@click.option("--agent", help="Of one agent.")
@click.option("--model", help="Of one model.")
@click.option("--since", "after", callback=since, metavar="SPAN", help="Of the last 90m, 2h, 7d.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@config_option
def command(
    by: str, agent: str | None, model: str | None, after: float | None, as_csv: bool, as_json: bool,
    config_path: str | None,
) -> None:  # fmt: skip
    """Add up tokens and money, as the providers counted them.

    The price is what you state in [models.<name>.price]; else what the provider
    says that a call cost; else that of a library that others maintain, at the
    time of the call. An unknown price is a `?`.

    \b
    Example:  gateway usage --by model --since 7d
    """
    try:
        found = collect(configured(config_path), by, Filters(agent=agent, model=model, since=after))
    except Unreadable as error:
        fail(str(error), FOUND_PROBLEMS)
    if as_csv:
        print_csv(found)
    elif as_json:
        print_json(found)
    else:
        render(found, by)
