"""The provider of tests whose gateways are processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.slow_lab import SlowLab


@pytest.fixture
def lab() -> Iterator[SlowLab]:
    slow = SlowLab()
    try:
        yield slow
    finally:
        slow.stop()
