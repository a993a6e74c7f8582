"""`gateway limits`: what is left of every budget and rate, and when it resets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import click

from gateway.cli.console import FOUND_PROBLEMS, config_option, configured, prints, table
from gateway.cli.status import duration
from gateway.limits.rows import Amount, Row
from gateway.reports.limits import limits
from gateway.reports.running import NotRunning
from gateway.text.limits import MICRO, shown


def render(found: list[Row]) -> None:
    """Prints a table, and what its numbers do not say."""
    for line in lines(found, datetime.now(UTC)):
        click.echo(line)


def lines(found: list[Row], now: datetime) -> Iterator[str]:
    """The lines that are printed; `now` is the time from which resets are counted."""
    if not found:
        yield 'No limits. Add budget = "20 USD/day" to an agent or to [limits], or to a key:'
        yield '  gateway keys add NAME --budget "5 USD/day" --rate "30 calls/minute"'
        return
    head = ("OWNER", "LIMIT", "USED", "", "LEFT", "RESETS")
    yield table(head, [_cells(row, now) for row in found], whole=("OWNER", "LIMIT", "USED", "LEFT"))
    yield from _notes(found)


def _cells(row: Row, now: datetime) -> tuple[str, ...]:
    used, left = _amount(row, row.used), _amount(row, row.left)
    return row.owner, row.limit, used, f"{row.percent}%", left, _resets(row, now)


def _amount(row: Row, amount: Amount) -> str:
    return shown(round(amount * MICRO) if row.unit == "USD" else int(amount), row.unit)


def _resets(row: Row, now: datetime) -> str:
    if row.resets_at is None:
        return "all the time"
    left_s = (datetime.fromisoformat(row.resets_at) - now).total_seconds()
    return f"in {duration(max(0.0, left_s))}"


def _notes(found: list[Row]) -> Iterator[str]:
    for row in found:
        if row.estimated:
            what = f"{_amount(row, row.estimated)} of {row.owner}"
            yield f"? {what} are estimated: the provider did not count them"
        if row.orphaned:
            what = f"{_amount(row, row.orphaned)} of {row.owner}"
            yield f"? {what} are estimated: the process that made the calls ended"
    unpriced = sorted({model for row in found for model in row.unpriced})
    if unpriced:
        yield (
            f"? no price is known of {', '.join(unpriced)}: "
            f"budgets in USD do not see what they cost"
        )


@click.command()
@config_option
@prints(render, errors={NotRunning: FOUND_PROBLEMS})
def command(config_path: str | None) -> list[Row]:
    """Show what is left of every budget and rate, and when it resets.

    The numbers are those of the running gateway; calls under way are included
    with their estimates.

    \b
    Example:  gateway limits
              gateway limits --json | jq '.[] | select(.percent >= 80)'
    """
    return limits(configured(config_path))
