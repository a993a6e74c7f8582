"""Runs the application under uvicorn: one listening socket, ready when it listens, drained when it is told to stop."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import uvicorn

from gateway.app import App
from gateway.config.schema import Server

logger = logging.getLogger("gateway.server")

BACKLOG = 2048


class _Server(uvicorn.Server):
    """uvicorn, telling the application where in its life it is."""

    def __init__(self, config: uvicorn.Config, app: App, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._app.phase = "serving"
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.phase = "draining"
        if self._app.observer.in_flight:
            logger.info("draining: %d calls under way", self._app.observer.in_flight)
        await super().shutdown(sockets)
        await self._app.aclose()


async def serve(app: App, server: Server, on_ready: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT; streams then have `server.drain_seconds` to end."""
    listener = listen(server.host, server.port)
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    config = uvicorn.Config(
        app.asgi,
        http="httptools",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        ws="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(server.drain_seconds),
    )
    await _Server(config, app, lambda: on_ready(url)).serve([listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Ends the process with a clear word when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise SystemExit(
            f"error: cannot listen on {host}:{port}: {error.strerror}. Choose another with --port."
        ) from None
    listener.setblocking(False)
    return listener
