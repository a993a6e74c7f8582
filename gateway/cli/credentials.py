"""`gateway credentials`: the providers' keys in the store. A key is read from a prompt or from standard input, never
from the command line, where every process of the host could see it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import CREDENTIALS, fail, find, json_option, print_json, styled, table
from gateway.config.load import ConfigError
from gateway.credentials.store import CredentialError, Credentials, short, split
from gateway.providers import CREDENTIAL_TYPES, PROVIDERS


def _credentials() -> Credentials:
    return Credentials(os.environ, Path.home())


def collect(credentials: Credentials) -> list[dict[str, Any]]:
    return [asdict(key) for key in credentials.stored(_types())]


def _types() -> frozenset[str]:
    """The types of all providers, and those that the configuration names; others are not the gateway's."""
    try:
        config = find(None)
    except ConfigError:
        config = None
    named = {split(model.credential)[0] for model in config.models.values()} if config else set()
    return CREDENTIAL_TYPES | named


def render(keys: list[dict[str, Any]]) -> None:
    if not keys:
        click.echo("There are no keys. Add one with, for example: gateway credentials set anthropic_key")
        return
    rows = [(short(key["type"], key["instance"]), key["source"], _state(key)) for key in keys]
    click.echo(table(("KEY", "FROM", "STATE"), rows, whole=("KEY",)))


def _state(key: dict[str, Any]) -> str:
    return key["problem"] or ("ok" if key["used"] else "not used: found above")


def _beginning(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """For the shell's completion."""
    return sorted(type_ for type_ in CREDENTIAL_TYPES if type_.startswith(incomplete))


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
    """List the keys and where each one lies; never the keys themselves.

    Exits with 10 when one is empty or open to others.

    \b
    Example:  gateway credentials ls --json | jq -r '.[] | select(.problem)'
    """
    try:
        found = collect(_credentials())
    except CredentialError as error:
        fail(str(error), CREDENTIALS)
    print_json(found) if as_json else render(found)
    if any(key["problem"] for key in found):
        raise SystemExit(CREDENTIALS)


@command.command("set")
@click.argument("reference", metavar="TYPE[:INSTANCE]", shell_complete=_beginning)
def set_(reference: str) -> None:
    """Store a key, read from a prompt or from standard input.

    A running gateway uses it for the next call.

    \b
    Example:  gateway credentials set anthropic_key
    """
    type_, instance = _parse(reference)
    credentials = _credentials()
    value = click.prompt(f"{type_} key", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    try:
        path = credentials.put(type_, instance, value)
    except CredentialError as error:
        fail(str(error), CREDENTIALS)
    click.echo(f"stored in {path}")
    for word in _remarks(credentials, type_, instance, value.strip()):
        click.echo(f"{styled('note', 'yellow')}: {word}")


def _remarks(credentials: Credentials, type_: str, instance: str, value: str) -> Iterator[str]:
    rows = [row for row in PROVIDERS.values() if row.credential == type_]
    hints = [row.key_hint for row in rows if row.key_hint]
    if hints and not value.startswith(hints[0]):
        yield f"keys of this type usually begin with {hints[0]}"
    if not rows:
        yield f'no provider uses {type_} by itself; name it with credential = "{short(type_, instance)}" in [models.*]'
    first = next((key for key in credentials.stored({type_}) if key.instance == instance), None)
    if first is not None and first.source != "store":
        yield f"{first.place} ({first.source}) comes first, so this one is not used"


@command.command("rm")
@click.argument("reference", metavar="TYPE[:INSTANCE]", shell_complete=_beginning)
def rm(reference: str) -> None:
    """Remove a stored key.

    \b
    Example:  gateway credentials rm openai_key:team2
    """
    try:
        path = _credentials().remove(*_parse(reference))
    except CredentialError as error:
        fail(str(error), CREDENTIALS)
    click.echo(f"removed {path}")


def _parse(reference: str) -> tuple[str, str]:
    """`anthropic` means `anthropic_key`."""
    type_, instance = split(reference)
    return (f"{type_}_key" if f"{type_}_key" in CREDENTIAL_TYPES else type_), instance
