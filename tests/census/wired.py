"""A whole gateway in memory: an ASGI request on one side, scripted bytes of a provider on the
other.

The connections to a provider are the gateway's own, with its parser and its pool. Only the socket
is replaced: what is written to it is discarded, and each write is answered with the next script.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from gateway.app import App
from gateway.config import schema
from gateway.config.load import build
from gateway.observe import log
from gateway.observe.ledger import Ledger
from gateway.upstream.http1 import Connection, Pool
from gateway.urls import Origin
from tests.makers import Clock


class StillLoop(asyncio.SelectorEventLoop):
    """An event loop in which no time passes: no timer rings, however slow the machine is."""

    def time(self) -> float:
        return 0.0


Script = Sequence[bytes]
"""What a provider sends for one request, one item for each time that bytes arrive."""


class Wire(asyncio.Transport):
    """A socket without a network: every request on it is answered with `script`."""

    def __init__(self, connection: Connection, script: Callable[[], Script]) -> None:
        super().__init__()
        self._connection = connection
        self._script = script
        self._loop = asyncio.get_running_loop()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self._loop.call_soon(self._answer, iter(self._script()))

    def _answer(self, pieces: Iterator[bytes]) -> None:
        """Delivers one piece, and the next one when whoever waited for it has read it."""
        piece = next(pieces, None)
        if piece is not None:
            self._connection.data_received(piece)
            self._loop.call_soon(self._loop.call_soon, self._answer, pieces)

    def abort(self) -> None:
        self._loop.call_soon(self._connection.connection_lost, None)

    def pause_reading(self) -> None:
        """Nothing has to be held back: a script is short."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""


class WiredPool(Pool):
    """The gateway's pool, whose connections are `Wire`s. `scripts` are by host."""

    def __init__(self, scripts: dict[str, Script]) -> None:
        super().__init__()
        self.scripts = scripts

    async def _connect(self, origin: Origin, connect_s: float) -> Connection:
        connection = Connection(self, origin)
        connection.connection_made(Wire(connection, lambda: self.scripts[origin.host]))
        return connection


@contextmanager
def gateway(home: Path, scripts: dict[str, Script], clock: Clock) -> Iterator[App]:
    """A gateway as it serves: log, ledger and a stored key included.

    Its agent `dev` has one model for each host in `scripts`, in their order. The caller closes it
    on the loop that it has used.
    """
    before = _loggers()
    log.set_up("json", "info", StringIO())
    ledger = Ledger(home / "ledger.db", 7)
    ledger.start()
    app = App(_config(scripts), env={}, home=home, clock=clock, wall=clock, ledger=ledger)
    app.credentials.put("openai_key", "default", "sk-census-0123456789")
    app.use_transport(WiredPool(scripts))
    app.phase = "serving"
    try:
        yield app
    finally:
        _put_back(before)


def _config(hosts: Iterable[str]) -> Any:
    models = {
        host: schema.Model(provider="openai", model="gpt-4o", base_url=f"http://{host}/v1")
        for host in hosts
    }
    agents = {"dev": schema.Agent(models=list(models))}
    return build(schema.Root(models=models, agents=agents), None, {}, None, [])


def _loggers() -> list[tuple[logging.Logger, list[logging.Handler], int, bool]]:
    found = [logging.getLogger(name) for name in ("gateway", "uvicorn", "asyncio")]
    return [(each, each.handlers[:], each.level, each.propagate) for each in found]


def _put_back(before: list[tuple[logging.Logger, list[logging.Handler], int, bool]]) -> None:
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate
