"""The command itself: quick to start, and every part of it teaches."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import click
import pytest

from gateway import __version__
from gateway.cli import COMMANDS
from tests.cli.conftest import Run

MINE = ("agents", "models", "config", "credentials", "keys")


def test_version_and_help(run: Run) -> None:
    assert run("--version").stdout == f"gateway {__version__}\n"
    shown = run("--help").stdout
    assert all(name in shown for name in COMMANDS)
    assert run("nonsense").exit_code == 2


@pytest.mark.parametrize("name", MINE)
def test_every_command_has_the_three_names_and_an_example(run: Run, name: str) -> None:
    module = import_module(f"gateway.cli.{name}")
    assert isinstance(module.command, click.Command)
    assert callable(module.collect)
    assert callable(module.render)
    assert "Example:" in run(name, "--help").stdout


def test_asking_for_help_loads_no_server() -> None:
    code = "import sys, gateway.cli; print(sorted({'httpx', 'uvicorn', 'starlette', 'orjson'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_config_check_loads_no_server() -> None:
    code = (
        "import sys, gateway.cli.config, gateway.cli.models; "
        "print(sorted({'httpx', 'uvicorn', 'starlette', 'rich', 'ssl', 'asyncio'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
