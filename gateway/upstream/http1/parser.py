"""One HTTP/1.1 response, from bytes to facts. Sans-io: no socket, no clock, no waiting.

`feed` takes bytes as they arrive, cut anywhere, and `end` says that the connection has ended. The
attributes are what is known so far. httptools calls the `on_…` methods from within `feed`.
"""

from __future__ import annotations

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
        self._http = httptools.HttpResponseParser(self)
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
        self._fields: dict[str, list[str]] = {}
        """The headers so far, joined once they are complete: a header may be repeated without
        end."""
        self._head_bytes = 0
        """Fed before the headers were complete: a header that never ends is never shown to us."""
        self._header_bytes = 0
        """Names and values of the headers."""
        self._inflated: Inflated | None = None
        self._ends_with_the_connection = False

    def feed(self, data: bytes) -> None:
        """Reads the next bytes. Raises nothing: see `error`."""
        self.has_begun = True
        try:
            self._http.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse("it wants to switch protocols")
        except httptools.HttpParserError as error:
            if self.complete:
                self.keep = False  # bytes that follow the response: the framing cannot be trusted
            else:
                self._refuse(f"its answer is not valid HTTP/1.1: {error.__context__ or error}")
        if not self.has_headers:
            self._head_bytes += len(data)
            if self._head_bytes > HEADER_BYTES_MAX:
                self._refuse_headers()

    def end(self) -> None:
        """The server has closed the connection cleanly, which ends a body of no stated length."""
        if self._ends_with_the_connection:
            self.complete = True

    def take(self) -> bytes:
        """All of the body that has been read since the last call."""
        body, self._body = self._body, []
        self.unread_bytes = 0
        return body[0] if len(body) == 1 else b"".join(body)

    # --- httptools calls --------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("a second answer")  # to no request; the first one must not grow by it

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.has_headers:
            return  # a trailer: the headers have been passed on
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEADER_BYTES_MAX:
            self._refuse_headers()
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        self._fields.setdefault(key, []).append(text)

    def on_headers_complete(self) -> None:
        status = self._http.get_status_code()
        if status < 200:
            return  # 1xx: the final response follows
        self.status = status
        self.headers = headers = {name: ", ".join(texts) for name, texts in self._fields.items()}
        self.has_headers = True
        self.keep = self._http.should_keep_alive()
        is_chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        is_framed = is_chunked or "content-length" in headers or status in _BODILESS
        self._ends_with_the_connection = not is_framed
        encoding = headers.get("content-encoding", _IDENTITY).lower()
        if encoding in _INFLATED:
            self._inflated = Inflated(encoding.removeprefix("x-"))
        elif encoding != _IDENTITY:
            self._refuse(f"it used the content encoding {encoding}, which was not asked for")

    def on_body(self, data: bytes) -> None:
        if self.error is not None:
            return
        if self._inflated is not None:
            data = self._inflated.feed(data)
            if not data:
                return
        self._body.append(data)
        self.unread_bytes += len(data)

    def on_message_complete(self) -> None:
        if self.has_headers:
            self.complete = True
        else:
            self._fields.clear()  # those of a 1xx

    def _refuse_headers(self) -> None:
        self._refuse(f"its headers exceed {HEADER_BYTES_MAX} bytes")

    def _refuse(self, reason: str) -> None:
        """The first reason is the one that counts."""
        self.keep = False
        if self.error is None:
            self.error = reason
