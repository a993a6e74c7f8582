"""Looks up what is known of a model id in a dialect's table of generations.

Model ids change monthly, so what they accept is data. A table maps a pattern to a row; `*` stands for anything. The
most
specific pattern wins: the exact id, then the longest pattern. Every table has a `*` row, the safe default for ids that
nobody has seen yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TypeVar

Row = TypeVar("Row")


def lookup(table: Mapping[str, Row], model_id: str) -> Row:
    """The row of the most specific pattern that matches `model_id`. Raises `KeyError` for a table without `*`."""
    return table[_pattern(tuple(table), model_id.lower())]


@lru_cache(maxsize=1024)
def _pattern(patterns: tuple[str, ...], model_id: str) -> str:
    if model_id in patterns:
        return model_id
    matching = [pattern for pattern in patterns if fnmatchcase(model_id, pattern)]
    if not matching:
        raise KeyError(model_id)
    return max(matching, key=lambda pattern: len(pattern.replace("*", "")))
