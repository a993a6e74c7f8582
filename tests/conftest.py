"""What tests of every folder need."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def own_log() -> Iterator[None]:
    """For a test that calls `log.set_up`, which changes the process's loggers: puts them back."""
    gateway = logging.getLogger("gateway")
    before = gateway.handlers[:], gateway.level, gateway.propagate
    yield
    gateway.handlers[:], gateway.level, gateway.propagate = before


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The loop of `pytest.mark.anyio`: the gateway's own, also where Selenium brings trio."""
    return "asyncio"
