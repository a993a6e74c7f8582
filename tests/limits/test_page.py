"""Every configuration on the page about limits is one that loads, without a warning."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config.audit import examine
from gateway.config.load import load

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
EXAMPLES = re.findall(r"```toml\n(.+?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_a_configuration(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    config = load(path, {}, tmp_path)
    assert config.warnings == ()
    assert config.limits or any(agent.limits for agent in config.agents.values())
    unpriced = [
        each.subject
        for each in examine(config, datetime.now(UTC).date())
        if "price" in each.message
    ]
    assert unpriced == []


def test_there_are_three_worked_examples() -> None:
    assert len(EXAMPLES) == 4
