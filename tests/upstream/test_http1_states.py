"""The life of a connection as its `repr` shows it, and the lines that a debug log has of it."""

from __future__ import annotations

import asyncio
import logging
import re

import pytest

from gateway.upstream.http1 import Pool
from gateway.upstream.http1.connection import Connection
from gateway.upstream.transport import TransportError
from gateway.urls import Origin
from tests.upstream.odd import through
from tests.upstream.test_http1 import OK, request
from tests.upstream.test_http1_bytes import Pipe
from tests.upstream.wire import WAIT_S, Act, Wire

ORIGIN = Origin("http", "test", 80)


async def asked(connection: Connection) -> asyncio.Task[None]:
    """A request was sent, and no byte of its response has arrived."""
    asking = asyncio.create_task(connection.exchange(b"", b"", WAIT_S))
    await asyncio.sleep(0)
    return asking


@pytest.mark.anyio
async def test_the_states_of_a_connection() -> None:
    connection = Connection(Pool(), ORIGIN)
    shown = [repr(connection)]
    connection.connection_made(Pipe())
    for _ in range(2):
        asking = await asked(connection)
        shown.append(repr(connection))
        connection.data_received(OK)
        await asking
        connection.release()
        shown.append(repr(connection))
    connection.abort("for the test")
    assert [*shown, repr(connection)] == [
        "<Connection test:80 new requests=0>",
        "<Connection test:80 active requests=1>",
        "<Connection test:80 idle requests=1>",
        "<Connection test:80 active requests=2>",
        "<Connection test:80 idle requests=2>",
        "<Connection test:80 closed requests=2>",
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "used", [False, True], ids=["before its first request", "while it is idle"]
)
async def test_bytes_that_answer_no_request_close_a_connection(used: bool) -> None:
    connection = Connection(Pool(), ORIGIN)
    connection.connection_made(Pipe())
    if used:
        asking = await asked(connection)
        connection.data_received(OK)
        await asking
        connection.release()
    connection.data_received(OK)
    assert "closed" in repr(connection)


@pytest.mark.anyio
async def test_a_connection_that_closed_before_its_request_fails_at_once() -> None:
    connection = Connection(Pool(), ORIGIN)
    connection.connection_made(Pipe())
    connection.connection_lost(None)
    with pytest.raises(TransportError) as raised:
        await asyncio.wait_for(connection.exchange(b"", b"", 60.0), WAIT_S)
    assert raised.value.kind == "reset"


@pytest.mark.anyio
async def test_a_connection_that_we_close_does_not_end_a_body_without_a_length() -> None:
    """Half an answer must not look like a whole one when the pool closes."""
    pool = Pool()
    async with Wire([b"HTTP/1.1 200 OK\r\n\r\nhalf", Act.HOLD]) as wire:
        response = await pool.send(request(wire.url), WAIT_S)
        assert await response.receive(WAIT_S) == b"half"
        await pool.aclose()
        with pytest.raises(TransportError) as raised:
            await response.receive(WAIT_S)
        assert raised.value.kind == "reset"


@pytest.mark.anyio
async def test_the_debug_log_shows_what_is_opened_reused_and_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pool = Pool()
    with caplog.at_level(logging.DEBUG, "gateway.upstream.http1"):
        async with Wire([OK], [OK], [Act.CLOSE], [OK]) as wire:
            found = [await through(pool, wire.url, WAIT_S) for _ in range(3)]
            await pool.aclose()
        assert [finding.status for finding in found] == [200, 200, 200]
    said = re.sub(r".*connection.py:\d+ |.*pool.py:\d+ ", "", caplog.text)  # as it was when logged
    assert re.sub(r"127\.0\.0\.1:\d+", "HOST", said).splitlines() == [
        "opened <Connection HOST new requests=0>",
        "reuses <Connection HOST idle requests=1>",
        "reuses <Connection HOST idle requests=2>",
        "<Connection HOST active requests=3> was closed by the server",
        "opened <Connection HOST new requests=0>",
        "closes <Connection HOST idle requests=1>: the pool is closing",
    ]
