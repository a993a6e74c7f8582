"""A client's connection: uvicorn's HTTP/1.1, with what it leaves open.

The head of a request is limited in size and in time; a request that offers another protocol is
answered in this one, body included; a client that stops reading can be cut off at once; an HTTP/1.0
client gets plain bytes; and what is not HTTP is answered with an error object, like every other
error.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.hub.contracts import Inbound
from gateway.inbound.coalescing import Gathering
from gateway.inbound.http import ABORT, Headers, HttpError, id_headers, request_id, too_slow
from gateway.inbound.plain import Plain

HEAD_BYTES_MAX: Final = 64 * 1024
"""More than a client with cookies and a long key ever sends."""

_WITHOUT_CHUNKS: Final = ("0.9", "1.0")

_UPGRADE: Final = re.compile(rb"\r\nupgrade[ \t]*:", re.IGNORECASE)
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_REASONS: Final = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
}


def _shared_with_no_page(_: Iterable[tuple[bytes, bytes]]) -> Headers:
    return []


class Protocol(HttpToolsProtocol):
    """One connection.

    `request_s` gives the seconds that the head of a request may take; `shared_with` the headers of
    an answer that the web page needs which sent a request with the given headers.
    """

    def __init__(
        self,
        *args: Any,
        request_s: Callable[[], float],
        face_of_path: Callable[[str], Inbound],
        shared_with: Callable[[Iterable[tuple[bytes, bytes]]], Headers] = _shared_with_no_page,
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self._request_s = request_s
        self._shared_with = shared_with
        self._face_of_path = face_of_path
        self._in_head = False
        self._head_bytes = 0
        self._extensions: dict[str, Callable[[], None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        """The request that is being answered; `cycle` is the last one that was sent, which may have
        to wait for it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Gathering(transport, self.loop))  # type: ignore[arg-type]
        self._extensions = {ABORT: transport.abort}
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True  # uvicorn tells the last request alone
            self._running.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        if cycle.scope["http_version"] in _WITHOUT_CHUNKS:
            app = Plain(app, cycle)
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        if self.cycle is None or not self.cycle.more_body:
            data = _without_upgrade(data)
        in_body = self.cycle is not None and self.cycle.more_body
        super().data_received(data)
        if self._in_head:  # the common case is a head in one piece, which is over by now
            # the head that follows a body in one read counts later
            self._head_bytes += 0 if in_body else len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(_too_long())
            elif self._timer is None:
                self._wait()

    # --- httptools calls --------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        if self.parser.get_http_version() in _WITHOUT_CHUNKS:
            self.expect_100_continue = False  # RFC 9110, section 10.1.1
        if not self.url.startswith(b"/"):
            self.url = _origin_form(self.url, self.headers)
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(HttpError(400, "The request is not valid HTTP.", code="invalid_http"))

    # --- a head that does not end -----------------------------------------------------------------

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self._request_s(), self._expire)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if self._in_head:
            self._refuse(too_slow(self._request_s()))
        else:
            self.transport.close()  # it was opened and never used

    def _refuse(self, error: HttpError) -> None:
        """Answers, unless the answer to an earlier request is still under way, and closes."""
        self._in_head = False
        self._stop_waiting()
        if not self._may_answer():
            self.transport.abort()
            return
        headers = self.headers or []
        id_ = request_id({"headers": headers})
        face = self._face_of_path(self.url.decode("latin-1"))
        status, stated, _ = face.encode_error(error.refusal, id_)
        body = orjson.dumps(stated)
        lines = [
            b"HTTP/1.1 %d %s" % (status, _REASONS[status]),
            b"content-type: application/json",
            b"content-length: %d" % len(body),
            b"connection: close",
            *(
                name + b": " + value
                for name, value in id_headers(face, id_) + self._shared_with(headers)
            ),
        ]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self.transport.close()

    def _may_answer(self) -> bool:
        """Whether the next answer on the connection is to what was read last.

        It is if that is the body of a request which has no answer yet; the request is then told
        that its client left.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return True
        if cycle is not self._running or cycle.response_started or not cycle.more_body:
            return False
        cycle.disconnected = True
        cycle.message_event.set()
        return True


def _origin_form(url: bytes, headers: Headers) -> bytes:
    """The path of another form of target (RFC 9112, section 3.2). The host that an absolute one
    names is the one that counts, so it replaces the header."""
    if url == b"*":
        return b"/"
    absolute = _ABSOLUTE.fullmatch(url)
    if absolute is None:
        return url
    headers[:] = [(name, value) for name, value in headers if name != b"host"]
    headers.append((b"host", absolute[1]))
    return absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]


def _without_upgrade(data: bytes) -> bytes:
    """A request's first bytes without its offer to change the protocol, which a server may ignore
    (RFC 9110, section 7.8). Some clients make it with every request, and the parser would stop
    where their body begins."""
    if b"\nupgrade" not in data.lower():
        return data
    end = data.find(b"\r\n\r\n")
    head = data if end < 0 else data[:end]
    return _UPGRADE.sub(b"\r\nx-upgrade:", head) + data[len(head) :]


def _too_long() -> HttpError:
    return HttpError(
        431, f"The request's headers exceed {HEAD_BYTES_MAX} bytes.", code="headers_too_large"
    )
