"""`gateway config`: check it, show what is in force, describe every key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import msgspec

from gateway.cli.console import CONFIGURATION, config_option, print_json, prints, report, required
from gateway.config import show
from gateway.config.check import Problem
from gateway.config.docs import json_schema, markdown
from gateway.config.load import Config, ConfigError
from gateway.reports.config import InForce, find, in_force


def render(shown: InForce) -> None:
    """Prints the values as TOML, with the origin of each as a comment."""
    click.echo(f"# from {', '.join(shown.files) or 'the provider keys in the environment'}")
    click.echo(show.toml(shown.values, shown.origins), nl=False)


@dataclass(frozen=True, slots=True)
class _Checked:
    """The result of a check. `config` is None if there is none, or if it is invalid."""

    config: Config | None
    problems: Sequence[Problem]

    @property
    def errors(self) -> int:
        return sum(problem.severity == "error" for problem in self.problems)


@click.group()
def command() -> None:
    """Check, show and describe the configuration.

    \b
    Example:  gateway config check --config ./config.toml
    """


def _render_check(found: _Checked) -> None:
    report(found.problems)
    if found.errors:
        click.echo(f"{_count(found.errors, 'error')}; nothing would start.", err=True)
    elif found.config is None:
        click.echo("There is no configuration: `gateway serve` would start the demo.")
        click.echo("Write one with: gateway init")
    else:
        where = found.config.path or "The provider keys in the environment"
        agents, models = len(found.config.agents), len(found.config.entries)
        click.echo(f"{where}: valid, {_count(agents, 'agent')}, {_count(models, 'model')}.")


def _check_data(found: _Checked) -> dict[str, Any]:
    problems = [msgspec.to_builtins(problem) for problem in found.problems]
    return {"valid": not found.errors, "problems": problems}


def _check_code(found: _Checked) -> int:
    return CONFIGURATION if found.errors else 0


@command.command("check", short_help="Find everything that is wrong, at once.")
@config_option
@prints(_render_check, data=_check_data, code=_check_code)
def check(config_path: str | None) -> _Checked:
    """Find everything that is wrong with the configuration, at once.

    Exits with 13 for an error, and with 0 for warnings alone.

    \b
    Example:  gateway config check && systemctl reload gateway
    """
    try:
        config = find(config_path)
    except ConfigError as error:
        return _Checked(None, error.problems)
    return _Checked(config, config.warnings if config else ())


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


@command.command("show", short_help="Print every value in force, and where it comes from.")
@config_option
@prints(render, errors={ConfigError: CONFIGURATION})
def show_(config_path: str | None) -> InForce:
    """Print the configuration in force: every value, and the file and line it
    comes from. Secrets are left out.

    \b
    Example:  gateway config show | grep -v default
    """
    return in_force(required(config_path))


@command.command("schema", short_help="Print the JSON Schema, or a page about every key.")
@click.option("--markdown", "as_page", is_flag=True, help="Print a page to read instead.")
def schema_(as_page: bool) -> None:
    """Print the configuration's JSON Schema, each key with its description.

    \b
    Example:  gateway config schema > gateway.schema.json
    """
    click.echo(markdown(), nl=False) if as_page else print_json(json_schema())
