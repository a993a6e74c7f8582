"""Commands run as a user runs them, in a home of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import gateway
from gateway.providers import PROVIDERS

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """`run("config", "check", input=…)` in an empty folder, with an empty home and no keys in the
    environment."""
    home = tmp_path / "home"
    home.mkdir()
    env: dict[str, str | None] = {
        "HOME": str(home),
        "GATEWAY_CONFIG": None,
        "GATEWAY_KEYS": None,
        "AL_ENV": None,
    }
    env |= {"GATEWAY_URL": None, "GATEWAY_KEY": None, "PI_CODING_AGENT_DIR": None}
    env |= {"AL_CREDENTIALS_DIR": None, "AL_CREDENTIALS_PATH": None, "CREDENTIALS_DIRECTORY": None}
    env |= {"CUSTOM_BASE_URL": None} | {
        name: None for row in PROVIDERS.values() for name in row.env
    }

    def runs(*args: str, input: str | None = None, **more: str) -> Result:  # noqa: A002 -- click's own word
        return CliRunner(env={**env, **more}).invoke(
            gateway, args, input=input, prog_name="gateway"
        )

    with chdir(tmp_path):
        yield runs


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A `config.toml` in the folder where commands run."""
    path = tmp_path / "config.toml"
    path.write_text(
        '[models.sonnet]\nprovider = "anthropic"\nmodel = "claude-sonnet-5"\n'
        '[models.local]\nprovider = "custom"\nmodel = "qwen3:32b"\nbaseUrl = "http://127.0.0.1:1/v1"\n'
        '[agents.dev]\nmodels = ["sonnet", "local"]\n'
    )
    return path
