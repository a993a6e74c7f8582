"""One socket to the engine: replies wherever they are cut, and why it cannot be used."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hiredis import ReplyError

from gateway.shared.redis.health import EngineAway
from gateway.shared.redis.link import Link, in_words
from gateway.shared.redis.session import Place, connect
from gateway.text.engine_urls import parse

pytestmark = pytest.mark.anyio

REPLIES = b"+OK\r\n:7\r\n$5\r\na\r\nbc\r\n$-1\r\n-OOM full\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n"


async def test_replies_are_the_same_wherever_they_are_cut() -> None:
    cuts = [[REPLIES], [REPLIES[place : place + 1] for place in range(len(REPLIES))]]
    cuts += [[REPLIES[:place], REPLIES[place:]] for place in range(1, len(REPLIES))]
    for pieces in cuts:
        link, found = Link(), list[Any]()
        link.on_reply = found.append
        for piece in pieces:
            link.data_received(piece)
        error = found.pop(4)
        assert found == [b"OK", 7, b"a\r\nbc", None, [b"a", [1]]]
        assert (type(error), in_words(error)) == (
            ReplyError,
            "its memory is full: raise maxmemory, with the policy noeviction",
        )
        assert not link.lost.done()


async def test_bytes_that_are_not_a_reply_end_the_link() -> None:
    link = Link()
    link.data_received(b"HTTP/1.1 200 OK\r\n")
    assert link.lost.result() == "its answers cannot be read"
    with pytest.raises(EngineAway, match="cannot be read"):
        await link.ask("PING")


@asynccontextmanager
async def answering(*replies: bytes) -> AsyncIterator[Path]:
    """A server that sends these, one for each piece that it reads, and then closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await reader.read(1000)
            writer.write(reply)
        writer.close()

    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.sock"
        async with await asyncio.start_unix_server(serve, path):
            yield path


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", "credentials set"),
        (b"-ERR AUTH <password> called without any password configured\r\n", "credentials set"),
        (b"-ERR max number of clients reached\r\n", "max number of clients reached"),
        (b"", "the connection ended"),
        (b"<html>\r\n", "its answers cannot be read"),
    ],
)
async def test_a_refused_sign_in_says_why(reply: bytes, words: str) -> None:
    async with answering(reply) as path:
        place = Place(parse(f"unix://{path}"), "tests", "m", lambda: "secret")
        with pytest.raises(EngineAway) as error:
            await connect(place, lambda channel, data: None)
    assert words in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No such file or directory"), "no such file or directory"),
        (ConnectionRefusedError(111, "Connect call failed ('10.0.0.1', 1)"), "connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "name or service not known"),
        (TimeoutError(), "it does not answer"),
        (OSError("Multiple exceptions: a, b"), "Multiple exceptions: a, b"),
        (ReplyError("LOADING Redis is loading."), "LOADING Redis is loading"),
        (ReplyError("NOPERM this user has no permissions"), "has not all rights"),
    ],
)
def test_an_error_in_words(error: Exception, words: str) -> None:
    assert words in in_words(error)
