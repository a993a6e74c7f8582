"""`gateway agents`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_agents(run: Run, config: Path) -> None:
    assert run("agents").stdout.splitlines() == ["AGENT  CHAIN", "dev    sonnet -> local"]
    assert json.loads(run("agents", "--json").stdout)[0]["models"] == ["sonnet", "local"]


def test_agents_without_any(run: Run, config: Path) -> None:
    config.write_text("")
    assert "No agents yet" in run("agents").stdout
    config.unlink()
    assert run("agents").exit_code == 13
