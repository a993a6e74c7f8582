"""The counts of a case as a table for people, beside what is recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.census.ceilings import Counts
from tests.census.counting import Census


def table(case: str, census: Census, recorded: Counts) -> str:
    """One line per file: Python calls now and as recorded, and the calls of functions in C."""
    now, c = census.by_file(), census.c_by_file()
    lines = [f"{case}", f"  {'Python':>6} {'before':>6} {'':>5} {'C':>5}  file of gateway/"]
    lines += _rows(now, c, recorded)
    total, before = now.total(), sum(recorded.values())
    lines.append(_row(total, before, c.total(), "all files"))
    return "\n".join(lines)


def _rows(now: Counter[str], c: Counter[str], recorded: Counts) -> Iterator[str]:
    for path in sorted({*now, *c, *recorded}, key=lambda path: (-now[path], path)):
        yield _row(now[path], recorded.get(path, 0), c[path], path)


def _row(now: int, before: int, c: int, name: str) -> str:
    difference = f"{now - before:+d}" if now != before else ""
    return f"  {now:>6} {before:>6} {difference:>5} {c:>5}  {name}"


def grown(now: Counts, recorded: Counts) -> list[str]:
    """The files that make more calls than is recorded, most first."""
    more = {path: count - recorded.get(path, 0) for path, count in now.items()}
    names = sorted((path for path in more if more[path] > 0), key=lambda path: -more[path])
    return [f"{path}: {recorded.get(path, 0)} -> {now[path]}" for path in names]
