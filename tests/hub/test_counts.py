"""Counts that providers state oddly."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.hub.counts import COUNT_MAX, token_count


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (7, 7), (7.0, 7), (0, 0), (-1, 0), (None, 0), ("7", 0), ([], 0), ({}, 0), (COUNT_MAX, COUNT_MAX),
        (COUNT_MAX + 1, 0), (1e308, 0), (float("inf"), 0), (float("nan"), 0),
    ],
)  # fmt: skip
def test_only_sensible_counts_count(value: Any, count: int) -> None:
    assert token_count(value) == count
