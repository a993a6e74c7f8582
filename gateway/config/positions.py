"""Where in a TOML text each key stands, so that an error can say so; `tomllib` itself forgets.

A scanner, not a parser: it runs only on text that `tomllib` has accepted, and keys inside inline
tables have the line of the key that holds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

Path = tuple[str, ...]

_OPAQUE: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|(?P<comment>#[^\n]*)",
    re.DOTALL,
)
_HEADER: Final = re.compile(r"\s*\[\[?([\w. \t-]+)\]")
_KEY: Final = re.compile(r"\s*([\w. \t-]+?)\s*=")
_STEP: Final = re.compile(r'"((?:[^"\\]|\\.)*)"' r"|'([^']*)'" r"|([\w-]+)")


def line_of(text: str, path: Sequence[str]) -> int | None:
    """The line of a dotted key, or of the nearest table around it."""
    lines = lines_of(text)
    return next((lines[here] for here in _inside_out(path) if here in lines), None)


def lines_of(text: str) -> Mapping[Path, int]:
    """The first line of every table and key of a valid TOML text, counted from 1."""
    lines: dict[Path, int] = {}
    for path, number in _statements(text):
        for depth in range(1, len(path) + 1):
            lines.setdefault(path[:depth], number)
    return lines


def _statements(text: str) -> Iterator[tuple[Path, int]]:
    table: Path = ()
    depth = 0
    for number, (line, masked) in enumerate(
        zip(text.split("\n"), _masked(text).split("\n"), strict=True), 1
    ):
        header = _HEADER.match(masked) if not depth else None
        key = _KEY.match(masked) if not depth else None
        if header:
            table = _steps(line[header.start(1) : header.end(1)])
            yield table, number
            continue
        if key:
            yield table + _steps(line[key.start(1) : key.end(1)]), number
        depth += sum(masked.count(mark) for mark in "[{") - sum(masked.count(mark) for mark in "]}")


def _masked(text: str) -> str:
    """`text` with strings turned to x and comments to blanks; every line keeps its length."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " " if match["comment"] else "x", match[0])

    return _OPAQUE.sub(blank, text)


def _steps(dotted: str) -> Path:
    return tuple(double or single or bare for double, single, bare in _STEP.findall(dotted))


def _inside_out(path: Sequence[str]) -> Iterator[Path]:
    return (tuple(path[:depth]) for depth in range(len(path), 0, -1))
