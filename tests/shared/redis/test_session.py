"""The two connections of a session, without an engine that answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.shared.redis.session import Place, connect
from gateway.text.engine_urls import parse


@pytest.mark.anyio
async def test_an_attempt_to_connect_that_is_cancelled_leaves_no_socket_open() -> None:
    asked, closed = asyncio.Event(), asyncio.Semaphore(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            if b"SUBSCRIBE" in data:
                asked.set()
        closed.release()
        writer.close()

    with TemporaryDirectory() as folder:
        path = Path(folder) / "silent.sock"
        async with await asyncio.start_unix_server(serve, path):
            place = Place(parse(f"unix://{path}"), "tests", "m", lambda: None)
            attempt = asyncio.ensure_future(connect(place, lambda channel, data: None))
            await asked.wait()
            attempt.cancel()
            await asyncio.wait([attempt])
            assert attempt.cancelled()
            for _ in range(2):
                await closed.acquire()
