"""`gateway models`: the named models, and where each one's key comes from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from gateway.cli.console import CREDENTIALS, config_option, prints, required, styled, table, wrapped
from gateway.credentials.store import Credentials
from gateway.reports.models import ModelRow, models


def render(rows: Sequence[ModelRow]) -> None:
    """Prints a table, and the problems below it."""
    body = [(row.model, row.provider, row.id, _briefly(row.key)) for row in rows]
    click.echo(table(("MODEL", "PROVIDER", "ID", "KEY FROM"), body, whole=("MODEL", "ID")))
    for row in rows:
        if row.problem:
            click.echo(f"{styled('!', 'red')} {wrapped(row.problem, '  ').lstrip()}")


def _briefly(source: str | None) -> str:
    """The kind of place, without its path, which is too long for the table."""
    return source.partition(" /")[0] if source else "missing"


def _code(rows: Sequence[ModelRow]) -> int:
    return CREDENTIALS if any(row.problem for row in rows) else 0


@click.command()
@config_option
@prints(render, code=_code)
def command(config_path: str | None) -> list[ModelRow]:
    """List the models and where their keys come from.

    Exits with 10 when a key is missing.

    \b
    Example:  gateway models
    """
    return models(required(config_path), Credentials(os.environ, Path.home()))
