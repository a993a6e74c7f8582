"""Counts the function calls of this thread by file, with the profiler that Python has.

Counted are the calls of functions written in Python (a coroutine that is resumed is called again),
and the calls that they make of functions written in C. Comprehensions are not counted: they were
functions until Python 3.12 and are none since.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import gateway

ROOT: Final = str(Path(gateway.__file__).parent) + "/"
_INLINED: Final = frozenset({"<listcomp>", "<dictcomp>", "<setcomp>"})


@dataclass
class Census:
    """The calls by function."""

    python: Counter[CodeType] = field(default_factory=Counter)
    c: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By the file of the caller, and the name of the function in C."""

    def by_file(self) -> Counter[str]:
        """The Python calls of each file of the gateway, by its path in the package."""
        counts: Counter[str] = Counter()
        for code, count in self.python.items():
            if code.co_filename.startswith(ROOT) and code.co_name not in _INLINED:
                counts[code.co_filename.removeprefix(ROOT)] += count
        return counts

    def c_by_file(self) -> Counter[str]:
        """The calls of functions in C that each file of the gateway makes."""
        counts: Counter[str] = Counter()
        for (path, _), count in self.c.items():
            if path.startswith(ROOT):
                counts[path.removeprefix(ROOT)] += count
        return counts

    def minus(self, other: Census) -> Census:
        """What this one counted more than `other`."""
        return Census(self.python - other.python, self.c - other.c)


@contextmanager
def counted() -> Iterator[Census]:
    """Counts what this thread calls inside the block."""
    census = Census()
    python, c = census.python, census.c

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        if event == "call":
            python[code] += 1
        elif event == "c_call":
            c[code.co_filename, arg.__qualname__] += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield census
    finally:
        sys.setprofile(before)
