"""`gateway credentials`: the providers' keys in the store. A key is read from a prompt or from standard input, never
from the command line, where every process of the host could see it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import CREDENTIALS, fail, json_option, print_json, styled, table
from gateway.credentials import CredentialError, Credentials
from gateway.providers import CREDENTIAL_TYPES, PROVIDERS


def _credentials() -> Credentials:
    return Credentials(os.environ, Path.home())


def collect(credentials: Credentials) -> list[dict[str, Any]]:
    return [
        {"type": key.type, "instance": key.instance, "path": str(key.path), "problem": key.problem or None}
        for key in credentials.stored()
    ]


def render(keys: list[dict[str, Any]]) -> None:
    if not keys:
        click.echo("The store is empty. Add a key with, for example: gateway credentials set anthropic_key")
        return
    rows = [(key["type"], key["instance"], key["problem"] or "ok") for key in keys]
    click.echo(table(("TYPE", "INSTANCE", "STATE"), rows))


@click.group()
def command() -> None:
    """Store the providers' keys.

    \b
    They lie in ~/.action-llama/credentials ($AL_CREDENTIALS_DIR), one file each,
    readable by you alone. systemd's credentials come first, environment
    variables last.

    \b
    Example:  gateway credentials set anthropic_key
              pass show openai | gateway credentials set openai_key:team2
    """


@command.command("ls")
@json_option
def ls(as_json: bool) -> None:
    """List the stored keys; never the keys themselves."""
    found = collect(_credentials())
    print_json(found) if as_json else render(found)
    if any(key["problem"] for key in found):
        raise SystemExit(CREDENTIALS)


@command.command("set")
@click.argument("reference", metavar="TYPE[:INSTANCE]")
def set_(reference: str) -> None:
    """Store a key, read from a prompt or from standard input."""
    type_, instance = _parse(reference)
    value = click.prompt(f"{type_} key", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    try:
        path = _credentials().put(type_, instance, value)
    except CredentialError as error:
        fail(str(error), CREDENTIALS)
    click.echo(f"stored in {path}")
    hint = next((row.key_hint for row in PROVIDERS.values() if row.credential == type_ and row.key_hint), "")
    if hint and not value.strip().startswith(hint):
        click.echo(f"{styled('note', 'yellow')}: keys of this type usually begin with {hint}")


@command.command("rm")
@click.argument("reference", metavar="TYPE[:INSTANCE]")
def rm(reference: str) -> None:
    """Remove a stored key."""
    try:
        path = _credentials().remove(*_parse(reference))
    except CredentialError as error:
        fail(str(error), CREDENTIALS)
    click.echo(f"removed {path}")


def _parse(reference: str) -> tuple[str, str]:
    type_, _, instance = reference.partition(":")
    if type_ not in CREDENTIAL_TYPES and f"{type_}_key" in CREDENTIAL_TYPES:
        type_ = f"{type_}_key"
    return type_, instance or "default"
