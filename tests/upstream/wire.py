"""A server that sends exactly the bytes it is given, and the loop that tests of the connection run
on."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Sequence
from enum import Enum
from typing import Final

WAIT_S: Final = 5.0
"""For what must happen; no test that passes waits for it."""
SHORT_S: Final = 0.05
"""For what must not happen."""
UVLOOP: Final = ("asyncio", {"use_uvloop": True})
"""The loop that the gateway runs on, as an `anyio_backend`."""

_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Act(Enum):
    """What a server does besides sending bytes."""

    CLOSE = "close"
    RESET = "reset"
    HOLD = "hold"
    """Nothing more, until the client leaves."""


Step = bytes | Act | asyncio.Event
Answer = Sequence[Step]


class Wire:
    """A server that answers the n-th request with the n-th answer, and each later one with the
    last."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self._answers = answers
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[bytes] = []
        self.connections = 0
        self.asked = asyncio.Event()
        """A request has arrived."""
        self.left = asyncio.Event()
        """A client closed its connection."""

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{'https' if self._tls else 'http'}://{host}:{port}/v1/x?y=z"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _request(reader)
        if request is None:
            self.left.set()
            return False
        answer = self._answers[min(len(self.requests), len(self._answers) - 1)]
        self.requests.append(request)
        self.asked.set()
        for step in answer:
            if isinstance(step, Act):
                return await self._act(step, reader, writer)
            if isinstance(step, asyncio.Event):
                await step.wait()
                continue
            writer.write(step)
            await writer.drain()
            await asyncio.sleep(0)
        return True

    async def _act(
        self, act: Act, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if act is Act.HOLD:
            try:
                await reader.read()
            finally:
                self.left.set()
        if act is Act.RESET:
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER
            )
            writer.transport.abort()
        return False


async def _request(reader: asyncio.StreamReader) -> bytes | None:
    """Head and body of the next request; None when the client has closed."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    lengths = [
        line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    return head + (await reader.readexactly(int(lengths[0])) if lengths else b"")
