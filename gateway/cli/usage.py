"""`gateway usage`: tokens and money by agent, model, day or client."""

from __future__ import annotations

import click

from gateway.cli.console import FOUND_PROBLEMS, config_option, configured, prints, table
from gateway.cli.requests import since
from gateway.observe.ledger_read import GROUPS, Filters, Unreadable
from gateway.reports.usage import Total, Usage, usage

_GROUP = click.Choice([*GROUPS, "gateway"])


def render(found: Usage) -> None:
    """Prints a table, and what the sums leave out."""
    if not found.totals:
        click.echo("No calls.")
        return
    whole = found.all()
    head = (found.by.upper(), "CALLS", "FAILED", "INPUT", "CACHED", "OUTPUT", "COST")
    click.echo(table(head, [_row(total) for total in (*found.totals, whole)], whole=head))
    if whole.unpriced:
        click.echo("? the price of some calls is not known; state it with [models.<name>.price]")
    if whole.uncounted:
        answers = "1 answer has" if whole.uncounted == 1 else f"{whole.uncounted} answers have"
        click.echo(f"? {answers} no token count from the provider")


def _row(total: Total) -> tuple[str, ...]:
    counts = (total.calls, total.failed, total.input, total.cache_read, total.output)
    return (str(total.group), *(f"{count:,}" for count in counts), money(total))


def money(total: Total) -> str:
    """`$1.23`; `$1.23 ?` where part of it is unknown, `?` where all is."""
    dollars = total.cost or 0.0
    if total.is_partly_unknown and not dollars:
        return "?"
    text = f"${dollars:,.2f}" if dollars >= 0.1 or not dollars else f"${dollars:.4f}"
    return f"{text} ?" if total.is_partly_unknown else text


@click.command()
@click.option("--by", type=_GROUP, default="agent", show_default=True, help="Grouped by.")
@click.option("--agent", help="Of one agent.")
@click.option("--model", help="Of one model.")
@click.option("--since", "after", callback=since, metavar="SPAN", help="Of the last 90m, 2h, 7d.")
@click.option("--all", "of_all", is_flag=True, help="Of all gateways that share [ledger] url.")
@config_option
@prints(render, data=Usage.records, csv=True, errors={Unreadable: FOUND_PROBLEMS})
def command(
    by: str,
    agent: str | None,
    model: str | None,
    after: float | None,
    of_all: bool,
    config_path: str | None,
) -> Usage:
    """Add up tokens and money, as the providers counted them.

    The price is what you state in [models.<name>.price]; else what the provider
    says that a call cost; else that of a library that others maintain, at the
    time of the call. An unknown price is a `?`. With --all, days are those of UTC.

    \b
    Example:  gateway usage --by model --since 7d
    """
    if by == "gateway" and not of_all:
        raise click.UsageError("--by gateway needs --all: this gateway's own ledger has no other")
    filters = Filters(agent=agent, model=model, since=after)
    return usage(configured(config_path), by, filters, of_all=of_all)
