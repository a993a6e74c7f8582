"""Runs the application under uvicorn: ready when it listens, reloaded on SIGHUP, drained on a
signal to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn

from gateway.app import App
from gateway.config.schema import Server
from gateway.inbound.browsers import shared_with
from gateway.inbound.protocol import Protocol
from gateway.process.reload import Reloader
from gateway.process.systemd import Notifier, watchdog

logger = logging.getLogger("gateway.server")

BACKLOG = 2048
LOOK_S = 0.1
"""How often a drain looks whether it is done, or has a second signal."""
LOOK_AFTER_S = 1.0
NEW_KEYS_S = 0.4
"""How often the file of a key that was refused is looked at."""
GARBAGE_MIN = 20_000
"""New objects before the interpreter looks for cycles among them. A call leaves none, but log and
ledger hold enough records for a moment to set the usual 700 off all the time."""
GRACE_S = 0.5
"""How long a connection that was accepted just before the stop may take to send its request."""


class _Server(uvicorn.Server):
    """uvicorn, with the application's own life: it says when it is ready, and lets streams end
    before it goes."""

    def __init__(
        self, config: uvicorn.Config, app: App, notifier: Notifier, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._app = app
        self._notifier = notifier
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._app.phase = "serving"
        self._app.join_others()
        self._notifier.ready("serving")
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.phase = "draining"
        self._notifier.stopping()
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        for connection in list(self.server_state.connections):
            if connection not in self._silent():
                connection.shutdown()  # an idle one closes now, a busy one after its answer
        await self._drain()
        await super().shutdown()
        await self._app.aclose()

    async def _drain(self) -> None:
        """Waits for the calls under way, up to `drainSeconds`, and for those whose connection was
        just accepted; a second signal ends the patience."""
        calls, drain_s = self._app.endpoint.calls, self._app.gateway.server.drain_seconds
        if calls:
            logger.info("draining: %d calls under way, %g s at most", len(calls), drain_s)
        loop = asyncio.get_running_loop()
        grace_until = loop.time() + GRACE_S
        while self._silent() and loop.time() < grace_until and not self.force_exit:
            await asyncio.sleep(LOOK_S)
        deadline = loop.time() + drain_s
        while calls and loop.time() < deadline and not self.force_exit:
            await asyncio.sleep(LOOK_S)
        if calls:
            logger.warning("drainSeconds are over: %d calls are ended", len(calls))
            self._app.endpoint.end_all()
            await asyncio.sleep(LOOK_S)

    def _silent(self) -> list[Any]:
        """Connections that have sent no request yet: to close one may lose a call that is on its
        way."""
        connections: Iterable[Any] = self.server_state.connections
        return [each for each in connections if each.is_silent]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, a second one does not wait. Neither makes the process look
        killed."""
        self.force_exit = self.should_exit
        self.should_exit = True


async def serve(
    app: App,
    server: Server,
    listeners: list[socket.socket],
    *,
    notifier: Notifier,
    reloader: Reloader | None,
    on_ready: Callable[[str], None],
) -> None:
    """Serves on `listeners` until SIGTERM or SIGINT; streams then have `server.drain_seconds` to
    end."""
    background = [
        asyncio.create_task(each)
        for each in (watchdog(notifier), _look_for_new_keys(app), _look_after(app))
    ]
    if reloader is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.reload)
        background.append(asyncio.create_task(reloader.watch()))
    gc.freeze()  # what is loaded by now stays, and need not be looked at again
    gc.set_threshold(GARBAGE_MIN)
    try:
        url = url_of(listeners[0])
        await _Server(options(app), app, notifier, lambda: on_ready(url)).serve(listeners)
    finally:
        for task in background:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _look_for_new_keys(app: App) -> None:
    """A key that was stored after its predecessor was refused serves the next call; until
    cancelled."""
    while True:
        await asyncio.sleep(NEW_KEYS_S)
        app.look_for_new_keys()


async def _look_after(app: App) -> None:
    """A limit that is new is seeded, and what long calls hold is renewed; until cancelled."""
    while True:
        await asyncio.sleep(LOOK_AFTER_S)
        await app.limits.look_after()


@asynccontextmanager
async def running(app: App, listener: socket.socket) -> AsyncIterator[str]:
    """Serves as a context, without signals and without a drain; gives the URL. For drills and
    tests."""
    server = uvicorn.Server(options(app))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([listener])
    app.phase = "serving"
    app.join_others()
    try:
        yield url_of(listener)
    finally:
        for each in server.servers:
            each.close()
        listener.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()
        await app.aclose()


def options(app: App) -> uvicorn.Config:
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app.asgi,
        http=cast(Any, _protocol(app)),
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        ws="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )


def _protocol(app: App) -> Callable[..., Protocol]:
    return partial(
        Protocol,
        request_s=lambda: app.gateway.server.request_seconds,
        face_of_path=app.face_of_path,
        direct=app.answer,
        shared_with=lambda headers: shared_with(headers, app.gateway.allowed_origins),
    )


def url_of(listener: socket.socket) -> str:
    """The base URL of a listening socket, without `/v1`."""
    if listener.family == socket.AF_UNIX:
        return f"http+unix://{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
