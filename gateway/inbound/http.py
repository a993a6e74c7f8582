"""The little HTTP that the endpoints share: headers, errors, answers with JSON."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Any, Final

from gateway.hub import exact_json
from gateway.hub.contracts import Inbound, Refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

HEADER_CHARS_MAX: Final = 2048
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")

_REQUEST_ID: Final = re.compile(rb"[\w.:-]{1,128}")
_ID_PREFIX: Final = "req_" + secrets.token_hex(8)
"""Random once per process: with a running number, ids are unique without asking the system for
each."""
_numbers: Final = itertools.count(1)

ABORT: Final = "gateway.abort"
"""The extension of an ASGI scope with which our protocol lets its connection be cut."""

ID: Final = "gateway.id"
"""The key of an ASGI scope with the request's id."""
FACE: Final = "gateway.face"
"""The key of an ASGI scope with the inbound face that renders errors."""

JSON: Final = (b"content-type", b"application/json")


class HttpError(Exception):
    """A request that is refused. The error stays data until the face of the request renders it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type_: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.refusal = Refusal(status, message, type_, code, param, headers or {}, details)


class ClientLeft(Exception):
    """The client closed the connection."""


class RequestHeaders(Mapping[str, str]):
    """The headers of a request by their lower-case names, the first value of each."""

    __slots__ = ("first", "pairs")

    def __init__(self, pairs: Headers) -> None:
        self.pairs: Final = pairs
        """All of them, as the client sent them."""
        self.first: Final = dict(reversed(pairs))
        """The first value of each name."""

    def every(self, name: bytes) -> list[str]:
        """Every value of a header."""
        if name not in self.first:
            return []
        return [value.decode("latin-1") for key, value in self.pairs if key == name]

    def __getitem__(self, name: str) -> str:
        return self.first[name.encode()].decode("latin-1")

    def get(self, name: str, default: Any = None) -> Any:
        value = self.first.get(name.encode())
        return value.decode("latin-1") if value is not None else default

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.decode("latin-1") for name, _ in self.pairs))

    def __len__(self) -> int:
        return len(self.first)


def headers_of(scope: Scope) -> RequestHeaders:
    """The headers of a request by its ASGI scope."""
    return RequestHeaders(list(scope["headers"]))


def face_of(scope: Scope) -> Inbound:
    """The face of the client's API, as the gate has found it by the path."""
    face: Inbound = scope[FACE]
    return face


def id_headers(face: Inbound, id_: str) -> Headers:
    """The headers in which clients of this API look for the request's id."""
    return [(name.encode(), id_.encode()) for name in face.ID_HEADERS]


def header(scope: Scope, name: bytes) -> str | None:
    """A request header by its lower-case name; the first of several."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def header_values(scope: Scope, name: bytes) -> list[str]:
    """Every value of a request header, by its lower-case name."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def header_names(scope: Scope) -> set[bytes]:
    """The lower-case names of all request headers."""
    return {name for name, _ in scope["headers"]}


def request_id(scope: Scope) -> str:
    """The client's own id if it is one, else a new one; always the same for one request."""
    id_: str | None = scope.get(ID)
    if id_ is None:
        stated = header(scope, b"x-request-id")
        id_ = scope[ID] = new_id(stated.encode("latin-1") if stated is not None else None)
    return id_


def new_id(stated: bytes | None) -> str:
    """The id of a request that states one, or none."""
    if stated is not None and _REQUEST_ID.fullmatch(stated):
        return stated.decode("ascii")
    return f"{_ID_PREFIX}{next(_numbers):08x}"


def header_value(text: str) -> bytes:
    """`text` as a header can hold it: some of what we tell are a client's or a provider's own
    words."""
    text = text[:HEADER_CHARS_MAX]
    if not (text.isascii() and text.isprintable()):
        text = _UNPRINTABLE.sub("?", text)
    return text.encode("ascii")


def too_slow(limit_s: float) -> HttpError:
    """The error for a client that sends its request too slowly. The gateway closes the connection:
    more may follow."""
    message = f"The request took longer than {limit_s:g} s to send."
    return HttpError(408, message, code="request_timeout", headers={"connection": "close"})


def abort(scope: Scope) -> None:
    """Cuts the client's connection at once. To close it in order would wait until the client has
    read what it was sent."""
    cut = scope.get("extensions", {}).get(ABORT)
    if cut is not None:
        cut()


async def send_error(
    send: Send, error: HttpError, face: Inbound, id_: str, headers: Headers
) -> int:
    """A refusal as the client's API states it. `headers` are added. Returns the status."""
    status, body, own = face.encode_error(error.refusal, id_)
    stated = [(name.encode(), value.encode()) for name, value in own.items()]
    await send_json(send, status, body, [*headers, *stated])
    return status


async def send_json(send: Send, status: int, body: Any, headers: Headers) -> None:
    """A whole JSON answer; `body` may be bytes that are JSON already."""
    data = body if isinstance(body, bytes) else exact_json.dumps(body)
    length = (b"content-length", str(len(data)).encode())
    await send(
        {"type": "http.response.start", "status": status, "headers": [JSON, length, *headers]}
    )
    await send({"type": "http.response.body", "body": data})


async def send_empty(send: Send, status: int, headers: Headers) -> None:
    """An answer without a body, such as a 204."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def send_text(
    send: Send, status: int, text: str, content_type: bytes = b"text/plain; charset=utf-8"
) -> None:
    data = text.encode()
    headers = [(b"content-type", content_type), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
