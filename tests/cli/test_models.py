"""`gateway models`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_models_say_where_their_keys_come_from(run: Run, config: Path) -> None:
    result = run("models", ANTHROPIC_API_KEY="canary")
    assert result.exit_code == 0
    assert "canary" not in result.output
    assert [line.split()[-1] for line in result.stdout.splitlines()[1:]] == [
        "$ANTHROPIC_API_KEY",
        "needed",
    ]


def test_models_without_their_key(run: Run, config: Path) -> None:
    result = run("models")
    assert result.exit_code == 10
    assert "gateway credentials set anthropic_key" in result.stdout
    assert json.loads(run("models", "--json").stdout)[0]["problem"].startswith("no key for sonnet")
