"""Tables fit the screen, and colour stays on terminals."""

from __future__ import annotations

import os
import pty
import termios
from contextlib import redirect_stdout

import click

from gateway.cli.console import styled, table, width_of_terminal, wrapped


def test_columns_are_aligned() -> None:
    assert table(("A", "LONG"), [("xx", "y"), ("x", "yyyyy")]).splitlines() == [
        "A   LONG",
        "xx  y",
        "x   yyyyy",
    ]


def test_a_table_fits_its_width() -> None:
    lines = table(("A", "B"), [("x" * 60, "y" * 60)]).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "…" in lines[1]


def test_values_that_users_copy_are_never_cut() -> None:
    lines = table(("A", "ID"), [("x" * 60, "y" * 60)], whole=("ID",)).splitlines()
    assert lines[1] == "x" * 17 + "…  " + "y" * 60
    assert table(("ID",), [("y" * 100,)], whole=("ID",)).splitlines()[1] == "y" * 100


def test_tables_and_paragraphs_fit_the_terminal() -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 40))
    with (
        os.fdopen(ours, "rb", buffering=0),
        os.fdopen(theirs, "w") as terminal,
        redirect_stdout(terminal),
    ):
        assert width_of_terminal() == 40
        lines = [
            *table(("A", "B"), [("x" * 60, "y" * 60)]).splitlines(),
            *wrapped("word " * 20, "    ").splitlines(),
        ]
    assert width_of_terminal() == 80
    assert max(len(click.unstyle(line)) for line in lines) == 40


def test_no_colour_without_a_terminal() -> None:
    assert styled("x", "red") == "x"
