"""The server that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redis_server import RedisServer, running


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as found:
        yield found
