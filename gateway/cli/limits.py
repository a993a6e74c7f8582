"""`gateway limits`: what is left of every budget and rate, and when it resets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from gateway.cli.console import FOUND_PROBLEMS, config_option, configured, fail, json_option, print_json, table
from gateway.cli.status import duration
from gateway.config.load import Config
from gateway.limits.wording import MICRO, shown
from gateway.reports.limits import limits
from gateway.reports.running import NotRunning


def collect(config: Config | None) -> list[dict[str, Any]]:
    """As `reports.limits.limits`. Raises `NotRunning`."""
    return limits(config)


def render(found: list[dict[str, Any]], now: datetime) -> None:
    if not found:
        click.echo('No limits. Add budget = "20 USD/day" to an agent or to [limits], or to a key:')
        click.echo('  gateway keys add NAME --budget "5 USD/day" --rate "30 calls/minute"')
        return
    rows = [
        (
            row["owner"],
            row["limit"],
            _amount(row, "used"),
            _amount(row, "left"),
            f"{row['percent']}%",
            _resets(row, now),
        )
        for row in found
    ]
    head = ("OWNER", "LIMIT", "USED", "LEFT", "", "RESETS")
    click.echo(table(head, rows, whole=("OWNER", "LIMIT", "USED", "LEFT")))
    for line in _notes(found):
        click.echo(line)


def _amount(row: dict[str, Any], key: str) -> str:
    units = round(row[key] * MICRO) if row["unit"] == "USD" else row[key]
    return shown(units, row["unit"])


def _resets(row: dict[str, Any], now: datetime) -> str:
    if row["resets_at"] is None:
        return "all the time"
    return f"in {duration(max(0.0, (datetime.fromisoformat(row['resets_at']) - now).total_seconds()))}"


def _notes(found: list[dict[str, Any]]) -> list[str]:
    """What the numbers do not say."""
    notes = [
        f"? {_amount(row, key)} of {row['owner']} {words}"
        for row in found
        for key, words in (
            ("estimated", "are estimated: the provider did not count them"),
            ("orphaned", "are estimated: the process that made the calls ended"),
        )
        if row[key]
    ]
    unpriced = sorted({model for row in found for model in row["unpriced"]})
    if unpriced:
        notes.append(f"? no price is known of {', '.join(unpriced)}: budgets in USD do not see what they cost")
    return notes


@click.command()
@config_option
@json_option
def command(config_path: str | None, as_json: bool) -> None:
    """Show what is left of every budget and rate, and when it resets.

    The numbers are those of the running gateway; calls under way are included
    with their estimates.

    \b
    Example:  gateway limits
              gateway limits --json | jq '.[] | select(.percent >= 80)'
    """
    try:
        found = collect(configured(config_path))
    except NotRunning as error:
        fail(str(error), FOUND_PROBLEMS)
    print_json(found) if as_json else render(found, datetime.now(UTC))
