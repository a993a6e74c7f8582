"""`gateway config`: check it, show what is in force, describe what may stand there."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import click
import msgspec

from gateway.cli.console import CONFIGURATION, config_option, configured, json_option, print_json, report, table
from gateway.config import schema
from gateway.config.load import Config
from gateway.scrub import HIDDEN


def collect(config: Config) -> dict[str, Any]:
    """What is in force, without secrets."""
    tables = ("server", "fallback", "breaker", "timeouts", "log", "ledger")
    return {
        "path": str(config.path) if config.path else None,
        "files": [str(path) for path in config.files],
        "models": {
            model.name: {
                "provider": model.provider.name,
                "model": model.model_id,
                "baseUrl": model.base_url,
                "authType": model.auth_type,
                "credential": model.credential,
                "thinkingLevel": model.thinking_level,
                "contextWindow": model.context_window,
                "maxOutputTokens": model.max_output_tokens,
                "headers": dict.fromkeys(model.headers, HIDDEN),
                "options": dict.fromkeys(model.options, HIDDEN),
            }
            for model in config.models.values()
        },
        "agents": {agent.name: [model.name for model in agent.models] for agent in config.agents.values()},
        **{name: msgspec.to_builtins(getattr(config, name)) for name in tables},
    }


def render(shown: dict[str, Any]) -> None:
    click.echo(f"# from {', '.join(shown['files']) or 'the keys in the environment'}")
    models = [(name, model["provider"], model["model"], model["baseUrl"]) for name, model in shown["models"].items()]
    click.echo(table(("MODEL", "PROVIDER", "ID", "BASE URL"), models))
    click.echo()
    agents = [(name, " -> ".join(chain)) for name, chain in shown["agents"].items()]
    click.echo(table(("AGENT", "CHAIN"), agents))
    for name in ("server", "fallback", "breaker", "timeouts", "log", "ledger"):
        click.echo(f"\n[{name}]")
        for key, value in shown[name].items():
            click.echo(f"{key} = {msgspec.json.encode(value).decode()}")


@click.group()
def command() -> None:
    """Check, show and describe the configuration."""


@command.command("check")
@config_option
@json_option
def check(config_path: str | None, as_json: bool) -> None:
    """Find everything that is wrong with the configuration, at once.

    Exits with 13 when something is.
    """
    config = configured(config_path)
    if config is None:
        click.echo("There is no configuration: `gateway serve` would start the demo. See config.toml.example.")
        return
    if as_json:
        print_json([msgspec.to_builtins(problem) for problem in config.warnings])
        return
    report(config.warnings)
    where = config.path or "the keys in the environment"
    click.echo(f"{where}: fine: {len(config.agents)} agents, {len(config.models)} models.")


@command.command("show")
@config_option
@json_option
def show(config_path: str | None, as_json: bool) -> None:
    """Print the configuration in force, defaults included and secrets left out."""
    config = configured(config_path)
    if config is None:
        click.echo("There is no configuration. See config.toml.example.")
        raise SystemExit(CONFIGURATION)
    shown = collect(config)
    print_json(shown) if as_json else render(shown)


@command.command("schema")
def schema_() -> None:
    """Print the configuration's JSON Schema, each key with its description.

    \b
    Example:  gateway config schema > gateway.schema.json
    """
    print_json(described_schema())


def described_schema() -> dict[str, Any]:
    """The JSON Schema of `config.toml`; descriptions are the docstrings below the fields."""
    (_,), components = msgspec.json.schema_components([schema.Root], ref_template="#/$defs/{name}")
    for name, component in components.items():
        descriptions = field_docs(getattr(schema, name))
        for key, body in component.get("properties", {}).items():
            if key in descriptions:
                body["description"] = descriptions[key]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/Root", "$defs": components}


def field_docs(table_: type[schema.Table]) -> dict[str, str]:
    """camelCase key → the docstring below its field."""
    names = {info.name: info.encode_name for info in msgspec.structs.fields(table_)}
    body = ast.parse(inspect.getsource(table_)).body[0]
    docs: dict[str, str] = {}
    if isinstance(body, ast.ClassDef):
        for field, after in zip(body.body, body.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                docs[names[field.target.id]] = inspect.cleandoc(str(after.value.value))
    return docs
