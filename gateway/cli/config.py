"""`gateway config`: check it, show what is in force, describe what may stand there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import msgspec

from gateway.cli.console import CONFIGURATION, config_option, find, json_option, print_json, report, required
from gateway.config import show
from gateway.config.check import Problem
from gateway.config.docs import json_schema
from gateway.config.files import read
from gateway.config.load import Config, ConfigError
from gateway.config.reference import markdown


def collect(config: Config) -> dict[str, Any]:
    """What is in force, without secrets: the files, every value, and where each value comes from."""
    files = read(config.path, os.environ, Path.home()) if config.path else None
    values = show.effective(config)
    return {
        "path": str(config.path) if config.path else None,
        "files": [str(path) for path in config.files],
        "values": values,
        "origins": show.origins(values, files),
    }


def render(shown: dict[str, Any]) -> None:
    click.echo(f"# from {', '.join(shown['files']) or 'the provider keys in the environment'}")
    click.echo(show.toml(shown["values"], shown["origins"]), nl=False)


@click.group()
def command() -> None:
    """Check, show and describe the configuration.

    \b
    Example:  gateway config check --config ./config.toml
    """


@command.command("check")
@config_option
@json_option
def check(config_path: str | None, as_json: bool) -> None:
    """Find everything that is wrong with the configuration, at once.

    Exits with 13 when something is; warnings alone are no error.

    \b
    Example:  gateway config check && systemctl reload gateway
    """
    try:
        config = find(config_path)
    except ConfigError as error:
        _told(error.problems, None, as_json=as_json, valid=False)
        raise SystemExit(CONFIGURATION) from None
    if config is None and not as_json:
        click.echo("There is no configuration: `gateway serve` would start the demo. See config.toml.example.")
        return
    _told(list(config.warnings) if config else [], config, as_json=as_json, valid=True)


def _told(problems: list[Problem], config: Config | None, *, as_json: bool, valid: bool) -> None:
    if as_json:
        print_json({"valid": valid, "problems": [msgspec.to_builtins(problem) for problem in problems]})
        return
    report(problems)
    errors = sum(problem.severity == "error" for problem in problems)
    if config is None:
        click.echo(f"{errors} {'error' if errors == 1 else 'errors'}; nothing would start.", err=True)
        return
    where = config.path or "The provider keys in the environment"
    click.echo(f"{where}: valid, {_count(config.agents, 'agent')}, {_count(config.models, 'model')}.")


def _count(things: Any, word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


@command.command("show")
@config_option
@json_option
def show_(config_path: str | None, as_json: bool) -> None:
    """Print the configuration in force: every value, and the file and line it
    comes from. Secrets are left out.

    \b
    Example:  gateway config show | grep -v default
    """
    shown = collect(required(config_path))
    print_json(shown) if as_json else render(shown)


@command.command("schema")
@click.option("--markdown", "as_page", is_flag=True, help="Print a page to read instead.")
def schema_(as_page: bool) -> None:
    """Print the configuration's JSON Schema, each key with its description.

    \b
    Example:  gateway config schema > gateway.schema.json
    """
    click.echo(markdown(), nl=False) if as_page else print_json(json_schema())
