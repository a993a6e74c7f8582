"""Whatever a server sends, a table comes out."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.hub.shapes import table


@pytest.mark.parametrize(
    "value", [None, "x", 7, [], {}, {"a": None}, {"a": "x"}, {"a": [1]}, {"b": {"c": 1}}]
)
def test_a_missing_table_is_an_empty_one(value: Any) -> None:
    assert table(value, "a") == {}


def test_a_table_is_itself() -> None:
    assert table({"a": {"b": 1}}, "a") == {"b": 1}
