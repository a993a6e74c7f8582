"""Odd answers, and what every one of our transports must make of them.

`ODD` is the table, as bytes for `wire.Wire` to send; `OURS` and `THEIRS` are the transports under
test and httpx as the reference. A test runs a row through one of them and compares the `Finding`.
"""

from __future__ import annotations

import gzip
import ssl
import zlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import httpx

from gateway.upstream.http1 import Pool
from gateway.upstream.proxy import HttpxTransport
from gateway.upstream.transport import Request, Transport, TransportError, Trouble
from tests.upstream.pool_transport import PoolTransport
from tests.upstream.wire import SHORT_S, WAIT_S, Act, Answer

BYTES_MAX: Final = 64 * 1024 * 1024


class Finding(NamedTuple):
    """What a client makes of an answer. After a `trouble` nothing of headers and body is
    compared."""

    status: int | None
    """None where not even the headers could be had."""
    headers: Mapping[str, str] = {}
    """Without those that frame the body."""
    body: bytes = b""
    trouble: Trouble | None = None


@dataclass(frozen=True)
class Odd:
    """An odd answer and what is to be made of it."""

    name: str
    answer: Answer
    finding: Finding
    reference: Finding | None = None
    """What httpx makes of it, where it is known to differ: it is laxer there, and we are not."""
    laxer: Collection[str] = ("HttpxTransport", "httpx")
    """The ways that `reference` is about."""
    timeout_s: float = WAIT_S


_FRAMING: Final = frozenset(
    {"content-length", "transfer-encoding", "content-encoding", "connection"}
)


def _found(status: int, headers: Mapping[str, str], body: bytes) -> Finding:
    return Finding(
        status, {name: value for name, value in headers.items() if name not in _FRAMING}, body
    )


async def through(transport: Transport, url: str, timeout_s: float) -> Finding:
    """One request through our own face."""
    request = Request("POST", url, ((b"content-type", b"application/json"),), b"{}", WAIT_S)
    status: int | None = None
    try:
        response = await transport.send(request, timeout_s)
        status = response.status
        try:
            return _found(status, response.headers, await response.read(BYTES_MAX, timeout_s))
        finally:
            await response.aclose()
    except TransportError as error:
        return Finding(status, trouble=error.kind)


async def through_client(client: httpx.AsyncClient, url: str, timeout_s: float) -> Finding:
    """One request through httpx."""
    status: int | None = None
    limits = httpx.Timeout(WAIT_S, read=timeout_s)
    try:
        async with client.stream("POST", url, content=b"{}", timeout=limits) as response:
            status = response.status_code
            return _found(status, dict(response.headers), await response.aread())
    except httpx.HTTPError as error:
        return Finding(status, trouble=kind_of(error))


def kind_of(error: httpx.HTTPError) -> Trouble:
    """httpx's error in our words."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.RemoteProtocolError):
        return "reset" if "without sending" in str(error) else "protocol"
    kinds: Mapping[type[Exception], Trouble] = {
        httpx.TimeoutException: "timeout",
        httpx.ConnectError: "connect",
        httpx.DecodingError: "protocol",
    }
    return next((kind for class_, kind in kinds.items() if isinstance(error, class_)), "reset")


async def by_pool(url: str, timeout_s: float) -> Finding:
    pool = Pool()
    try:
        return await through(pool, url, timeout_s)
    finally:
        await pool.aclose()


async def by_httpx_transport(url: str, timeout_s: float) -> Finding:
    transport = HttpxTransport()
    try:
        return await through(transport, url, timeout_s)
    finally:
        await transport.aclose()


async def by_client_over_pool(url: str, timeout_s: float) -> Finding:
    async with httpx.AsyncClient(transport=PoolTransport(), trust_env=False) as client:
        return await through_client(client, url, timeout_s)


@cache
def _trusted() -> ssl.SSLContext:
    """Made once: it reads all certificates of the system."""
    return ssl.create_default_context()


async def by_httpx(url: str, timeout_s: float) -> Finding:
    async with httpx.AsyncClient(trust_env=False, verify=_trusted()) as client:
        return await through_client(client, url, timeout_s)


Way = Callable[[str, float], Awaitable[Finding]]

OURS: Final[Mapping[str, Way]] = {"pool": by_pool, "httpx over the pool": by_client_over_pool}
THEIRS: Final[Mapping[str, Way]] = {"HttpxTransport": by_httpx_transport, "httpx": by_httpx}


def expected(odd: Odd, way: str) -> Finding:
    """What `way` has to make of it."""
    return odd.reference if odd.reference is not None and way in odd.laxer else odd.finding


def chunked(*pieces: bytes, trailers: bytes = b"") -> bytes:
    """A chunked body."""
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n" + trailers + b"\r\n"


def deflated(data: bytes, *, raw: bool) -> bytes:
    """`deflate`, with the zlib header that RFC 9110 asks for, or without it as some servers send
    it."""
    compress = zlib.compressobj(wbits=-15 if raw else 15)
    return compress.compress(data) + compress.flush()


_OK: Final = b"HTTP/1.1 200 OK\r\n"
_CHUNKED: Final = _OK + b"x-a: 1\r\ntransfer-encoding: chunked\r\n\r\n"
_SIZED: Final = _OK + b"x-a: 1\r\ncontent-length: 5\r\n\r\n"
_HELLO: Final = Finding(200, {"x-a": "1"}, b"hello")
_PLAIN: Final = Finding(200, {}, b"hello")


def _encoded(encoding: bytes, body: bytes) -> bytes:
    return _OK + b"content-encoding: %s\r\ncontent-length: %d\r\n\r\n%s" % (
        encoding,
        len(body),
        body,
    )


_ANSWERS: Final = (
    Odd("content length", [_SIZED + b"hello"], _HELLO),
    Odd("several writes", [_SIZED, b"he", b"l", b"lo"], _HELLO),
    Odd("chunked", [_CHUNKED + chunked(b"hel", b"lo")], _HELLO),
    Odd("chunk extensions", [_CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n"], _HELLO),
    Odd("trailers", [_CHUNKED + chunked(b"hello", trailers=b"x-a: 2\r\nx-b: 3\r\n")], _HELLO),
    Odd("until the close", [_OK + b"x-a: 1\r\n\r\nhel", b"lo", Act.CLOSE], _HELLO),
    Odd("HTTP/1.0", [b"HTTP/1.0 200 OK\r\nx-a: 1\r\n\r\nhello", Act.CLOSE], _HELLO),
    Odd("HTTP/1.0 with a length", [(b"HTTP/1.0 200 "
                                    b"OK\r\ncontent-length: 5\r\n\r\nhello"), Act.CLOSE], _PLAIN),
    Odd("said to be the last", [_OK + (b"connection: "
                                       b"close\r\ncontent-length: 5\r\n\r\nhello")], _PLAIN),
    Odd("no reason phrase", [b"HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello"], _PLAIN),
    Odd("100 before it", [b"HTTP/1.1 100 Continue\r\n\r\n", _SIZED + b"hello"], _HELLO),
    Odd("103 before it", [(b"HTTP/1.1 103 Early Hints\r\nx-a: "
                           b"0\r\nlink: b\r\n\r\n") + _SIZED + b"hello"], _HELLO),
    Odd("two before it", [(b"HTTP/1.1 100 "
                           b"Continue\r\n\r\nHTTP/1.1 103 E\r\n\r\n") + _SIZED + b"hello"], _HELLO),
    Odd("204", [b"HTTP/1.1 204 No Content\r\n\r\n"], Finding(204)),
    Odd("304", [b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n"], Finding(304)),
    Odd("empty body", [_OK + b"content-length: 0\r\n\r\n"], Finding(200)),
    Odd("empty chunked body", [_CHUNKED + chunked()], Finding(200, {"x-a": "1"})),
    Odd("empty until the close", [_OK + b"\r\n", Act.CLOSE], Finding(200)),
    Odd("an error with a body", [(b"HTTP/1.1 429 Slow\r\nretry-after: "
                                  b"7\r\ncontent-length: 5\r\n\r\nhello")],
        Finding(429, {"retry-after": "7"}, b"hello")),
    Odd("a redirect", [b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"],
        Finding(302, {"location": "/x"})),
    Odd("repeated headers", [_OK + (b"x-a: 1\r\nX-A: "
                                    b"2\r\nx-b:\r\nx-A:3\r\ncontent-length: 0\r\n\r\n")],
        Finding(200, {"x-a": "1, 2, 3", "x-b": ""})),
    Odd("bytes beyond ASCII", [_OK + (b"x-a: \xe9\r\ncontent-length: "
                                      b"0\r\n\r\n")], Finding(200, {"x-a": "é"})),
    Odd("white space around values", [_OK + (b"x-a:  \t1 \t\r\ncontent-length: "
                                             b"5\r\n\r\nhello")], _HELLO),
    Odd("large headers", [_OK + b"x-a: " + b"a" * 32_000 + b"\r\ncontent-length: 0\r\n\r\n"],
        Finding(200, {"x-a": "a" * 32_000})),
    Odd("gzip", [_encoded(b"gzip", gzip.compress(b"hello"))], _PLAIN),
    Odd("gzip in capitals", [_encoded(b"GZIP", gzip.compress(b"hello"))], _PLAIN),
    Odd("deflate", [_encoded(b"deflate", deflated(b"hello", raw=False))], _PLAIN),
    Odd("raw deflate", [_encoded(b"deflate", deflated(b"hello", raw=True))], _PLAIN),
    Odd("gzip in chunks", [_OK + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
                           + chunked(*(bytes((byte,)) for byte in gzip.compress(b"hello")))],
                           _PLAIN),
    Odd("identity", [_encoded(b"identity", b"hello")], _PLAIN),
    Odd("bytes behind it", [_SIZED + b"hello" + b"surplus"], _HELLO),
    Odd("a second answer behind it", [_SIZED + b"hello" + _OK + (b"x-b: 2\r\ncontent-length: "
                                                                 b"3\r\n\r\nbad")], _HELLO),
    Odd("bytes behind the last", [_OK + (b"connection: "
                                         b"close\r\ncontent-length: 5\r\n\r\nhello") + b"surplus"],
                                         _PLAIN),
    Odd("bytes behind the chunks", [_CHUNKED + chunked(b"hello") + b"surplus"], _HELLO),
)  # fmt: skip
"""Answers that are answers, however they are sent."""


def _no(trouble: Trouble, status: int | None = None) -> Finding:
    return Finding(status, trouble=trouble)


_TROUBLES: Final = (
    Odd("garbage", [b"\x16\x03\x01\x00garbage\r\n\r\n", Act.CLOSE], _no("protocol")),
    Odd("another protocol", [b"220 mail.example.org ESMTP\r\n\r\n", Act.CLOSE], _no("protocol")),
    Odd("no token for a name", [_OK + b"a b: 1\r\n\r\n", Act.CLOSE], _no("protocol")),
    Odd("huge headers", [_OK + b"x-a: " + b"a" * 200_000 + b"\r\ncontent-length: 0\r\n\r\n"],
    _no("protocol")),
    Odd("many headers", [_OK + b"x-a: 1\r\n" * 30_000 + b"content-length: 0\r\n\r\n"],
    _no("protocol")),
    Odd("a header that never ends", [_OK + b"x-a: ", *(b"a" * 10_000 for _ in range(20)), Act.HOLD],
    _no("protocol")),
    Odd("a negative length", [_OK + b"content-length: -1\r\n\r\nhello"], _no("protocol")),
    Odd("two lengths", [_OK + (b"content-length: "
                               b"5\r\ncontent-length: 6\r\n\r\nhello")], _no("protocol")),
    Odd("a broken chunk", [_CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n", Act.CLOSE], _no("protocol",
    200)),
    Odd("a broken chunk later", [_CHUNKED, b"5\r\nhello\r\n", b"zz\r\n", Act.CLOSE], _no("protocol",
    200)),
    Odd("broken gzip", [_encoded(b"gzip", b"no gzip at all")], _no("protocol", 200)),
    Odd("closed without a byte", [Act.CLOSE], _no("reset")),
    Odd("reset without a byte", [Act.RESET], _no("reset")),
    Odd("closed in the status line", [b"HTTP/1.1 20", Act.CLOSE], _no("reset")),
    Odd("closed in the headers", [_OK + b"x-a: 1\r\n", Act.CLOSE], _no("reset")),
    Odd("closed after a 100", [b"HTTP/1.1 100 Continue\r\n\r\n", Act.CLOSE], _no("reset")),
    Odd("closed in the body", [_SIZED + b"hel", Act.CLOSE], _no("reset", 200)),
    Odd("closed in a chunk", [_CHUNKED + b"5\r\nhel", Act.CLOSE], _no("reset", 200)),
    Odd("closed between chunks", [_CHUNKED + b"5\r\nhello\r\n", Act.CLOSE], _no("reset", 200)),
    Odd("closed before the last line", [_CHUNKED + b"5\r\nhello\r\n0\r\n", Act.CLOSE], _no("reset",
    200)),
    Odd("an error closed in its body", [(b"HTTP/1.1 429 "
                                         b"Slow\r\ncontent-length: 5\r\n\r\nhel"), Act.CLOSE],
        _no("reset", 429)),
    Odd("silence", [Act.HOLD], _no("timeout"), timeout_s=SHORT_S),
    Odd("silence in the headers", [_OK, Act.HOLD], _no("timeout"), timeout_s=SHORT_S),
    Odd("silence in the body", [_SIZED + b"hel", Act.HOLD], _no("timeout", 200), timeout_s=SHORT_S),
    Odd("silence in a chunk", [_CHUNKED + b"5\r\nhel", Act.HOLD], _no("timeout", 200),
    timeout_s=SHORT_S),
)  # fmt: skip
"""Answers that are none."""

_STRICTER: Final = (
    Odd("folded headers", [_OK + (b"x-a: 1\r\n 2\r\ncontent-length: "
                                  b"5\r\n\r\nhello")], _no("protocol"),
        Finding(200, {"x-a": "1 2"}, b"hello")),
    Odd("length and chunks", [_OK + (b"content-length: "
                                     b"5\r\ntransfer-encoding: chunked\r\n\r\n") +
                                     chunked(b"hello")],
        _no("protocol"), _PLAIN),
    Odd("bare line feeds", [(b"HTTP/1.1 200 "
                             b"OK\ncontent-length: 5\n\nhello")], _no("protocol"), _PLAIN),
    Odd("another encoding", [_encoded(b"compress", b"hello")], _no("protocol", 200), _PLAIN,
    ("httpx",)),
)  # fmt: skip
"""Answers that httpx takes and we do not: no provider sends them, and all but the last are tools of
smugglers."""

ODD: Final = (*_ANSWERS, *_TROUBLES, *_STRICTER)
