"""What every command needs for eyes and for programs: tables, colour, JSON, the configuration it works on."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
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

WIDTH: Final = 80
CUT_MIN: Final = 8
"""No column is cut to less."""

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
            "  begin with: gateway init",
            CONFIGURATION,
        )
    return config


def agents_beginning(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """For the shell's completion: the agents that may be meant. Silent whatever is wrong with the configuration."""
    try:
        config = find(ctx.params.get("config_path"))
    except (ConfigError, OSError):
        return []
    return [name for name in (config.agents if config is not None else ()) if name.startswith(incomplete)]


def report(problems: Iterable[Problem]) -> None:
    """Problems on standard error."""
    for line in problem_lines(problems):
        click.echo(line, err=True)


def problem_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Problems in words: the place, and below it what is wrong and what to do."""
    indent = " " * 8
    for problem in problems:
        word = styled(f"{problem.severity:<7}", "red" if problem.severity == "error" else "yellow", err=True)
        place = _near(problem.file) + (f":{problem.line}" if problem.line else "")
        yield f"{word} {'  '.join(part for part in (place, problem.key) if part)}"
        text = f"{problem.message} {problem.cure}".strip()
        yield wrapped(text, indent, err=True)


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
    """Coloured on a terminal, unless $NO_COLOR has a value; plain anywhere else."""
    stream = sys.stderr if err else sys.stdout
    return click.style(text, fg=colour) if stream.isatty() and not os.environ.get("NO_COLOR") else text


def room(*, err: bool = False) -> int:
    """How many characters a line may have: those of the terminal, 80 anywhere else."""
    stream = sys.stderr if err else sys.stdout
    try:
        return os.get_terminal_size(stream.fileno()).columns or WIDTH
    except (OSError, ValueError):  # no terminal, or not even a file
        return WIDTH


def wrapped(text: str, indent: str, *, err: bool = False) -> str:
    """A paragraph. Paths and names stay whole, so that they can be copied."""
    return textwrap.fill(
        text,
        max(min(room(err=err), WIDTH), len(indent) + 20),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None, whole: Collection[str] = ()
) -> str:
    """Aligned columns within `width`; what does not fit is cut in the widest column, with an ellipsis.

    Columns whose head is in `whole` are never cut: what a user copies out of them has to work.
    """
    cells = [list(map(str, row)) for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    cut = [column for column, name in enumerate(head) if name not in whole]
    while sum(widths) + 2 * (len(widths) - 1) > (width or room()):
        widest = max(cut, key=lambda column: widths[column], default=None)
        if widest is None or widths[widest] <= CUT_MIN:
            break
        widths[widest] -= 1
    lines = ["  ".join(_fitted(cell, space) for cell, space in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([styled(lines[0], "bright_black"), *lines[1:]])


def _fitted(cell: str, space: int) -> str:
    return cell.ljust(space) if len(cell) <= space else cell[: space - 1] + "…"
