"""The headers of a response are those that httptools reads, whatever bytes come."""

from __future__ import annotations

from contextlib import suppress

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.upstream.http1 import HEADER_BYTES_MAX, ResponseParser

MANY = settings(max_examples=100, deadline=None, derandomize=True)
OK = b"HTTP/1.1 200 OK\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>; HTTP/1.1\r\n\r\n"


class Listed:
    """Collects the headers of the final response as httptools gives them, one by one."""

    def __init__(self) -> None:
        self._http = httptools.HttpResponseParser(self)
        self._fields: list[tuple[str, str]] = []
        self.headers: dict[str, str] | None = None
        """None for what httptools refuses, or does not see the end of."""

    def feed(self, data: bytes) -> None:
        with suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._http.feed_data(data)

    def on_message_begin(self) -> None:
        self._fields.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.decode().lower(), value.decode("latin-1").strip(" \t")))

    def on_headers_complete(self) -> None:
        if self._http.get_status_code() >= 200 and self.headers is None:
            self.headers = {}
            for name, value in self._fields:
                known = self.headers.get(name)
                self.headers[name] = value if known is None else f"{known}, {value}"


def read(pieces: list[bytes]) -> tuple[dict[str, str] | None, dict[str, str] | None]:
    """The headers as ours and as httptools reads them."""
    ours, theirs = ResponseParser(), Listed()
    for piece in pieces:
        ours.feed(piece)
        theirs.feed(piece)
    return (ours.headers if ours.has_headers else None), theirs.headers


names = st.sampled_from([b"a", b"A", b"set-cookie", b"X-Odd_Name", b"content-type", b"a b", b""])
values = st.text("ab:;, \t\xe9\x7f\x80\x85\x0b", max_size=6).map(
    lambda text: text.encode("latin-1")
)
lines = st.tuples(names, st.sampled_from([b":", b": ", b" :", b":\t "]), values).map(b"".join)
ends = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\n ", b"\r\n\t"])
heads = st.lists(st.tuples(lines, ends).map(b"".join), max_size=5).map(b"".join)
bodies = st.sampled_from([b"", b"body\r\nx: y\r\n\r\n"])


@MANY
@given(st.sampled_from([b"", b"\r\n", HINTS, HINTS + b"\r\n" + HINTS]), heads, bodies, st.data())
def test_the_headers_are_those_of_httptools(
    before: bytes, head: bytes, body: bytes, data: st.DataObject
) -> None:
    response = before + OK + head + b"\r\n" + body
    place = data.draw(st.integers(0, len(response)))
    ours, theirs = read([response])
    assert ours == theirs
    assert read([response[:place], response[place:]]) == (theirs, theirs)


@MANY
@given(st.binary(max_size=60))
def test_any_bytes_are_read_like_httptools_reads_them(tail: bytes) -> None:
    ours, theirs = read([OK + b"a:" + tail + b"\r\n\r\n"])
    assert ours == theirs


def test_a_repeated_header_is_joined() -> None:
    ours, _ = read([OK + b"Set-Cookie: a=1\r\nx:\r\nset-cookie: b=2 \t\r\nset-cookie:\r\n\r\n"])
    assert ours == {"set-cookie": "a=1, b=2, ", "x": ""}


@pytest.mark.parametrize("line", [b"a:b\r\n", b"a: " + b" " * 1000 + b"b\r\n"])
def test_headers_up_to_the_limit_are_read(line: bytes) -> None:
    lines = line * ((HEADER_BYTES_MAX - len(OK)) // len(line))
    ours, theirs = read([OK + lines + b"\r\n"])
    assert ours == theirs
