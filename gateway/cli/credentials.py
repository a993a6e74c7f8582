"""`gateway credentials`: the providers' keys in the store.

A key is read from a prompt or from standard input, never from the command line, which every process
of the host sees.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from gateway.cli.console import CREDENTIALS, prints, styled, table
from gateway.credentials.secret import CredentialError
from gateway.credentials.store import OTHERS, Credentials, Stored, short, split
from gateway.providers import CREDENTIAL_TYPES, PROVIDERS
from gateway.reports import credentials as reports

_TYPES: Final = sorted(CREDENTIAL_TYPES | OTHERS)
_EPILOG: Final = (
    f"Types: {', '.join(_TYPES)}; for another server, a name of yours that `credential` of the "
    "model states. INSTANCE tells several keys of a type apart."
)


def _credentials() -> Credentials:
    return Credentials(os.environ, Path.home())


def render(keys: Sequence[Stored]) -> None:
    """Prints a table."""
    if not keys:
        example = f"gateway credentials set {next(iter(PROVIDERS.values())).credential}"
        click.echo(f"There are no keys. Add one with, for example:\n  {example}")
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
    return [type_ for type_ in _TYPES if type_.startswith(incomplete)]


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


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where a key was stored, and what is worth knowing about it."""

    stored: Path
    notes: list[str]


def _render_stored(done: _Stored) -> None:
    click.echo(f"stored in {done.stored}")
    for note in done.notes:
        click.echo(f"{styled('note', 'yellow')}: {note}")


@command.command("set", epilog=_EPILOG)
@click.argument("reference", metavar="TYPE[:INSTANCE]", shell_complete=_beginning)
@prints(_render_stored, errors={CredentialError: CREDENTIALS})
def set_(reference: str) -> _Stored:
    """Store a key, read from a prompt or from standard input.

    A running gateway uses a provider's key within a second.

    \b
    Example:  gateway credentials set anthropic_key
    """
    type_, instance = _parse(reference)
    credentials = _credentials()
    value = _read_key(type_)
    path = credentials.put(type_, instance, value)
    return _Stored(path, list(_notes(credentials, type_, instance, value.strip())))


def _read_key(type_: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.read()
    key: str = click.prompt(f"{type_} (not shown)", hide_input=True, err=True)
    return key


def _notes(credentials: Credentials, type_: str, instance: str, value: str) -> Iterator[str]:
    rows = [row for row in PROVIDERS.values() if row.credential == type_]
    hints = [row.key_hint for row in rows if row.key_hint]
    if hints and not value.startswith(hints[0]):
        yield f"keys of this type usually begin with {hints[0]}"
    if not rows and type_ not in OTHERS:
        setting = f'credential = "{short(type_, instance)}"'
        yield f"no provider uses it by itself; name it in a model: {setting}"
    first = next((key for key in credentials.stored({type_}) if key.instance == instance), None)
    if first is not None and first.source != "store":
        yield f"{first.place} ({first.source}) comes first, so this one is not used"


def _render_removed(done: dict[str, Path]) -> None:
    click.echo(f"removed {done['removed']}")


@command.command("rm")
@click.argument("reference", metavar="TYPE[:INSTANCE]", shell_complete=_beginning)
@prints(_render_removed, errors={CredentialError: CREDENTIALS})
def rm(reference: str) -> dict[str, Path]:
    """Remove a stored key.

    \b
    Example:  gateway credentials rm openai_key:team2
    """
    return {"removed": _credentials().remove(*_parse(reference))}


def _parse(reference: str) -> tuple[str, str]:
    """`anthropic` means `anthropic_key`."""
    type_, instance = split(reference)
    return (f"{type_}_key" if f"{type_}_key" in CREDENTIAL_TYPES else type_), instance
