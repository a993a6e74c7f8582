"""A whole gateway in memory: the bytes of a client on one side, scripted bytes of a provider on the
other.

The connections on both sides are the gateway's own, with their parsers. Only the sockets are
replaced: what is written to a provider is discarded, and each write is answered with its script.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from uvicorn.server import ServerState

from gateway.app import App
from gateway.config import schema
from gateway.config.load import build
from gateway.observe import log
from gateway.observe.ledger import Ledger
from gateway.process.server import options
from gateway.shared.redis.cluster import Cluster
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
        """Delivers one piece, and the next one when the reader of this one has read it."""
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


class ClientWire(asyncio.Transport):
    """A socket of a client, without a network. `sent` is what the client has received."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return False


class Client:
    """A client that keeps its connection."""

    def __init__(self, app: App) -> None:
        config = options(app)
        config.load()
        self._state = ServerState()
        self._wire = ClientWire()
        make: Any = config.http_protocol_class
        self._connection = make(config=config, server_state=self._state, app_state={})
        self._connection.connection_made(self._wire)

    async def ask(self, request: bytes) -> bytes:
        """The answer to a request."""
        self._wire.sent = b""
        answered = self._state.total_requests + 1
        self._connection.data_received(request)
        while self._state.total_requests < answered:
            await asyncio.sleep(0)
        return self._wire.sent


@contextmanager
def gateway(
    home: Path, scripts: dict[str, Script], clock: Clock, cluster: Cluster | None = None
) -> Iterator[App]:
    """A gateway as it serves: log, ledger and a stored key included.

    Its agent `dev` has one model for each host in `scripts`, in their order. The caller closes it
    on the loop that it has used.
    """
    before = _loggers()
    log.set_up("json", "info", StringIO())
    ledger = Ledger(home / "ledger.db", 7)
    ledger.start()
    config = _config(scripts)
    app = App(config, env={}, home=home, clock=clock, wall=clock, ledger=ledger, cluster=cluster)
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
