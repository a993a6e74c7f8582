"""Content codings of a request body (RFC 9110, section 8.4.1), decoded piece by piece within a
limit.

Theory of operation: a decoder is given the body in slices and returns at most `STEP_BYTES` at a
time, so a bomb is noticed when its output passes the limit, not when it is unpacked. Slices also
bound what a decoder copies when one member ends and the next begins. The work happens in threads of
its own: it never blocks the event loop, and a flood of it does not delay what else the process does
in threads, such as the resolution of names.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, Protocol

from gateway.inbound.http import HttpError, RequestHeaders

SLICE_BYTES: Final = 16 * 1024
STEP_BYTES: Final = 256 * 1024
MEMBERS_MAX: Final = 10_000
"""Members of one gzip body, or frames of one zstd body. Block-wise writers need one per 64 KB."""
CODINGS_MAX: Final = 4
"""Codings that a body may have one over the other."""
WINDOW_LOG_MAX: Final = 23
"""8 MB: a zstd coder must not ask for more (RFC 9659)."""

_GZIP_WBITS, _ZLIB_WBITS, _RAW_WBITS = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_threads: Final = ThreadPoolExecutor(2, thread_name_prefix="decode")


class Corrupt(Exception):
    """The data is not what its coding says; the message says why."""


class Decoder(Protocol):
    """One compressed stream, as `bz2`, `lzma` and `zstd` of the standard library have it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class Coding(NamedTuple):
    """How one coding is decoded."""

    begin: Callable[[bytes], Decoder]
    """A decoder for data that begins with these bytes."""
    repeats: bool = False
    """Whether several streams may follow each other."""
    padding: bytes = b""
    """What may follow the last stream."""


class _Inflate:
    """`zlib` with the interface of its younger siblings."""

    unused_data = b""

    def __init__(self, wbits: int) -> None:
        self._inflate = zlib.decompressobj(wbits)
        self._rest = b""
        self.eof = False
        self.needs_input = True

    def decompress(self, data: bytes, max_length: int) -> bytes:
        decoded = self._inflate.decompress(self._rest + data, max_length)
        self._rest = self._inflate.unconsumed_tail
        self.eof, self.unused_data = self._inflate.eof, self._inflate.unused_data
        self.needs_input = not self.eof and not self._rest and len(decoded) < max_length
        return decoded


class _Brotli:
    """`brotli` with the same interface. It refuses data after the end of the stream itself."""

    unused_data = b""

    def __init__(self) -> None:
        import brotli

        self._brotli = brotli.Decompressor()
        self._is_drained = False

    @property
    def eof(self) -> bool:
        return bool(self._brotli.is_finished())

    @property
    def needs_input(self) -> bool:
        return self._is_drained and bool(self._brotli.can_accept_more_data()) and not self.eof

    def decompress(self, data: bytes, max_length: int) -> bytes:
        decoded = bytes(self._brotli.process(data, output_buffer_limit=max_length))
        self._is_drained = not decoded  # it takes input while output is still to come
        return decoded


def _gzip(_: bytes) -> Decoder:
    return _Inflate(_GZIP_WBITS)


def _deflate(head: bytes) -> Decoder:
    """zlib's form, as RFC 9110 has it, or the bare one that some clients send."""
    has_zlib_header = len(head) > 1 and head[0] & 0x0F == 8 and int.from_bytes(head[:2]) % 31 == 0
    return _Inflate(_ZLIB_WBITS if has_zlib_header else _RAW_WBITS)


def _brotli(_: bytes) -> Decoder:
    return _Brotli()


def _zstd(_: bytes) -> Decoder:
    zstd = _zstd_module()
    decoder: Decoder = zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX}
    )
    return decoder


def _zstd_module() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


CODINGS: Final[Mapping[str, Coding]] = {
    "gzip": Coding(_gzip, repeats=True, padding=b"\0"),
    "deflate": Coding(_deflate),
    "br": Coding(_brotli),
    "zstd": Coding(_zstd, repeats=True),
}
_ALIASES: Final = {"x-gzip": "gzip"}
ACCEPTED: Final = ", ".join(CODINGS)


def codings_of(headers: RequestHeaders) -> list[str]:
    """The codings of the request's body, first applied first. Raises `HttpError` 415 for one that
    is not taken."""
    stated = ",".join(headers.every(b"content-encoding"))
    names = [name.strip(" \t").lower() for name in stated.split(",")]
    codings = [_ALIASES.get(name, name) for name in names if name not in ("", "identity")]
    unknown = next((name for name in codings if name not in CODINGS), None)
    if unknown is not None:
        raise _unsupported(f"The content encoding {unknown[:40]!r} is not supported")
    if len(codings) > CODINGS_MAX:
        raise _unsupported(f"More than {CODINGS_MAX} content encodings are not supported")
    return codings


async def decode_body(body: bytes, codings: Sequence[str], bytes_max: int) -> bytes:
    """The body without its codings. Raises `HttpError` 400 for a corrupt one, 413 beyond
    `bytes_max`."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, decode, body, codings, bytes_max)


def decode(body: bytes, codings: Sequence[str], bytes_max: int) -> bytes:
    """As `decode_body`, on this thread."""
    for name in reversed(codings):
        try:
            body = _decode(body, CODINGS[name], bytes_max)
        except HttpError:
            raise
        except Exception as error:  # each library has an error class and words of its own
            message = f"The request body is not valid {name}."
            raise HttpError(400, message, code="invalid_content_encoding") from error
    return body


def _decode(body: bytes, coding: Coding, bytes_max: int) -> bytes:
    pieces, size = [], 0
    for piece in _pieces(body, coding):
        size += len(piece)
        if size > bytes_max:
            raise too_large(bytes_max, "The decoded request body")
        pieces.append(piece)
    return b"".join(pieces)


def _pieces(body: bytes, coding: Coding) -> Iterator[bytes]:
    """What `body` decodes to, at most `STEP_BYTES` at a time. Raises `Corrupt`, and what the
    decoder raises."""
    decoder, members = coding.begin(body), 1
    for data in _slices(body):
        while True:
            if decoder.eof:
                data = data.lstrip(coding.padding) if coding.padding else data
                if not data:
                    break
                members += 1
                if not coding.repeats or members > MEMBERS_MAX:
                    raise Corrupt("data follows its end")
                decoder = coding.begin(data)
            yield decoder.decompress(data, STEP_BYTES)
            data = decoder.unused_data if decoder.eof else b""
            if not data and (decoder.eof or decoder.needs_input):
                break
    if not decoder.eof:
        raise Corrupt("it ends too early")


def _slices(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), SLICE_BYTES):
        yield body[start : start + SLICE_BYTES]


def too_large(bytes_max: int, what: str = "The request body") -> HttpError:
    """The refusal of a body beyond the limit."""
    message = f"{what} exceeds {bytes_max} bytes (server.maxBodyBytes)."
    return HttpError(413, message, code="request_too_large")


def _unsupported(message: str) -> HttpError:
    return HttpError(
        415,
        f"{message}. This gateway accepts: {ACCEPTED}.",
        code="unsupported_content_encoding",
        headers={"accept-encoding": ACCEPTED},
    )
