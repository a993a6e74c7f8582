"""How much work something is, counted and not timed: lines of Python that run, and calls into the
interpreter."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

SLACK = 1.3
"""Twice the input may be this much more than twice the work."""


def steps(work: Callable[[], object]) -> int:
    """How many lines of Python `work` runs."""
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def calls_of(name: str, work: Callable[[], object]) -> int:
    """How often `work` calls the built-in function of this name."""
    count = 0

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal count
        count += event == "c_call" and arg.__name__ == name

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def is_linear(work: Callable[[int], Callable[[], object]], size: int) -> bool:
    """Whether `work(2 * size)` runs about twice as many lines as `work(size)`. `work` prepares, and
    what it returns is counted."""
    return steps(work(2 * size)) <= 2 * SLACK * steps(work(size))
