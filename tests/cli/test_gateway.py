"""The command itself: quick to start, and every part of it teaches."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from gateway import __version__
from gateway.cli import COMMANDS
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
MINE = (
    "agents", "config", "credentials", "doctor", "explain", "keys", "models", "requests", "status",
    "usage",
)  # fmt: skip


def test_version_and_help(run: Run) -> None:
    assert run("--version").stdout == f"gateway {__version__}\n"
    shown = run("--help").stdout
    assert all(name in shown for name in COMMANDS)
    assert run("nonsense").exit_code == 2


def every_command() -> Iterator[list[str]]:
    """Each command with its parts, as they are typed."""
    for name in COMMANDS:
        yield [name]
        command = import_module(f"gateway.cli.{name}").command
        for part in getattr(command, "commands", ()):
            yield [name, part]


@pytest.mark.parametrize("words", [[], *every_command()], ids=" ".join)
def test_help_fits_a_terminal(run: Run, words: list[str]) -> None:
    shown = run(*words, "--help")
    assert shown.exit_code == 0
    assert [line for line in shown.stdout.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", MINE)
def test_every_command_renders_a_report_and_has_an_example(run: Run, name: str) -> None:
    module = import_module(f"gateway.cli.{name}")
    assert isinstance(module.command, click.Command)
    assert callable(module.render)
    assert import_module(f"gateway.reports.{name}").__doc__
    assert "Example:" in run(name, "--help").stdout


def test_asking_for_help_loads_no_server() -> None:
    code = (
        "import sys, gateway.cli; print(sorted({'httpx', 'uvicorn', "
        "'starlette', 'orjson'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_config_check_loads_no_server() -> None:
    code = (
        "import sys, gateway.cli.config, gateway.cli.models; "
        "print(sorted({'httpx', 'uvicorn', 'starlette', 'rich', 'ssl', 'asyncio'} & "
        "set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("gateway agents <&- >&- 2>&-", 13),
        ("gateway credentials set openai_key <&-", 10),
        ("gateway init --yes <&- >&-", 10),
        ("mkdir gone; cd gone; rmdir ../gone; gateway doctor", 1),
    ],
)
def test_an_unusual_environment_does_not_crash_the_command(
    tmp_path: Path, command: str, code: int
) -> None:
    script = f'gateway() {{ "$PYTHON" -m gateway "$@"; }}; {command}'
    env = {
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
    }
    ended = subprocess.run(
        ["/bin/sh", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("gateway ex", ["explain"]),
        ("gateway explain d", ["dev"]),
        ("gateway drill --config nowhere.toml d", []),
        ("gateway credentials set op", ["openai_key", "openrouter_key"]),
    ],
)
def test_the_shell_completes_names(run: Run, config: Path, words: str, offered: list[str]) -> None:
    env = {
        "_GATEWAY_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    assert [line.removeprefix("plain,") for line in run(**env).stdout.split()] == offered
