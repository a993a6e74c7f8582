"""The little HTTP that the endpoints share: headers, errors, answers with JSON."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

import orjson

from gateway.dialects.chat import encode_error

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

HEADER_CHARS_MAX: Final = 2048
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")

_REQUEST_ID: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_ID_PREFIX: Final = "req_" + secrets.token_hex(8)
"""Random once per process: with a running number, ids are unique without asking the system for each."""
_numbers: Final = itertools.count(1)

ABORT: Final = "gateway.abort"
"""The extension of an ASGI scope with which our protocol lets its connection be cut."""

JSON: Final = (b"content-type", b"application/json")


class HttpError(Exception):
    """A request we answer with an error ourselves."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type_: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = orjson.dumps(encode_error(message, type_, param=param, code=code, **more))
        self.headers: Headers = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]


class ClientLeft(Exception):
    """The client closed the connection."""


def header(scope: Scope, name: bytes) -> str | None:
    """A request header by its lower-case name; the first of several."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def header_values(scope: Scope, name: bytes) -> list[str]:
    """Every value of a request header, by its lower-case name."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def request_id(scope: Scope) -> str:
    """The client's own id if it is one, else a new one."""
    stated = header(scope, b"x-request-id")
    if stated is not None and _REQUEST_ID.fullmatch(stated):
        return stated
    return f"{_ID_PREFIX}{next(_numbers):08x}"


def header_value(text: str) -> bytes:
    """`text` as a header can hold it: some of what we tell are a client's or a provider's own words."""
    text = text[:HEADER_CHARS_MAX]
    if not (text.isascii() and text.isprintable()):
        text = _UNPRINTABLE.sub("?", text)
    return text.encode("ascii")


def too_slow(limit_s: float) -> HttpError:
    """What a client is told that dribbles its request. The connection is closed: more of it may follow for ever."""
    message = f"The request took longer than {limit_s:g} s to send."
    return HttpError(408, message, code="request_timeout", headers={"connection": "close"})


def abort(scope: Scope) -> None:
    """Cuts the client's connection at once. To close it in order would wait until the client has read what it was
    sent."""
    cut = scope.get("extensions", {}).get(ABORT)
    if cut is not None:
        cut()


async def send_json(send: Send, status: int, body: Any, headers: Headers) -> None:
    """A whole JSON answer; `body` may be bytes that are JSON already."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    length = (b"content-length", str(len(data)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [JSON, length, *headers]})
    await send({"type": "http.response.body", "body": data})


async def send_empty(send: Send, status: int, headers: Headers) -> None:
    """An answer without a body, such as a 204."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def send_text(send: Send, status: int, text: str, content_type: bytes = b"text/plain; charset=utf-8") -> None:
    data = text.encode()
    headers = [(b"content-type", content_type), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
