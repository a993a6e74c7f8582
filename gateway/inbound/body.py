"""Reads a request body: within its limits of size and time, without its content codings, as
UTF-8."""

from __future__ import annotations

import codecs
from typing import Final

from gateway.inbound.encodings import codings_of, decode_body, too_large
from gateway.inbound.exchange import Incoming
from gateway.inbound.http import HttpError, too_slow
from gateway.inbound.interrupt import Interrupt

_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


async def read_body(
    request: Incoming, bytes_max: int, limit_s: float, interrupt: Interrupt
) -> bytes:
    """The whole request body, decoded. `bytes_max` limits it as it is sent and as it is decoded.

    Raises `HttpError` 400, 413, 415 and `ClientLeft`; interrupted with a 408 after `limit_s`.
    """
    first = request.headers.first
    codings = codings_of(request.headers) if b"content-encoding" in first else ()
    stated = first.get(b"content-length")
    if stated is not None and stated.isdigit() and int(stated) > bytes_max:
        raise too_large(bytes_max)
    body = request.arrived()
    if body is None:
        body = await _read(request, bytes_max, limit_s, interrupt)
    elif len(body) > bytes_max:
        raise too_large(bytes_max)
    if codings:
        body = await decode_body(body, codings, bytes_max)
    head = body[:2]
    return body if head.isascii() and b"\0" not in head else _utf8(body)


async def _read(request: Incoming, bytes_max: int, limit_s: float, interrupt: Interrupt) -> bytes:
    pieces: list[bytes] = []
    size, more = 0, True
    timer = interrupt.loop.call_later(limit_s, lambda: interrupt.fire(too_slow(limit_s)))
    try:
        while more:
            piece, more = await request.read()
            size += len(piece)
            if size > bytes_max:
                raise too_large(bytes_max)
            pieces.append(piece)
    finally:
        timer.cancel()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _utf8(body: bytes) -> bytes:
    """`body` without a byte order mark, which a reader of JSON may ignore (RFC 8259, section 8.1).

    JSON begins with an ASCII character, so a zero among the first two bytes says UTF-16 or UTF-32.
    """
    head = body[:2]
    if head in _UTF16_MARKS or b"\0" in head:
        message = "The request body is UTF-16 or UTF-32. Send JSON as UTF-8."
        raise HttpError(400, message, code="invalid_json")
    return body.removeprefix(codecs.BOM_UTF8)
