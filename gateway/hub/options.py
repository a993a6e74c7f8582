"""Merges the user's own `options` into a request body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge_options(body: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with `options` over it: tables are merged, anything else is replaced. What the user
    states wins."""
    if not options:
        return body
    merged = dict(body)
    for key, value in options.items():
        old = merged.get(key)
        merged[key] = (
            merge_options(old, value)
            if isinstance(old, dict) and isinstance(value, Mapping)
            else value
        )
    return merged
