"""The code that every command shares: `--json`, errors, exit codes, tables and colour."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from csv import DictWriter
from functools import wraps
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click
import msgspec
import orjson

from gateway.config.check import Problem
from gateway.config.files import places
from gateway.config.load import Config, ConfigError
from gateway.reports.config import find

FOUND_PROBLEMS: Final = 1
WRONG_USAGE: Final = 2
CREDENTIALS: Final = 10
RATE_LIMITED: Final = 12
CONFIGURATION: Final = 13

WIDTH: Final = 80
CUT_MIN: Final = 8
"""No column is cut to less."""

F = TypeVar("F", bound=Callable[..., Any])


def config_option(function: F) -> F:
    """Adds `--config FILE` as `config_path`."""
    places_ = "$GATEWAY_CONFIG, ./config.toml, ~/.config/gateway, /etc/gateway"
    help_ = f"The configuration file. Else {places_}."
    return click.option("--config", "config_path", metavar="FILE", help=help_)(function)


def prints(
    render: Callable[[Any], None],
    *,
    code: Callable[[Any], int] = lambda report: 0,
    data: Callable[[Any], Any] = lambda report: report,
    errors: Mapping[type[Exception], int] | None = None,
    csv: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Makes a command of a function that returns a report.

    Adds `--json`, and `--csv` if `csv`. The report is printed with `render`, or `data` of it as
    JSON or CSV; `code` gives the exit code. An exception that `errors` lists ends the command with
    its message and that exit code.
    """
    known = errors or {}

    def decorate(function: Callable[..., Any]) -> Callable[..., None]:
        @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
        @wraps(function)
        def command(*args: Any, as_json: bool, as_csv: bool = False, **options: Any) -> None:
            try:
                report = function(*args, **options)
            except tuple(known) as error:
                fail(str(error), _code(known, error))
            if as_csv:
                write_csv(data(report))
            elif as_json:
                print_json(data(report))
            else:
                render(report)
            if ended := code(report):
                raise SystemExit(ended)

        return _csv_option(command) if csv else command

    return decorate


def _csv_option(function: F) -> F:
    return click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")(function)


def _code(known: Mapping[type[Exception], int], error: Exception) -> int:
    return next(code for kind, code in known.items() if isinstance(error, kind))


# --- errors ---------------------------------------------------------------------------------------


class Stop(click.ClickException):
    """Ends a command with a message and an exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: Any = None) -> None:
        first, *others = self.message.split("\n")
        head = f"{styled('error', 'red', err=True)}: "
        if sys.stderr.isatty():
            first = wrapped(first, " " * 7, err=True).lstrip()
        click.echo(head + first, err=True)
        for line in others:
            click.echo(line, err=True)


class Invalid(Stop):
    """Ends a command because the configuration has errors."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"the configuration is invalid: {problems[0]}", CONFIGURATION)
        self.problems = problems

    def show(self, file: Any = None) -> None:
        report(self.problems)


def fail(message: str, code: int) -> NoReturn:
    """Ends the command with a message on standard error, or with JSON on standard output."""
    raise Stop(message, code)


def print_error(error: click.ClickException | OSError) -> int:
    """Prints `{"error": {"message", "code"}}`, and returns `code`, the exit code.

    An invalid configuration has `problems` too, as `gateway config check --json` prints them.
    """
    shown: dict[str, Any] = {
        "message": _message(error),
        "code": getattr(error, "exit_code", FOUND_PROBLEMS),
    }
    if isinstance(error, Invalid):
        shown["problems"] = [msgspec.to_builtins(problem) for problem in error.problems]
    print_json({"error": shown})
    code: int = shown["code"]
    return code


def _message(error: click.ClickException | OSError) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message()
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"


# --- the configuration ----------------------------------------------------------------------------


def configured(config_path: str | None) -> Config | None:
    """The configuration, or None without any.

    Ends the command, with all problems, if it is invalid.
    """
    try:
        return find(config_path)
    except ConfigError as error:
        raise Invalid(error.problems) from None


def required(config_path: str | None) -> Config:
    """The configuration. Ends the command if there is none, or if it is invalid."""
    config = configured(config_path)
    if config is None:
        looked = "\n              ".join(map(str, places(Path.cwd(), Path.home())))
        fail(
            "there is no configuration, and no provider key in the environment\n"
            f"  looked for: {looked}\n"
            "  begin with: gateway init",
            CONFIGURATION,
        )
    return config


def agents_beginning(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The agent names for the shell's completion; none if the configuration is invalid."""
    try:
        config = find(ctx.params.get("config_path"))
    except (ConfigError, OSError):
        return []
    agents = config.agents if config is not None else ()
    return [name for name in agents if name.startswith(incomplete)]


def report(problems: Iterable[Problem]) -> None:
    """Prints problems on standard error: the place, then what is wrong and how to fix it."""
    for line in problem_lines(problems):
        click.echo(line, err=True)


def problem_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Problems in words: the place, then what is wrong and how to fix it."""
    indent = " " * 8
    for problem in problems:
        colour = "red" if problem.severity == "error" else "yellow"
        word = styled(f"{problem.severity:<7}", colour, err=True)
        place = _near(problem.file) + (f":{problem.line}" if problem.line else "")
        yield f"{word} {'  '.join(part for part in (place, problem.key) if part)}"
        text = f"{problem.message} {problem.cure}".strip()
        yield wrapped(text, indent, err=True)


def _near(file: str) -> str:
    """The path, relative to the current folder if it is inside it."""
    path = Path(file)
    is_below = path.is_absolute() and path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd())) if is_below else file


def print_json(value: Any) -> None:
    """Prints dataclasses, lists and plain values as JSON."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())


def write_csv(rows: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> None:
    """Prints records, or one, with a header and without their lists; nothing for no records."""
    flat = [_without_lists(row) for row in ([rows] if isinstance(rows, Mapping) else rows)]
    if flat:
        writer = DictWriter(sys.stdout, list(flat[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)


def _without_lists(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not isinstance(value, list)}


def styled(text: str, colour: str | None, *, err: bool = False) -> str:
    """`text` in colour on a terminal, unless $NO_COLOR has a value or the colour is None; plain
    anywhere else."""
    stream = sys.stderr if err else sys.stdout
    is_coloured = stream.isatty() and not os.environ.get("NO_COLOR")
    return click.style(text, fg=colour) if is_coloured else text


def width_of_terminal(*, err: bool = False) -> int:
    """The width of the terminal in characters; 80 without a terminal."""
    stream = sys.stderr if err else sys.stdout
    try:
        return os.get_terminal_size(stream.fileno()).columns or WIDTH
    except (OSError, ValueError):  # no terminal, or not even a file
        return WIDTH


def program() -> str:
    """How this program is called again: `gateway` if that is found on the path, else its file."""
    name = "gateway"
    called = Path(sys.argv[0])
    if called.name != name or shutil.which(name):
        return name
    return shlex.quote(_near(str(called)))


def wrapped(text: str, indent: str, *, err: bool = False) -> str:
    """A paragraph. Paths and names stay whole, so that they can be copied."""
    return textwrap.fill(
        text,
        max(min(width_of_terminal(err=err), WIDTH), len(indent) + 20),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    whole: Collection[str] = (),
) -> str:
    """Aligned columns within `width`; what does not fit is cut in the widest column, with an
    ellipsis.

    Columns whose head is in `whole` are never cut: what a user copies out of them has to work.
    """
    cells = [list(map(str, row)) for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    cut = [column for column, name in enumerate(head) if name not in whole]
    while sum(widths) + 2 * (len(widths) - 1) > (width or width_of_terminal()):
        widest = max(cut, key=lambda column: widths[column], default=None)
        if widest is None or widths[widest] <= CUT_MIN:
            break
        widths[widest] -= 1
    lines = [_line(row, widths) for row in cells]
    return "\n".join([styled(lines[0], "bright_black"), *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    fitted = (_fitted(cell, space) for cell, space in zip(row, widths, strict=True))
    return "  ".join(fitted).rstrip()


def _fitted(cell: str, space: int) -> str:
    return cell.ljust(space) if len(cell) <= space else cell[: space - 1] + "…"
