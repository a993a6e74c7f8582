"""`gateway init`: writes a first `config.toml` for the keys that are found, or systemd units."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from gateway import share
from gateway.cli import units
from gateway.cli.console import CREDENTIALS, FOUND_PROBLEMS, WRONG_USAGE, fail, program, styled
from gateway.config import schema
from gateway.config.files import NAME, places
from gateway.config.load import build
from gateway.config.model_ids import AGENT, MODEL_IDS
from gateway.credentials.secret import CredentialError, CredentialMissing
from gateway.credentials.store import Credentials
from gateway.providers import LOCAL_URL, PROVIDERS
from gateway.types import Model

LOCAL: Final = "custom"
LOCAL_MODEL: Final = "qwen3:32b"
CHOICES: Final = (*MODEL_IDS, LOCAL)

_BARE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MODELS: Final = re.compile(r"(?:^\[models\..*\n(?:[^#\n].*\n)+\n)+", re.MULTILINE)
_AGENT: Final = re.compile(r"^\[agents\..*\n(?:[^#\n].*\n)+", re.MULTILINE)
"""The tables in force in the example; all others are comments."""


def collect(providers: Sequence[str], agent: str, credentials: Credentials) -> dict[str, Any]:
    """`{agent, chain, text, missing}`: what is to be written, and the credential types that have no
    key yet."""
    text = written(providers, agent)
    without = [model for model in _models(providers) if not _has_key(model, credentials)]
    missing = [model.provider.credential for model in without]
    return {"agent": agent, "chain": list(providers), "text": text, "missing": missing}


def with_keys(credentials: Credentials) -> list[str]:
    """The providers whose key is found, first choice first."""
    return [model.name for model in _models(tuple(MODEL_IDS)) if _has_key(model, credentials)]


def _has_key(model: Model, credentials: Credentials) -> bool:
    try:
        credentials.find(model)
    except CredentialMissing:
        return False
    except CredentialError as error:
        click.echo(f"{styled('note', 'yellow', err=True)}: {error}", err=True)
        return False
    return True


def _models(providers: Sequence[str]) -> list[Model]:
    entries = {name: _entry(name) for name in providers}
    return list(build(schema.Root(models=entries), None, {}, None, []).models.values())


def _entry(provider: str) -> schema.Model:
    model_id, base_url = _model_id(provider), _base_url(provider)
    return schema.Model(provider=provider, model=model_id, base_url=base_url)


def _model_id(provider: str) -> str:
    return MODEL_IDS.get(provider, LOCAL_MODEL)


def _base_url(provider: str) -> str | None:
    return None if PROVIDERS[provider].base_url else LOCAL_URL


# --- the file -------------------------------------------------------------------------------------


def written(providers: Sequence[str], agent: str) -> str:
    """The text of a `config.toml`: the example, which is the manual of every key, with one model of
    each provider and one agent in place of its own."""
    chain = ", ".join(f'"{name}"' for name in providers)
    tables = "".join(f"{_table(name)}\n" for name in providers)
    text = share.text(share.EXAMPLE)
    for place, ours in (
        (_MODELS, tables),
        (_AGENT, f"[agents.{agent}]\nmodels = [{chain}]\n"),
    ):
        before, after = place.split(text)
        text = before + ours + after
    return text


def _table(provider: str) -> str:
    lines = [f"[models.{provider}]", f'provider = "{provider}"', f'model = "{_model_id(provider)}"']
    if base_url := _base_url(provider):
        lines.append(f'baseUrl = "{base_url}"        # your own server; edit this and the model')
    lines.append('#thinkingLevel = "medium"      # used when the request states none')
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    """Never writes over anything."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        fail(
            f"{path} is there already, and is left as it is. Name another with --path.",
            FOUND_PROBLEMS,
        )
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}", FOUND_PROBLEMS)


# --- asking ---------------------------------------------------------------------------------------


def _ask_providers(found: Sequence[str]) -> list[str]:
    click.echo(f"Keys found: {', '.join(found) or 'none yet'}.")
    click.echo(f"Providers:  {', '.join(CHOICES)}")
    click.echo(f"            ({LOCAL} is any server that speaks chat completions)")
    default = " ".join(found or CHOICES[:1])
    question = "Which ones, first choice first"
    chosen: list[str] = click.prompt(question, default=default, value_proc=_parse_providers)
    return chosen


def _parse_providers(text: str) -> list[str]:
    names = list(dict.fromkeys(text.replace(",", " ").split()))
    unknown = [name for name in names if name not in CHOICES]
    if unknown or not names:
        raise click.BadParameter(f"choose among {', '.join(CHOICES)}")
    return names


def _ask_keys(providers: Sequence[str], credentials: Credentials) -> None:
    for model in _models(providers):
        if _has_key(model, credentials):
            continue
        question = f"Key of {model.provider.name} (not shown; empty for later)"
        key = click.prompt(question, default="", hide_input=True, show_default=False)
        if key.strip():
            try:
                path = credentials.put(model.provider.credential, "default", key)
                click.echo(f"  stored in {path}")
            except CredentialError as error:
                click.echo(f"  not stored: {error}")


# --- the command ----------------------------------------------------------------------------------


def _target(path: str) -> Path:
    """The file to write. Ends the command if there is something already."""
    target = Path(path).expanduser()
    if os.path.isdir(target):  # noqa: PTH112 -- Path.is_dir raises if access is denied
        target = target / NAME
    _refuse_to_replace(target)
    return target


def _refuse_to_replace(target: Path) -> None:
    if os.path.lexists(target):
        fail(
            f"{target} is there already, and is left as it is. Name another with --path.",
            FOUND_PROBLEMS,
        )


def _write_units(folder: Path) -> None:
    """Writes the units and the example, all of them or none, and prints the steps."""
    made = units.files(units.prefix())
    for name in made:
        _refuse_to_replace(folder / name)
    for name, text in made.items():
        _write(folder / name, text)
        click.echo(f"wrote {folder / name}")
    click.echo()
    for line in units.steps(folder, units.prefix()):
        click.echo(line)


def render(made: dict[str, Any], path: Path) -> None:
    found = [place.resolve() for place in places(Path.cwd(), Path.home())]
    option = "" if path.resolve() in found else f" --config {path}"
    server = schema.Server()
    click.echo(f"wrote {path}: the agent {made['agent']} tries {' -> '.join(made['chain'])}")
    click.echo("Every other key is in it too, as a comment with its meaning and default.\n")
    for type_ in made["missing"]:
        click.echo(f"  store the key   {program()} credentials set {type_}")
    click.echo(f"  check it all    {program()} doctor{option}")
    click.echo(f"  start           {program()} serve{option}")
    click.echo("  then try")
    click.echo(f"    curl http://{server.host}:{server.port}/v1/chat/completions \\")
    click.echo("      -H 'content-type: application/json' \\")
    message = '"messages":[{"role":"user","content":"Hello"}]'
    click.echo(f"""      -d '{{"model":"{made["agent"]}",{message}}}'""")


@click.command()
@click.option("--path", metavar="FILE", help=f"Where to write. Default: {NAME}.")
@click.option(
    "--provider",
    "providers",
    multiple=True,
    type=click.Choice(CHOICES),
    help="May be given more than once.",
)
@click.option("--agent", default=None, help="The name that clients send as `model`.")
@click.option("--yes", is_flag=True, help="Ask nothing: one model for each key that is found.")
@click.option(
    "--systemd",
    is_flag=True,
    help=f"Write systemd units and the example into a folder. Default: {units.FOLDER}.",
)
def command(
    path: str | None, providers: tuple[str, ...], agent: str | None, yes: bool, systemd: bool
) -> None:
    """Write a first configuration for the keys that are there.

    Looks for keys in the store and in the environment. The file has every key
    in it, as a comment with its meaning and its default. Never writes over a
    file.

    \b
    Example:  gateway init
              gateway init --yes --path ~/.config/gateway/config.toml
              gateway init --systemd
    """
    if systemd:
        _write_units(Path(path or units.FOLDER).expanduser())
        return
    target = _target(path or NAME)
    credentials = Credentials(os.environ, Path.home())
    asks = not yes and not providers and sys.stdin.isatty()
    chosen = list(dict.fromkeys(providers)) or with_keys(credentials)
    if asks:
        chosen = _ask_providers(chosen)
        _ask_keys(chosen, credentials)
        agent = agent or click.prompt("Name of the agent", default=AGENT)
    if not chosen:
        some = PROVIDERS[CHOICES[0]]
        fail(
            "no provider key was found\n"
            f"  store one:       gateway credentials set {some.credential}\n"
            f"  or name one:     gateway init --provider {some.name}",
            CREDENTIALS,
        )
    if not _BARE.fullmatch(agent or AGENT):
        fail(f"{agent!r} cannot be an agent's name here: use letters, digits, - and _", WRONG_USAGE)
    made = collect(chosen, agent or AGENT, credentials)
    _write(target, made["text"])
    render(made, target)
