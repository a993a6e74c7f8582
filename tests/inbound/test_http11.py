"""The bytes of an answer, in the pieces in which they leave; without a socket."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from gateway.inbound.http import Headers
from gateway.inbound.http11 import Connection, Http11Exchange

HEAD = b"HTTP/1.1 200 OK\r\nx-a: 1\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


class Wire:
    """A connection and its transport: what was sent, in pieces as they left."""

    scheme = "http"
    is_full = is_paused = False

    def __init__(self) -> None:
        self.transport = self.loop = cast(Any, self)
        self.sent: list[bytes] = []
        self.answers = 0

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def answered(self) -> None:
        self.answers += 1

    async def drain(self) -> None:
        self.is_full = False


def begun(
    wire: Wire, *more: tuple[bytes, bytes], method: str = "POST", version: str = "1.1"
) -> Http11Exchange:
    """An answer without a length, unless `more` headers state it."""
    exchange = asked(wire, [], method=method, version=version)
    exchange.begin(200, [(b"x-a", b"1"), *more])
    return exchange


def asked(
    wire: Wire, headers: Headers, *, method: str = "POST", version: str = "1.1"
) -> Http11Exchange:
    connection = cast(Connection, wire)
    keeps_alive = version == "1.1"
    return Http11Exchange(connection, method, b"/", version, headers, keeps_alive=keeps_alive)


def test_a_whole_answer_leaves_at_once() -> None:
    wire = Wire()
    asked(wire, []).respond(200, [(b"x-a", b"1")], b"{}")
    assert wire.sent == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: 1\r\n\r\n{}"]
    assert wire.answers == 1


def test_the_head_leaves_with_the_first_bytes() -> None:
    wire = Wire()
    exchange = begun(wire)
    assert wire.sent == []
    exchange.write(b"")
    assert wire.sent == []
    exchange.write(b"data: 1\n\n")
    assert wire.sent == [CHUNKED + b"9\r\ndata: 1\n\n\r\n"]


def test_each_part_leaves_at_once_and_the_last_one_with_the_end() -> None:
    wire = Wire()
    exchange = begun(wire)
    for piece in (b"1", b"2"):
        exchange.write(piece)
    exchange.end(b"3")
    first = CHUNKED + b"1\r\n1\r\n"
    assert wire.sent == [first, b"1\r\n2\r\n", b"1\r\n3\r\n0\r\n\r\n"]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_answer_may_be_empty(version: str) -> None:
    wire = Wire()
    begun(wire, version=version).end(b"")
    ends = {"1.0": HEAD + b"connection: close\r\n\r\n", "1.1": CHUNKED + b"0\r\n\r\n"}
    assert wire.sent == [ends[version]]


def test_an_answer_to_head_and_one_of_a_stated_length_are_not_chunked() -> None:
    for method, body in (("GET", b"ab"), ("HEAD", b"")):
        wire = Wire()
        exchange = begun(wire, (b"content-length", b"2"), method=method)
        exchange.write(b"a")
        exchange.end(b"b")
        assert b"".join(wire.sent) == HEAD + b"content-length: 2\r\n\r\n" + body


@pytest.mark.parametrize(("first", "last"), [(b"a", b""), (b"ab", b"c")])
def test_an_answer_is_as_long_as_it_says(first: bytes, last: bytes) -> None:
    wire = Wire()
    exchange = begun(wire, (b"content-length", b"2"))
    exchange.write(first)
    with pytest.raises(ValueError, match="content-length"):
        exchange.end(last)
    assert wire.answers == 0


def test_a_client_that_has_left_is_sent_nothing() -> None:
    wire = Wire()
    exchange, other = begun(wire), asked(wire, [])
    for each in (exchange, other):
        each.leave()
    exchange.write(b"2")
    exchange.end(b"3")
    other.respond(200, [], b"")
    assert (wire.sent, wire.answers) == ([], 0)


def test_leaving_is_said_once_and_not_after_the_answer() -> None:
    wire = Wire()
    said: list[str] = []
    leaving, answered, late = asked(wire, []), asked(wire, []), asked(wire, [])
    leaving.watch(lambda: said.append("leaving"))
    answered.watch(lambda: said.append("answered"))
    answered.respond(200, [], b"")
    for each in (leaving, leaving, answered, late):
        each.leave()
    late.watch(lambda: said.append("late"))
    assert said == ["leaving", "late"]


def test_a_client_that_reads_slowly_is_waited_for() -> None:
    wire = Wire()
    exchange = begun(wire)
    assert exchange.write(b"1") is None
    wire.is_full = True
    slow = exchange.write(b"2")
    assert slow is not None
    asyncio.run(cast(Any, slow))
    assert not wire.is_full


def test_a_body_that_is_here_is_not_waited_for() -> None:
    exchange = asked(Wire(), [])
    exchange.feed(b"a")
    assert exchange.arrived() is None
    exchange.feed(b"b")
    exchange.feed_end()
    assert exchange.arrived() == b"ab"
