"""ASGI on both sides of an `Exchange`: how any ASGI server has calls answered, and how our own one
runs an ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from gateway.inbound.exchange import Exchange, Sent, sent
from gateway.inbound.http import (
    ClientLeft,
    Headers,
    Receive,
    Scope,
    Send,
    abort,
    headers_of,
    request_id,
)
from gateway.inbound.http11 import CLOSE, Http11Exchange

log = logging.getLogger("gateway.inbound")

LOOK_AFTER_S: Final = 0.02
"""When an answer begins to be watched for a client that leaves: one that is quicker is not worth a
task to watch it."""


class AsgiRequest:
    """An `Incoming` by its ASGI scope and its server's `receive`."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.headers: Final = headers_of(scope)
        self._receive = receive

    def arrived(self) -> bytes | None:
        return None

    async def read(self) -> tuple[bytes, bool]:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        return message.get("body", b""), message.get("more_body", False)


class AsgiExchange(AsgiRequest):
    """An `Exchange` by its ASGI scope and the two functions of its server. `close` ends it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive)
        self.id: Final = request_id(scope)
        self.method: Final[str] = scope["method"]
        self.path: Final[str] = scope["path"]
        self.scheme: Final[str] = scope.get("scheme", "http")
        self.is_full: Final = True
        """A server's `send` has to be awaited."""
        self._scope = scope
        self._send = send
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    def watch(self, left: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOK_AFTER_S, self._begin_to_watch, left)

    def _begin_to_watch(self, left: Callable[[], None]) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._watch(left))

    async def _watch(self, left: Callable[[], None]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        left()

    def close(self) -> None:
        """Ends the watch."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def respond(self, status: int, headers: Headers, body: bytes) -> Sent:
        length = (b"content-length", b"%d" % len(body))
        return self._respond(status, [length, *headers], body)

    async def _respond(self, status: int, headers: Headers, body: bytes) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def begin(self, status: int, headers: Headers) -> Sent:
        return self._send({"type": "http.response.start", "status": status, "headers": headers})

    def write(self, data: bytes) -> Sent:
        return self._send({"type": "http.response.body", "body": data, "more_body": True})

    def end(self, data: bytes) -> Sent:
        return self._send({"type": "http.response.body", "body": data})

    def abort(self) -> None:
        abort(self._scope)


def asgi(
    serve: Callable[[Exchange], Awaitable[None]],
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """`serve` as an ASGI application."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        exchange = AsgiExchange(scope, receive, send)
        try:
            await serve(exchange)
        finally:
            exchange.close()

    return application


async def run(app: Any, exchange: Http11Exchange, scope: Scope) -> None:
    """Has an ASGI application answer a request on one of our own connections."""

    async def receive() -> MutableMapping[str, Any]:
        try:
            body, more = await exchange.read()
        except ClientLeft:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": more}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = [(name.lower(), value) for name, value in message.get("headers", ())]
            exchange.begin(message["status"], headers)
        elif message.get("more_body", False):
            await sent(exchange.write(message.get("body", b"")))
        else:
            exchange.end(message.get("body", b""))

    try:
        await app(scope, receive, send)
    except Exception:
        log.exception("%s: internal error", exchange.id)
    if not (exchange.begun or exchange.has_left):
        text = (b"content-type", b"text/plain; charset=utf-8")
        exchange.respond(500, [text, CLOSE], b"Internal Server Error")
