"""`gateway doctor`: everything that can be wrong before the first call, as one report without
secrets."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import click

from gateway.cli.console import (
    CONFIGURATION,
    CREDENTIALS,
    FOUND_PROBLEMS,
    config_option,
    prints,
    styled,
    width_of_terminal,
    wrapped,
)
from gateway.config.audit import Finding
from gateway.credentials.store import Credentials
from gateway.inbound import keys
from gateway.reports.doctor import SECTIONS, ClientKeys, Report, examine_all

_COLOURS: Final = {"ok": "green", "info": "bright_black", "warning": "yellow", "error": "red"}
_CODES: Final = {
    "files": CONFIGURATION,
    "configuration": CONFIGURATION,
    "keys": CREDENTIALS,
    "": FOUND_PROBLEMS,
}
_SUBJECT_CHARS: Final = 12
_ROOM_MIN: Final = 60
"""On a narrower terminal every message is below its subject."""


def render(report: Report) -> None:
    """Prints the findings by section, and what to type next."""
    click.echo(f"gateway {report.version}, Python {report.python}, {report.platform}")
    for section in SECTIONS:
        rows = [row for row in report.findings if row.section == section]
        if rows:
            click.echo(f"\n{section.capitalize()}")
        for row in rows:
            _line(row)
    click.echo(f"\n{_count(report.errors, 'error')}, {_count(report.warnings, 'warning')}.")
    click.echo(f"Next: {report.next}")


def _line(row: Finding) -> None:
    """`severity  subject  message`; the message is on the next line if the subject is long."""
    word = styled(f"{row.severity:<7}", _COLOURS[row.severity])
    text = f"{row.message} {row.cure}".strip()
    subject = row.subject
    short_enough = len(subject) <= _SUBJECT_CHARS and width_of_terminal() >= _ROOM_MIN
    indent = 11 + (_SUBJECT_CHARS + 2 if subject and short_enough else 0)
    paragraph = wrapped(text, " " * indent)
    if subject and not short_enough:
        click.echo(f"  {word}  {subject}\n{paragraph}")
        return
    head = f"{subject:<{_SUBJECT_CHARS}}  " if subject else ""
    click.echo(f"  {word}  {head}{paragraph.lstrip()}")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _client_keys() -> ClientKeys:
    try:
        found = keys.at_home(os.environ, Path.home(), time.monotonic, time.time)
        return ClientKeys(found.path, found.any())
    except keys.KeysError as error:
        return ClientKeys(None, needed=True, problem=str(error))


@click.command()
@config_option
@click.option("--live", is_flag=True, help="Ask each provider's model list with each key.")
@prints(render, code=lambda report: report.exit_code)
def command(config_path: str | None, live: bool) -> Report:
    """Find everything that can be wrong before the first call.

    The report has no secrets in it and can be pasted as it is. Exits with 13 for
    the configuration, 10 for keys, 1 for other errors, and 0 for warnings alone.

    \b
    Example:  gateway doctor --live
    """
    credentials = Credentials(os.environ, Path.home())
    return examine_all(config_path, credentials, _client_keys, _CODES, live=live)
