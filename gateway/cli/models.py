"""`gateway models`: the named models, and where each one's key comes from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli.console import CREDENTIALS, config_option, json_option, print_json, required, styled, table
from gateway.config.load import Config
from gateway.credentials.store import CredentialError, CredentialExpired, Credentials
from gateway.types import Model

NO_KEY: Final = "none needed"


def collect(config: Config, credentials: Credentials) -> list[dict[str, Any]]:
    return [_row(model, credentials) for model in config.models.values()]


def key_source(model: Model, credentials: Credentials) -> tuple[str, str]:
    """(where the key comes from, what is wrong with it); one of the two is empty."""
    try:
        found = credentials.find(model)
    except CredentialExpired:
        return "pi (expired; the next call renews it)", ""
    except CredentialError as error:
        return "", str(error)
    return (found.source if found else NO_KEY), ""


def _row(model: Model, credentials: Credentials) -> dict[str, Any]:
    source, problem = key_source(model, credentials)
    return {
        "model": model.name,
        "provider": model.provider.name,
        "id": model.model_id,
        "base_url": model.base_url,
        "auth_type": model.auth_type,
        "key": source or None,
        "problem": problem or None,
    }


def render(rows: list[dict[str, Any]]) -> None:
    body = [(row["model"], row["provider"], row["id"], _briefly(row["key"])) for row in rows]
    click.echo(table(("MODEL", "PROVIDER", "ID", "KEY FROM"), body, whole=("MODEL", "ID")))
    for row in rows:
        if row["problem"]:
            click.echo(f"{styled('!', 'red')} {row['problem']}")


def _briefly(source: str | None) -> str:
    """The kind of place, without the path, which fits no table."""
    return source.partition(" /")[0] if source else "missing"


@click.command()
@config_option
@json_option
def command(config_path: str | None, as_json: bool) -> None:
    """List the models and where their keys come from.

    Exits with 10 when a key is missing.

    \b
    Example:  gateway models
    """
    rows = collect(required(config_path), Credentials(os.environ, Path.home()))
    print_json(rows) if as_json else render(rows)
    if any(row["problem"] for row in rows):
        raise SystemExit(CREDENTIALS)
