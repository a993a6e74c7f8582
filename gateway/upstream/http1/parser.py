"""One HTTP/1.1 response, from bytes to facts. Sans-io: no socket, no clock, no waiting.

`feed` takes bytes as they arrive, cut anywhere, and `end` says that the connection has ended. The
attributes are what is known so far.

httptools decides what is valid, where the headers end and how the body is framed; it calls the
`on_…` methods from within `feed`. The header lines are read here, once it has found their end:
it takes a line for a header only in the one form of RFC 9112: no folded line, no bare line feed, no
space before the colon.
"""

from __future__ import annotations

import zlib
from typing import Final

import httptools

from gateway.upstream.content_encoding import Inflated

HEADER_BYTES_MAX: Final = 64 * 1024

_BODILESS: Final = frozenset({204, 304})
_IDENTITY: Final = "identity"
_INFLATED: Final = frozenset({"gzip", "deflate", "x-gzip"})


class ResponseParser:
    """The responses on one connection; the attributes are about the one that `begin` began."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forgets the last response: a request leaves, and the next bytes answer it."""
        self.status = 0
        self.headers: dict[str, str] = {}
        """Names in lower case; the values of repeated ones joined by ", "."""
        self.has_begun = False
        """A byte has arrived."""
        self.has_headers = False
        """`status` and `headers` are here."""
        self.unread_bytes = 0
        """Of the body: decoded, and not yet taken."""
        self.complete = False
        """The response has come to its end. The last of its body may still be there to take."""
        self.keep = False
        """The connection may carry another request after this response."""
        self.error: str | None = None
        """What is wrong with the response. What was read before it is good; nothing after it is
        read."""
        self._body: list[bytes] = []
        self._head: list[bytes] = []
        """All bytes up to the end of the headers."""
        self._head_bytes = 0
        self._informational = 0
        """Responses with a status of 1xx before this one."""
        self._inflated: Inflated | None = None
        self._ends_with_the_connection = False
        self._arrived: list[bytes] = []
        """The pieces of the body in the bytes that are fed, as they came."""
        self.on_body = self._arrived.append  # a method in C, called for each chunk
        self._http = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Reads the next bytes. Raises nothing: see `error`."""
        self.has_begun = True
        if self.error is not None:
            return
        if not self.has_headers:
            self._head.append(data)
            self._head_bytes += len(data)
        try:
            self._http.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._stop(error)
        if arrived := self._arrived:
            piece = b"".join(arrived)
            arrived.clear()
            if self._inflated is not None:
                piece = self._inflate(self._inflated, piece)
            if piece:
                self._body.append(piece)
                self.unread_bytes += len(piece)
        elif self._head_bytes > HEADER_BYTES_MAX and not self.has_headers:
            self._refuse_headers()

    def end(self) -> None:
        """The server has closed the connection cleanly, which ends a body of no stated length."""
        if self._ends_with_the_connection:
            self.complete = True

    def take(self) -> bytes:
        """All of the body that has been read since the last call."""
        body, self._body = self._body, []
        self.unread_bytes = 0
        return b"".join(body)

    def _inflate(self, inflated: Inflated, piece: bytes) -> bytes:
        """`piece` without its content encoding; b"" for one that breaks it."""
        try:
            return inflated.feed(piece)
        except zlib.error as error:
            self.complete = False  # of which httptools knows nothing
            self._refuse(f"its answer is not valid HTTP/1.1: {error}")
            return b""

    def _stop(self, error: Exception) -> None:
        """httptools reads no further."""
        if isinstance(error, httptools.HttpParserUpgrade):
            self._refuse("it wants to switch protocols")
        elif self.complete:
            self.keep = False  # bytes that follow the response: the framing cannot be trusted
        else:
            self._refuse(f"its answer is not valid HTTP/1.1: {error.__context__ or error}")

    # --- httptools calls --------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("a second answer")  # to no request; the first one must not grow by it

    def on_headers_complete(self) -> None:
        status = self._http.get_status_code()
        if status < 200:
            return  # 1xx: the final response follows
        self.status = status
        self.headers = headers = self._read_headers()
        self.has_headers = True
        self.keep = self._http.should_keep_alive()
        is_framed = (
            "content-length" in headers
            or "chunked" in headers.get("transfer-encoding", "").lower()
            or status in _BODILESS
        )
        self._ends_with_the_connection = not is_framed
        if "content-encoding" in headers:
            self._decode_as(headers["content-encoding"].lower())

    def on_message_complete(self) -> None:
        if self.has_headers:
            self.complete = True
        else:
            self._informational += 1

    # --- headers ----------------------------------------------------------------------------------

    def _read_headers(self) -> dict[str, str]:
        """The headers of the final response, whose end httptools has found."""
        head = b"".join(self._head)
        self._head.clear()
        begin = end = 0
        for _ in range(self._informational + 1):
            begin = head.find(b"HTTP/", end)
            end = head.find(b"\r\n\r\n", begin)
        if end > HEADER_BYTES_MAX:
            self._refuse_headers()
            raise ValueError(self.error)  # nothing more is read
        return _fields(head[begin:end].decode("latin-1").split("\r\n")[1:])

    def _decode_as(self, encoding: str) -> None:
        if encoding in _INFLATED:
            self._inflated = Inflated(encoding.removeprefix("x-"))
        elif encoding != _IDENTITY:
            self._refuse(f"it used the content encoding {encoding}, which was not asked for")
            raise ValueError(self.error)  # nothing of the body is read

    def _refuse_headers(self) -> None:
        self._refuse(f"its headers exceed {HEADER_BYTES_MAX} bytes")

    def _refuse(self, reason: str) -> None:
        """The first reason is the one that counts."""
        self.keep = False
        if self.error is None:
            self.error = reason


def _fields(lines: list[str]) -> dict[str, str]:
    """Header lines as a table. A header may be repeated without end, so each is joined once."""
    fields: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        if name in fields:
            repeated.setdefault(name, [fields[name]]).append(value)
        else:
            fields[name] = value
    for name, values in repeated.items():
        fields[name] = ", ".join(values)
    return fields
