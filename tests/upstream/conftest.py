"""The loop of the tests in this folder."""

from __future__ import annotations

from typing import Any

import pytest

from tests.upstream.wire import UVLOOP


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return UVLOOP
