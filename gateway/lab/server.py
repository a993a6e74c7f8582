"""Carries out what `play.py` says, on real sockets: a reset is a reset, a cut is a cut, and no byte
moves by itself.

A small HTTP/1.1 server of its own, because servers that are made to be correct will not break a
connection on demand.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import httptools

from gateway.lab.play import Act, Played, Step

_NO_LINGER: Final = struct.pack("ii", 1, 0)
"""Makes a close a reset."""
FLOOD_S: Final = 0.01
"""Between two pieces of a flood."""
HEAD_BYTES_MAX: Final = 128 * 1024
REQUEST_BYTES_MAX: Final = 64 * 1024 * 1024
HELD_BYTES_MAX: Final = 256 * 1024 * 1024
"""Of all requests that are arriving or being answered."""
CONNECTIONS_MAX: Final = 1000
_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
}


class TooLarge(Exception):
    """A request that no real server would take; the connection is closed."""


class Request:
    """One request, as the parser collects it."""

    def __init__(self) -> None:
        self.method = ""
        self.path = ""
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.complete = False
        self.bytes = 0
        """How many have arrived, of the head and the body."""
        self._has_head = False
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Raises `TooLarge`, `httptools.HttpParserError`."""
        self.bytes += len(data)
        self._parser.feed_data(data)
        if self.bytes > (REQUEST_BYTES_MAX if self._has_head else HEAD_BYTES_MAX):
            raise TooLarge

    def on_url(self, url: bytes) -> None:
        self.path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.method = self._parser.get_method().decode()
        self.complete = True


Handler = Callable[[Request], Played]
Delay = Callable[[int], Awaitable[object]]


class Server:
    """Answers every request with what `handle` says. `pause` is the wait of a slow first token,
    `delay` that after each piece of a stream, by its number from 0."""

    def __init__(
        self, handle: Handler, pause: Callable[[], Awaitable[None]], delay: Delay | None = None
    ) -> None:
        self._handle = handle
        self._pause = pause
        self._delay = delay
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.held_bytes = 0
        """The size of the requests that are being read."""
        self.left = 0
        """Clients that went away before their answer was complete."""

    async def start(self, host: str, port: int) -> int:
        """Listens. Returns the port. Raises `OSError`."""
        self._server = await asyncio.start_server(self._connected, host, port, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Ends every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= CONNECTIONS_MAX:
            writer.close()
            return
        self._open.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, httptools.HttpParserError, TooLarge, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer. Returns whether the connection may be used again. Raises
        `TooLarge`."""
        request = Request()
        try:
            return await self._read(request, reader) and await self._answer(request, reader, writer)
        finally:
            self.held_bytes -= request.bytes

    async def _read(self, request: Request, reader: asyncio.StreamReader) -> bool:
        """Returns whether the request is whole; it is not if the client has left."""
        while not request.complete:
            data = await reader.read(65536)
            if not data:
                return False
            self.held_bytes += len(data)
            request.feed(data)
            if self.held_bytes > HELD_BYTES_MAX:
                raise TooLarge
        return True

    async def _answer(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Returns whether the connection may be used again."""
        played = self._handle(request)
        first = played.before_headers
        if first is not None and not await self._act(first, played, reader, writer):
            return False
        writer.write(_head(played))
        if not await self._body(played, reader, writer):
            return False
        if played.length is None:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _body(
        self, played: Played, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Returns whether all of it was sent."""
        for number, step in enumerate(played.steps):
            if isinstance(step, Act):
                if not await self._act(step, played, reader, writer):
                    return False
                continue
            writer.write(_framed(step, played))
            if self._delay is not None:
                await self._delay(number)
            await writer.drain()
        return True

    async def _act(
        self, act: Act, played: Played, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Returns whether the answer goes on."""
        await writer.drain()
        if act is Act.PAUSE:
            return await self._while_connected(self._pause(), reader)
        if act is Act.FLOOD:
            return await self._while_connected(
                _flood(writer, _framed(played.noise, played)), reader
            )
        if act is Act.HANG:
            return await self._while_connected(asyncio.Event().wait(), reader)
        await asyncio.sleep(0)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        writer.transport.abort()
        return False

    async def _while_connected(self, wait: Awaitable[object], reader: asyncio.StreamReader) -> bool:
        waiting = asyncio.ensure_future(wait)
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            done, _ = await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            leaving.cancel()
            await asyncio.wait((waiting, leaving))  # the next request is read only after this read
        if leaving in done:
            self.left += 1
            return False
        return True


async def _flood(writer: asyncio.StreamWriter, noise: bytes) -> None:
    with suppress(ConnectionError):
        while True:
            writer.write(noise)
            await writer.drain()
            await asyncio.sleep(FLOOD_S)


def _head(played: Played) -> bytes:
    framing = (
        "transfer-encoding: chunked"
        if played.length is None
        else f"content-length: {played.length}"
    )
    lines = [f"HTTP/1.1 {played.status} {_REASONS.get(played.status, 'Lab')}", framing]
    lines += [f"{name}: {value}" for name, value in played.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _framed(step: Step, played: Played) -> bytes:
    assert isinstance(step, bytes)
    return step if played.length is not None else b"%x\r\n%s\r\n" % (len(step), step)
