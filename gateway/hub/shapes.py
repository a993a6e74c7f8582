"""Reads JSON of an unknown shape, as servers send it when they fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def table(value: Any, key: str) -> Mapping[str, Any]:
    """The object under `key` of `value`; an empty one where there is none, or `value` is no object
    itself."""
    inner = value.get(key) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}
