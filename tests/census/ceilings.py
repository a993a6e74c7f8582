"""The recorded counts: case → file → Python calls. Their sum is the ceiling of the case."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PATH: Final = Path(__file__).with_name("ceilings.json")

Counts = Mapping[str, int]
"""Python calls by file."""


def read() -> dict[str, Counts]:
    """The table as it is recorded."""
    return dict(json.loads(PATH.read_text())) if PATH.exists() else {}


def write(table: Mapping[str, Counts]) -> None:
    """Records a table, its files in alphabetical order."""
    PATH.write_text(json.dumps(table, indent=2, sort_keys=True) + "\n")


def lowered(recorded: Mapping[str, Counts], counts: Mapping[str, Counts]) -> dict[str, Counts]:
    """`counts` for each case whose sum is lower than the recorded one, or which is new."""
    return {case: _lower(recorded.get(case), now) for case, now in counts.items()}


def _lower(before: Counts | None, now: Counts) -> Counts:
    return before if before is not None and sum(before.values()) <= sum(now.values()) else now
