"""Between clients and a server on unix sockets: delays or spoils what passes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

READ_BYTES = 65_536


class Proxy:
    """Passes bytes. A test changes how while it does."""

    def __init__(self, path: Path, server: Path) -> None:
        self.path = path
        self.delay_s = 0.0
        """Of everything that the server sends."""
        self.garbage = b""
        """Sent instead of what the server sends."""
        self.cuts = False
        """Whether connections end in the middle of a reply."""
        self.refuses = False
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.close()
            return
        server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        there = asyncio.ensure_future(self._pass(reader, server_writer))
        back = asyncio.ensure_future(self._answer(server_reader, writer))
        both = {there, back}
        self._tasks |= both
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        self._tasks -= both
        for each in (writer, server_writer):
            each.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(READ_BYTES):
            writer.write(data)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(READ_BYTES):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if self.cuts:
                writer.write(data[: len(data) // 2])
                return
            writer.write(self.garbage or data)

    def drop(self) -> None:
        """Ends all connections."""
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def proxy(path: Path, server: Path) -> AsyncIterator[Proxy]:
    found = Proxy(path, server)
    listener = await asyncio.start_unix_server(found.serve, path)
    try:
        yield found
    finally:
        listener.close()
        found.drop()
        with suppress(Exception):
            await asyncio.sleep(0)
