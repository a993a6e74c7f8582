"""One connection of our pool without a socket: any cut of an answer, and when it stops reading."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest

from gateway.upstream.http1 import UNREAD_BYTES_MAX, Connection, Pool
from gateway.urls import Origin
from tests.upstream.odd import ODD, Odd
from tests.upstream.wire import WAIT_S


class Pipe(asyncio.Transport):
    """A transport without a socket: what a connection does to it is written down."""

    def __init__(self) -> None:
        super().__init__()
        self.did: list[str] = []

    def writelines(self, list_of_data: Any) -> None:
        pass

    def pause_reading(self) -> None:
        self.did.append("pause")

    def resume_reading(self) -> None:
        self.did.append("resume")

    def abort(self) -> None:
        self.did.append("abort")


async def fed(pieces: list[bytes]) -> tuple[int, dict[str, str], bytes]:
    """What a connection makes of an answer that arrives in these pieces and then closes."""
    pool = Pool()
    connection = Connection(pool, Origin("http", "test", 80))
    connection.connection_made(Pipe())
    asking = asyncio.create_task(connection.exchange(b"", b"", WAIT_S))
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
    connection.connection_lost(None)
    await asking
    body = b""
    while piece := await connection.receive(WAIT_S):
        body += piece
    return connection.parser.status, connection.parser.headers, body


WHOLE = [
    odd
    for odd in ODD
    if odd.finding.trouble is None and "behind" not in odd.name and "large" not in odd.name
]


@pytest.mark.anyio
@pytest.mark.parametrize("odd", WHOLE, ids=lambda odd: odd.name)
async def test_an_answer_is_the_same_wherever_it_is_cut(odd: Odd) -> None:
    data = b"".join(step for step in odd.answer if isinstance(step, bytes))
    if odd.name == "raw deflate":
        pytest.skip("recognised by its first two bytes")
    byte_by_byte = [data[place : place + 1] for place in range(len(data))]
    cuts = [[data[:place], data[place:]] for place in range(1, len(data))]
    first, *others = [await fed(pieces) for pieces in ([data], byte_by_byte, *cuts)]
    assert first[2] == odd.finding.body
    assert all(other == first for other in others)


@pytest.mark.anyio
async def test_reading_pauses_while_too_much_waits() -> None:
    pipe = Pipe()
    connection = Connection(Pool(), Origin("http", "test", 80))
    connection.connection_made(pipe)
    asking = asyncio.create_task(connection.exchange(b"", b"", WAIT_S))
    await asyncio.sleep(0)
    connection.data_received(
        b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (2 * UNREAD_BYTES_MAX)
    )
    await asking
    seen = []
    for size in (UNREAD_BYTES_MAX, 1, 1):
        connection.data_received(b"a" * size)
        seen.append(list(pipe.did))
    assert len(await connection.receive(WAIT_S)) == UNREAD_BYTES_MAX + 2
    assert [*seen, pipe.did] == [[], ["pause"], ["pause"], ["pause", "resume"]]


@pytest.mark.anyio
async def test_a_connection_whose_reading_is_paused_is_not_kept() -> None:
    """Reading paused at the last byte of an answer that was not taken: the next one would never be
    read."""
    pipe = Pipe()
    connection = Connection(Pool(), Origin("http", "test", 80))
    connection.connection_made(pipe)
    asking = asyncio.create_task(connection.exchange(b"", b"", WAIT_S))
    await asyncio.sleep(0)
    size = UNREAD_BYTES_MAX + 1
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"a" * size)
    await asking
    connection.release()
    assert pipe.did == ["pause", "abort"]


@pytest.mark.anyio
async def test_an_encoding_that_yields_nothing_for_long_does_not_recurse_deeply() -> None:
    """A gzip header may hold a name of any length."""
    packed = gzip.compress(b"hello")
    body = packed[:3] + b"\x08" + packed[4:10] + b"n" * 3000 + b"\0" + packed[10:]
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
    pieces = [body[place : place + 1] for place in range(len(body))]
    assert (await fed([head, *pieces]))[2] == b"hello"
