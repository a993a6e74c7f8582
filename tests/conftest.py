"""What tests of every folder need."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

import pytest
from hypothesis import settings

from tests.postgres import MISSING, Server

settings.register_profile("tests", deadline=None)  # no test asserts a time
settings.load_profile("tests")

ASYNC_TEST_MAX_S: Final = 120.0
"""An async test that takes longer hangs: it fails, and the suite goes on."""


def pytest_sessionstart() -> None:
    gc.disable()  # collecting tests makes millions of objects, and no garbage


def pytest_collection_finish() -> None:
    gc.freeze()  # they stay: there is no need to look at them again
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        pyfuncitem.obj = _limited(pyfuncitem.obj)


def _limited(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Any]:
    @functools.wraps(test)
    async def limited(**arguments: Any) -> None:
        async with asyncio.timeout(ASYNC_TEST_MAX_S):
            await test(**arguments)

    return limited


@pytest.fixture
def own_log() -> Iterator[None]:
    """For a test that calls `log.set_up`, which changes the process's loggers: puts them back."""
    loggers = [logging.getLogger(name) for name in ("gateway", "uvicorn", "asyncio")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The loop of `pytest.mark.anyio`: the gateway's own, also where Selenium brings trio."""
    return "asyncio"


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    """pytest-httpserver's own default is a name, which a minimal system does not resolve."""
    return "127.0.0.1", 0


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A real PostgreSQL, started by the first test that needs it."""
    if MISSING:
        pytest.skip(MISSING)
    server = Server()
    yield server
    server.remove()


@pytest.fixture
def postgres(postgres_server: Server) -> Server:
    """A real PostgreSQL without the gateway's tables."""
    postgres_server.rows("DROP SCHEMA IF EXISTS gateway CASCADE")
    return postgres_server
