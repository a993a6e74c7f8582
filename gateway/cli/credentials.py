"""`gateway credentials`: the providers' keys in the store.

A key is read from a prompt or from standard input, never from the command line, which every process
of the host sees.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from gateway.cli.console import CREDENTIALS, fail, prints, styled, table
from gateway.credentials.store import CredentialError, Credentials, Stored, short, split
from gateway.providers import CREDENTIAL_TYPES, PROVIDERS
from gateway.reports import credentials as reports


def _credentials() -> Credentials:
    return Credentials(os.environ, Path.home())


def render(keys: Sequence[Stored]) -> None:
    """Prints a table."""
    if not keys:
        example = "gateway credentials set anthropic_key"
        click.echo(f"There are no keys. Add one with, for example: {example}")
        return
    rows = [(short(key.type, key.instance), key.source, _state(key)) for key in keys]
    click.echo(table(("KEY", "FROM", "STATE"), rows, whole=("KEY",)))


def _state(key: Stored) -> str:
    if key.problem:
        return key.problem
    return "ok" if key.used else "not used: found above"


def _code(keys: Sequence[Stored]) -> int:
    return CREDENTIALS if any(key.problem for key in keys) else 0


def _beginning(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """For the shell's completion."""
    return sorted(type_ for type_ in CREDENTIAL_TYPES if type_.startswith(incomplete))


@click.group()
def command() -> None:
    """Store the providers' keys.

    \b
    They are in ~/.action-llama/credentials ($AL_CREDENTIALS_DIR), one file each,
    readable by you alone. systemd's credentials come first, environment
    variables last.

    \b
    Example:  gateway credentials set anthropic_key
              pass show openai | gateway credentials set openai_key:team2
    """


@command.command("ls")
@prints(render, code=_code, errors={CredentialError: CREDENTIALS})
def ls() -> list[Stored]:
    """List the keys and the place of each one; never the keys themselves.

    Exits with 10 when one is empty or open to others.

    \b
    Example:  gateway credentials ls --json | jq -r '.[] | select(.problem)'
    """
    return reports.credentials(_credentials())


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
    value = _read_key(type_)
    try:
        path = credentials.put(type_, instance, value)
    except CredentialError as error:
        fail(str(error), CREDENTIALS)
    click.echo(f"stored in {path}")
    for word in _remarks(credentials, type_, instance, value.strip()):
        click.echo(f"{styled('note', 'yellow')}: {word}")


def _read_key(type_: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.read()
    key: str = click.prompt(f"{type_} key", hide_input=True)
    return key


def _remarks(credentials: Credentials, type_: str, instance: str, value: str) -> Iterator[str]:
    rows = [row for row in PROVIDERS.values() if row.credential == type_]
    hints = [row.key_hint for row in rows if row.key_hint]
    if hints and not value.startswith(hints[0]):
        yield f"keys of this type usually begin with {hints[0]}"
    if not rows:
        setting = f'credential = "{short(type_, instance)}"'
        yield f"no provider uses {type_} by itself; name it with {setting} in [models.*]"
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
