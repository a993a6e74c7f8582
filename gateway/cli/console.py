"""What every command needs for eyes and for programs: tables, colour, JSON, the configuration it works on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click
import orjson

from gateway.config.check import Problem
from gateway.config.defaults import from_environment
from gateway.config.files import discover, places
from gateway.config.load import Config, ConfigError, load

FOUND_PROBLEMS: Final = 1
WRONG_USAGE: Final = 2
CREDENTIALS: Final = 10
CONFIGURATION: Final = 13

WIDTH_MAX: Final = 80

F = TypeVar("F", bound=Callable[..., Any])


def config_option(function: F) -> F:
    """`--config FILE`."""
    help_ = "The configuration file. Else $GATEWAY_CONFIG, ./config.toml, ~/.config/gateway, /etc/gateway."
    return click.option("--config", "config_path", metavar="FILE", help=help_)(function)


def json_option(function: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def find(config_path: str | None) -> Config | None:
    """The configuration found, or made from the keys in the environment, or None. Raises `ConfigError`."""
    path = discover(config_path, os.environ, Path.cwd(), Path.home())
    return load(path, os.environ, Path.home()) if path else from_environment(os.environ)


def configured(config_path: str | None) -> Config | None:
    """What `find` finds. Ends the process, with all problems told, when it is wrong."""
    try:
        return find(config_path)
    except ConfigError as error:
        report(error.problems)
        raise SystemExit(CONFIGURATION) from None


def required(config_path: str | None) -> Config:
    """The same where a command makes no sense without one."""
    config = configured(config_path)
    if config is None:
        looked = ", ".join(str(place) for place in places(Path.cwd(), Path.home()))
        fail(
            "there is no configuration, and no provider key in the environment\n"
            f"  looked for: {looked}\n"
            "  begin with: cp config.toml.example config.toml",
            CONFIGURATION,
        )
    return config


def report(problems: Iterable[Problem]) -> None:
    """Problems on standard error: the place, and below it what is wrong and what to do."""
    for problem in problems:
        word = styled(f"{problem.severity:<7}", "red" if problem.severity == "error" else "yellow", err=True)
        place = _near(problem.file) + (f":{problem.line}" if problem.line else "")
        click.echo(f"{word} {'  '.join(part for part in (place, problem.key) if part)}", err=True)
        text = f"{problem.message} {problem.cure}".strip()
        click.echo(click.wrap_text(text, WIDTH_MAX, initial_indent=" " * 8, subsequent_indent=" " * 8), err=True)


def _near(file: str) -> str:
    """Relative to where the user stands, if it is below."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else file


def fail(message: str, code: int) -> NoReturn:
    """Ends the process with a message."""
    click.echo(f"{styled('error', 'red', err=True)}: {message}", err=True)
    raise SystemExit(code)


def print_json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())


def styled(text: str, colour: str, *, err: bool = False) -> str:
    """Coloured on a terminal, unless $NO_COLOR is set; plain anywhere else."""
    stream = sys.stderr if err else sys.stdout
    return click.style(text, fg=colour) if stream.isatty() and "NO_COLOR" not in os.environ else text


def table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int = WIDTH_MAX) -> str:
    """Aligned columns within `width`; what does not fit is cut in the widest column, with an ellipsis."""
    cells = [list(map(str, row)) for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    while sum(widths) + 2 * (len(widths) - 1) > width and max(widths) > 8:
        widths[widths.index(max(widths))] -= 1
    lines = ["  ".join(_fitted(cell, room) for cell, room in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([styled(lines[0], "bright_black"), *lines[1:]])


def _fitted(cell: str, room: int) -> str:
    return cell.ljust(room) if len(cell) <= room else cell[: room - 1] + "…"
