"""The lab's server on real sockets: a reset is a reset, a cut is a cut, and no byte is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.lab.play import Act, Played
from gateway.lab.server import Request, Server

WAIT_S = 5.0
ASK = b"POST /x?y=z HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n{}"
OK = Played(200, {"x-b": "2"}, [b"ok"], 2)


@asynccontextmanager
async def serving(
    handle: Callable[[Request], Played],
) -> AsyncIterator[tuple[Server, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A server and a connection to it."""

    async def paused() -> None:
        await asyncio.sleep(0)

    server = Server(handle, paused)
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(WAIT_S):
            yield server, reader, writer
    finally:
        writer.close()
        await server.stop()


async def whole_answer(played: Played) -> bytes:
    """All bytes of the answer to one request."""
    async with serving(lambda request: played) as (_, reader, writer):
        writer.write(ASK)
        writer.write_eof()
        return await reader.read()


@pytest.mark.anyio
async def test_a_request_arrives_whole_however_it_is_cut() -> None:
    seen: list[Request] = []

    def handle(request: Request) -> Played:
        seen.append(request)
        return OK

    async with serving(handle) as (_, reader, writer):
        for place in range(len(ASK)):
            writer.write(ASK[place : place + 1])
            await asyncio.sleep(0)
        writer.write_eof()
        answer = await reader.read()

    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-b: 2\r\n\r\nok"
    [request] = seen
    assert (request.method, request.path, bytes(request.body)) == ("POST", "/x?y=z", b"{}")
    assert request.headers["x-a"] == "1"


@pytest.mark.anyio
async def test_a_connection_is_kept() -> None:
    async with serving(lambda request: OK) as (server, reader, writer):
        for _ in range(3):
            writer.write(ASK)
            await reader.readuntil(b"ok")
        assert server.left == 0


@pytest.mark.anyio
async def test_a_body_without_a_length_is_chunked() -> None:
    assert (await whole_answer(Played(200, {}, [b"a", b"bc"]))).endswith(
        b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    "played", [Played(before_headers=Act.RESET), Played(200, {}, [b"a", Act.RESET])]
)
async def test_a_reset_is_a_reset(played: Played) -> None:
    with pytest.raises(ConnectionResetError):
        await whole_answer(played)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "played", [Played(before_headers=Act.HANG), Played(200, {}, [b"a", Act.HANG])]
)
async def test_a_client_that_leaves_a_hanging_answer_is_counted(played: Played) -> None:
    async with serving(lambda request: played) as (server, reader, writer):
        writer.write(ASK)
        if played.steps:
            await reader.readuntil(b"a\r\n")
        writer.close()
        while not server.left:
            await asyncio.sleep(0)
        assert server.left == 1


@pytest.mark.anyio
async def test_bytes_that_are_not_http_close_the_connection() -> None:
    async with serving(lambda request: OK) as (_, reader, writer):
        writer.write(b"garbage\r\n\r\n")
        assert await reader.read() == b""
