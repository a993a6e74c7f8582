"""An answer leaves in one piece, and nothing waits longer than a turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

from gateway.inbound.protocol import Gathering

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    """A transport and a loop: what was sent, in pieces as they left, and what the loop was told to do soon."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.soon: list[Callable[[], Any]] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.sent.append(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.write(b"".join(pieces))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def call_soon(self, callback: Callable[[], Any]) -> None:
        self.soon.append(callback)

    def turn(self) -> None:
        """The loop comes round."""
        for callback in self.soon:
            callback()


def gathering() -> tuple[Gathering, Wire]:
    wire = Wire()
    return Gathering(cast(asyncio.Transport, wire), cast(asyncio.AbstractEventLoop, wire)), wire


def test_head_and_body_leave_together() -> None:
    transport, wire = gathering()
    transport.write(HEAD)
    assert wire.sent == []
    transport.write(b"{}")
    wire.turn()
    assert wire.sent == [HEAD + b"{}"]


def test_a_head_alone_leaves_within_the_turn() -> None:
    transport, wire = gathering()
    transport.write(HEAD)
    wire.turn()
    assert wire.sent == [HEAD]
    transport.write(b"{}")
    assert wire.sent == [HEAD, b"{}"]


def test_what_is_no_head_leaves_at_once() -> None:
    transport, wire = gathering()
    for piece in (b"data: {}\n\n", b"HTTP/1.1 is not the beginning of a head", b"0\r\n\r\n"):
        transport.write(piece)
        assert wire.sent[-1] == piece
    assert wire.soon == []


def test_two_heads_are_not_swallowed() -> None:
    """`100 Continue`, and an answer in the same turn."""
    transport, wire = gathering()
    early = b"HTTP/1.1 100 Continue\r\n\r\n"
    transport.write(early)
    transport.write(HEAD)
    transport.write(b"{}")
    wire.turn()
    assert b"".join(wire.sent) == early + HEAD + b"{}"


def test_closing_sends_what_waits_first() -> None:
    transport, wire = gathering()
    transport.write(HEAD)
    transport.close()
    assert (wire.sent, wire.closed) == ([HEAD], True)
    wire.turn()
    assert wire.sent == [HEAD]


def test_everything_else_is_the_transports_own() -> None:
    transport, wire = gathering()
    assert not transport.is_closing()
    wire.close()
    assert transport.is_closing()
