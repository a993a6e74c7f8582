"""The lab's server on real sockets: a reset is a reset, a cut is a cut, and no byte is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from gateway.lab.play import Act, Played
from gateway.lab.server import Request, Server

T = TypeVar("T")
WAIT_S = 5.0
ASK = b"POST /x?y=z HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n{}"
OK = Played(200, {"x-b": "2"}, [b"ok"], 2)


def serving(
    handle: Callable[[Request], Played],
    work: Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, T]],
) -> T:
    async def paused() -> None:
        await asyncio.sleep(0)

    async def whole() -> T:
        server = Server(handle, paused)
        port = await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(WAIT_S):
                return await work(server, reader, writer)
        finally:
            writer.close()
            await server.stop()

    return asyncio.run(whole())


async def until_the_end(
    server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bytes:
    writer.write(ASK)
    writer.write_eof()
    return await reader.read()


def test_a_request_arrives_whole_however_it_is_cut() -> None:
    seen: list[Request] = []

    def handle(request: Request) -> Played:
        seen.append(request)
        return OK

    async def work(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        for place in range(len(ASK)):
            writer.write(ASK[place : place + 1])
            await asyncio.sleep(0)
        writer.write_eof()
        return await reader.read()

    assert serving(handle, work) == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-b: 2\r\n\r\nok"
    [request] = seen
    assert (request.method, request.path, bytes(request.body)) == ("POST", "/x?y=z", b"{}")
    assert request.headers["x-a"] == "1"


def test_a_connection_is_kept() -> None:
    async def work(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> int:
        for _ in range(3):
            writer.write(ASK)
            await reader.readuntil(b"ok")
        return server.left

    assert serving(lambda request: OK, work) == 0


def test_a_body_without_a_length_is_chunked() -> None:
    assert serving(lambda request: Played(200, {}, [b"a", b"bc"]), until_the_end).endswith(
        b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
    )


@pytest.mark.parametrize(
    "played", [Played(before_headers=Act.RESET), Played(200, {}, [b"a", Act.RESET])]
)
def test_a_reset_is_a_reset(played: Played) -> None:
    with pytest.raises(ConnectionResetError):
        serving(lambda request: played, until_the_end)


@pytest.mark.parametrize(
    "played", [Played(before_headers=Act.HANG), Played(200, {}, [b"a", Act.HANG])]
)
def test_whoever_leaves_a_hanging_answer_is_counted(played: Played) -> None:
    async def work(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> int:
        writer.write(ASK)
        if played.steps:
            await reader.readuntil(b"a\r\n")
        writer.close()
        while not server.left:
            await asyncio.sleep(0)
        return server.left

    assert serving(lambda request: played, work) == 1


def test_what_is_no_http_closes_the_connection() -> None:
    async def work(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        writer.write(b"garbage\r\n\r\n")
        return await reader.read()

    assert serving(lambda request: OK, work) == b""
