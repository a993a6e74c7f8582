"""A client's connection on a real socket: heads without an end, offers of another protocol, and being cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from gateway.inbound.http import Receive, Scope, Send, abort, send_text
from gateway.inbound.protocol import HEAD_BYTES_MAX, Protocol

App = Callable[[Scope, Receive, Send], Awaitable[None]]
LONG_S, SHORT_S = 60.0, 0.01
HEAD = b"POST / HTTP/1.1\r\nhost: localhost\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it was sent."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send_text(send, 200, body.decode())


@asynccontextmanager
async def connected(
    app: App = echo, request_s: float = LONG_S, state: ServerState | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(cast(Any, app), lifespan="off", log_config=None, ws="none")
    config.load()
    make = partial(Protocol, config, state or ServerState(), {}, request_s=lambda: request_s)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()


def run(work: Coroutine[Any, Any, bytes]) -> bytes:
    return asyncio.run(asyncio.wait_for(work, 10))


async def sent(data: bytes, *, request_s: float = LONG_S) -> bytes:
    """Everything that comes back until the server closes."""
    async with connected(request_s=request_s) as (reader, writer):
        writer.write(data)
        return await reader.read()


def test_a_head_that_does_not_end_is_waited_for_no_longer_than_a_request() -> None:
    answer = run(sent(HEAD, request_s=SHORT_S))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer
    assert b"\r\nx-request-id: req_" in answer


def test_a_connection_that_is_never_used_is_closed_without_a_word() -> None:
    assert run(sent(b"", request_s=SHORT_S)) == b""


def test_a_head_that_is_too_long_is_refused() -> None:
    head = HEAD + b"x-long: "
    answer = run(sent(head + b"a" * (HEAD_BYTES_MAX + 1 - len(head))))
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"headers_too_large"' in answer


def test_a_head_may_come_byte_by_byte() -> None:
    async def work() -> bytes:
        async with connected() as (reader, writer):
            for byte in HEAD + b"content-length: 5\r\nconnection: close\r\n\r\nhello":
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
            return await reader.read()

    assert run(work()).endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("name", [b"Upgrade", b"upgrade", b"UPGRADE "])
def test_an_offer_of_another_protocol_costs_no_body(name: bytes) -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings, close\r\nHTTP2-Settings: AAEAAE\r\n" + name + b": h2c\r\n"
    answer = run(sent(HEAD + offer + b"content-length: 18\r\n\r\nhello\r\nupgrade: no"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nhello\r\nupgrade: no")


def test_requests_that_follow_each_other_on_one_connection() -> None:
    one = HEAD + b"content-length: 3\r\n\r\none"
    two = HEAD + b"content-length: 3\r\nconnection: close\r\n\r\ntwo"
    assert run(sent(one + two)).count(b"HTTP/1.1 200 ") == 2


def test_a_client_that_leaves_is_noticed_although_its_next_request_is_here() -> None:
    left, asked = asyncio.Event(), asyncio.Event()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async def work() -> bytes:
        async with connected(waiting) as (_, writer):
            writer.write((HEAD + b"content-length: 0\r\n\r\n") * 2)
            await asked.wait()
            writer.close()
            await left.wait()
        return b""

    run(work())


def test_a_body_does_not_count_as_the_next_requests_head() -> None:
    """Both come in one read, and the first request is answered."""

    async def work() -> bytes:
        state = ServerState()
        async with connected(state=state) as (reader, writer):
            while not state.connections:
                await asyncio.sleep(0)
            [protocol] = state.connections
            assert isinstance(protocol, Protocol)
            size = HEAD_BYTES_MAX * 2
            protocol.data_received(HEAD + b"content-length: %d\r\n\r\na" % size)
            protocol.data_received(b"a" * (size - 1) + HEAD)
            writer.write(b"content-length: 3\r\nconnection: close\r\n\r\ntwo")
            return await reader.read()

    assert run(work()).count(b"HTTP/1.1 200 ") == 2


def test_a_client_that_does_not_read_can_be_cut_off() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        abort(scope)

    async def work() -> bytes:
        async with connected(silent) as (reader, writer):
            writer.write(HEAD + b"content-length: 0\r\n\r\n")
            return await reader.read()

    run(work())


def test_a_scope_without_our_protocol_has_nothing_to_cut() -> None:
    abort({"type": "http"})
