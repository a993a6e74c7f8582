"""What bytes of a response mean, wherever they are cut; no socket and no loop."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from gateway.upstream.http1 import HEADER_BYTES_MAX, ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"content-length: 5\r\n\r\nhello"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
PACKED = gzip.compress(b"hello")


class Seen(NamedTuple):
    """What a parser knows after its last byte."""

    status: int = 200
    body: bytes = b"hello"
    complete: bool = True
    keep: bool = True
    error: str | None = None


def parsed(pieces: Sequence[bytes], *, ends: bool = False) -> Seen:
    parser = ResponseParser()
    for piece in pieces:
        parser.feed(piece)
    if ends:
        parser.end()
    return Seen(parser.status, parser.take(), parser.complete, parser.keep, parser.error)


def cuts(data: bytes) -> list[list[bytes]]:
    """`data` whole, byte by byte, and cut in two at every place."""
    in_two = [[data[:place], data[place:]] for place in range(1, len(data))]
    return [[data], [data[place : place + 1] for place in range(len(data))], *in_two]


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (PLAIN, Seen()),
        (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\nx-trailer: 1\r\n\r\n", Seen()),
        (b"HTTP/1.1 100 Continue\r\nx-a: 1\r\n\r\n" + PLAIN, Seen()),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Seen(204, b"")),
        (OK + b"connection: close\r\ncontent-length: 5\r\n\r\nhello", Seen(keep=False)),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", Seen(keep=False)),
        (
            OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(PACKED) + PACKED,
            Seen(),
        ),
        (OK + b"content-length: 6\r\n\r\nhello", Seen(complete=False)),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", Seen(complete=False)),
        (OK, Seen(0, b"", complete=False, keep=False)),
    ],
    ids=[
        "a length",
        "chunks and a trailer",
        "after a 1xx",
        "no body",
        "the last one",
        "HTTP/1.0",
        "compressed",
        "short of its length",
        "short of its last line",
        "in its headers",
    ],
)
def test_a_response_is_the_same_wherever_it_is_cut(data: bytes, seen: Seen) -> None:
    for pieces in cuts(data):
        assert parsed(pieces) == seen


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"220 mail.example.org ESMTP\r\n", "not valid HTTP/1.1"),
        (OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", "not valid HTTP/1.1"),
        (
            b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            "switch protocols",
        ),
        (OK + b"content-encoding: compress\r\n\r\n", "content encoding compress"),
        (OK + b"content-encoding: gzip\r\n\r\nhello", "not valid HTTP/1.1: Error -3"),
        (
            OK + b"content-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello",
            "not valid HTTP/1.1: Error -3",
        ),
        (OK + b"x-a: " + b"a" * HEADER_BYTES_MAX + b"\r\n\r\n", "headers exceed"),
        (PLAIN[:-9] + b"\r\nx-a: " + b"a" * HEADER_BYTES_MAX + b"\r\n\r\nhello", "headers exceed"),
        (OK + b"x-a: " + b"a" * HEADER_BYTES_MAX, "headers exceed"),
    ],
    ids=[
        "mail",
        "two framings",
        "an upgrade",
        "an encoding",
        "not gzip",
        "not gzip, and whole",
        "headers",
        "headers before a body",
        "an endless header",
    ],
)
def test_what_is_refused_is_refused_wherever_it_is_cut(data: bytes, error: str) -> None:
    half = len(data) // 2
    for pieces in ([data], [data[:half], data[half:]], [data[:-1], data[-1:]]):
        seen = parsed(pieces)
        assert error in (seen.error or "")
        assert (seen.body, seen.complete, seen.keep) == (b"", False, False)


@pytest.mark.parametrize("surplus", [b"surplus", PLAIN], ids=["bytes", "a second response"])
def test_what_follows_a_response_does_not_become_part_of_it(surplus: bytes) -> None:
    assert parsed([PLAIN + surplus]) == Seen(keep=False)


def test_the_end_of_the_connection_ends_a_body_without_a_length_and_no_other() -> None:
    assert parsed([OK + b"\r\nhello"]) == Seen(complete=False, keep=False)
    assert parsed([OK + b"\r\nhello"], ends=True) == Seen(keep=False)
    assert parsed([OK + b"content-length: 6\r\n\r\nhello"], ends=True) == Seen(complete=False)
    assert parsed([b""], ends=True) == Seen(0, b"", complete=False, keep=False)


def test_a_body_is_taken_piece_by_piece() -> None:
    parser = ResponseParser()
    parser.feed(PLAIN[:-3])
    assert (parser.unread_bytes, parser.take(), parser.unread_bytes) == (2, b"he", 0)
    parser.feed(PLAIN[-3:])
    assert (parser.take(), parser.take()) == (b"llo", b"")


def test_the_next_response_knows_nothing_of_the_last() -> None:
    parser = ResponseParser()
    parser.feed(OK + b"x-a: 1\r\ncontent-encoding: compress\r\n\r\n")
    headers = parser.headers
    parser.begin()
    assert (parser.status, parser.headers, parser.has_begun, parser.error) == (0, {}, False, None)
    assert headers["x-a"] == "1"
    parser.feed(PLAIN)
    assert parser.take() == b"hello"
