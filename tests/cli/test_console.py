"""Tables fit the screen, and colour stays on terminals."""

from __future__ import annotations

from gateway.cli.console import styled, table


def test_columns_are_aligned() -> None:
    assert table(("A", "LONG"), [("xx", "y"), ("x", "yyyyy")]).splitlines() == ["A   LONG", "xx  y", "x   yyyyy"]


def test_a_table_fits_its_width() -> None:
    lines = table(("A", "B"), [("x" * 60, "y" * 60)]).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "…" in lines[1]


def test_no_colour_where_nobody_sees_it() -> None:
    assert styled("x", "red") == "x"
