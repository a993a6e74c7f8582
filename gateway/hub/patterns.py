"""Looks up what is known of a model id in a dialect's table of generations.

Model ids change monthly, so what they accept is data. A table maps a pattern to a row; `*` stands
for anything. The most specific pattern wins: the exact id, then the longest pattern. Every table
has a `*` row, the safe default for ids that nobody has seen yet. Whoever looks up on the path of a
call remembers what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TypeVar

Row = TypeVar("Row")


def lookup(table: Mapping[str, Row], model_id: str) -> Row:
    """The row of the most specific pattern that matches `model_id`. Raises `KeyError` for a table
    without `*`."""
    id_ = model_id.lower()
    if id_ in table:
        return table[id_]
    matching = [pattern for pattern in table if fnmatchcase(id_, pattern)]
    if not matching:
        raise KeyError(model_id)
    return table[max(matching, key=lambda pattern: len(pattern.replace("*", "")))]
