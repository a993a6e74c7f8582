"""Counts of tokens, as providers state them: missing, null, as text, negative or absurd."""

from __future__ import annotations

from typing import Any, Final

COUNT_MAX: Final = 2**53 - 1
"""The largest whole number that every JSON reader takes exactly."""


def token_count(value: Any) -> int:
    """`value` where it is a sensible count, else 0."""
    return int(value) if isinstance(value, int | float) and 0 < value <= COUNT_MAX else 0
