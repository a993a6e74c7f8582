"""What is written together leaves together, and nothing waits longer than a turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

from gateway.inbound.coalescing import Gathering

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    """A transport and a loop: what was sent, in pieces as they left, and what the loop was asked to
    do soon."""

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
        due, self.soon = self.soon, []
        for callback in due:
            callback()


def gathering() -> tuple[Gathering, Wire]:
    wire = Wire()
    return Gathering(cast(asyncio.Transport, wire), cast(asyncio.AbstractEventLoop, wire)), wire


def test_what_is_written_in_one_turn_leaves_together() -> None:
    transport, wire = gathering()
    for piece in (HEAD, b"{", b"}"):
        transport.write(piece)
    assert wire.sent == []
    wire.turn()
    assert wire.sent == [HEAD + b"{}"]


def test_every_turn_sends_what_was_written_in_it() -> None:
    transport, wire = gathering()
    for piece in (HEAD, b"data: 1\n\n", b"data: 2\n\n"):
        transport.write(piece)
        wire.turn()
    assert wire.sent == [HEAD, b"data: 1\n\n", b"data: 2\n\n"]


def test_closing_sends_what_waits_first() -> None:
    transport, wire = gathering()
    transport.write(HEAD)
    transport.close()
    assert (wire.sent, wire.closed) == ([HEAD], True)
    wire.turn()
    assert wire.sent == [HEAD]


def test_a_client_that_has_left_is_sent_nothing() -> None:
    transport, wire = gathering()
    transport.write(HEAD)
    wire.closed = True
    wire.turn()
    assert wire.sent == []


def test_everything_else_is_the_transports_own() -> None:
    transport, wire = gathering()
    assert not transport.is_closing()
    wire.close()
    assert transport.is_closing()
