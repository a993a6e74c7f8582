"""httpx beside our own pool, both ways: its client over our connections, and its connections behind our face.

`HttpxTransport` serves models with a `proxy`, which httpx's transports know and our pool does not. `PoolTransport` lets
an `httpx.AsyncClient` use our pool, so that it can be swapped for httpx's own and measured against it: one suite of odd
responses runs through both.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final

import httpx

from gateway.upstream.http1 import Pool
from gateway.upstream.transport import Request, Response, TransportError, Trouble

_TROUBLES: tuple[tuple[type[Exception], Trouble], ...] = (
    (httpx.ConnectTimeout, "timeout"),
    (httpx.TimeoutException, "timeout"),
    (httpx.ProxyError, "connect"),
    (httpx.ConnectError, "connect"),
    (httpx.RemoteProtocolError, "protocol"),
    (httpx.DecodingError, "protocol"),
    (httpx.TransportError, "reset"),
)
"""httpx's errors, most specific first."""

_DECODED: Final = frozenset({"", "identity", "gzip", "deflate"})
"""Content encodings that httpx undoes without further packages; it hands the bytes of others on as they are."""


def _trouble(error: Exception, where: str) -> TransportError:
    kind: Trouble = next((kind for class_, kind in _TROUBLES if isinstance(error, class_)), "reset")
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            kind = "dns"
        elif isinstance(cause, ssl.SSLError) and isinstance(error, httpx.ConnectError):
            kind = "tls"
    if isinstance(error, httpx.RemoteProtocolError) and "without sending" in str(error):
        kind = "reset"  # closed before, or inside, its answer
    return TransportError(kind, f"{where}: {type(error).__name__}: {error}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What led to `error`, the nearest first."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


class HttpxTransport:
    """httpx's transport behind the face of `transport.Transport`. `proxy` is an http, https or socks5 URL."""

    def __init__(self, proxy: str | None = None) -> None:
        self._transport = httpx.AsyncHTTPTransport(proxy=proxy, retries=0)

    async def send(self, request: Request, timeout_s: float) -> Response:
        """Raises `TransportError`."""
        limits: dict[str, float | None] = {
            "connect": request.connect_s,
            "read": timeout_s,
            "write": timeout_s,
            "pool": request.connect_s,
        }
        sent = httpx.Request(
            request.method,
            request.url,
            headers=[*request.headers, (b"accept-encoding", b"identity")],
            content=request.body,
            extensions={"timeout": limits},
        )
        try:
            async with asyncio.timeout(request.connect_s + timeout_s):
                response = await self._transport.handle_async_request(sent)
        except TimeoutError as error:
            raise TransportError("timeout", f"{sent.url.host}: it took too long to answer") from error
        except httpx.TransportError as error:
            raise _trouble(error, sent.url.host) from error
        limits["read"] = None  # of the body: a read that httpx cuts off cannot be repeated, and we keep the time
        response.request = sent
        return _HttpxResponse(response)

    async def aclose(self) -> None:
        await self._transport.aclose()


class _HttpxResponse:
    """An httpx response, read piece by piece by a task of its own: a read that timed out may be repeated."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._pieces = response.aiter_bytes()
        self._next: asyncio.Task[bytes] | None = None
        self.status = response.status_code
        self.headers: Mapping[str, str] = dict(response.headers)

    async def receive(self, timeout_s: float) -> bytes:
        if self._next is None:
            self._next = asyncio.create_task(self._piece())
        done, _ = await asyncio.wait((self._next,), timeout=max(timeout_s, 0))
        if not done:
            raise TransportError("timeout", f"{self._response.url.host}: it took too long to answer")
        task, self._next = self._next, None
        try:
            return task.result()
        except httpx.HTTPError as error:
            raise _trouble(error, self._response.url.host) from error

    async def _piece(self) -> bytes:
        encoding = self._response.headers.get("content-encoding", "")
        if encoding.lower() not in _DECODED:
            raise httpx.DecodingError(f"it used the content encoding {encoding}, which was not asked for")
        async for piece in self._pieces:
            if piece:
                return piece
        return b""

    async def read(self, bytes_max: int, timeout_s: float) -> bytes:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        whole = bytearray()
        while piece := await self.receive(deadline - loop.time()):
            whole += piece
            if len(whole) > bytes_max:
                raise TransportError("too_large", f"the answer exceeds {bytes_max} bytes")
        return bytes(whole)

    async def aclose(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self._response.aclose()


class PoolTransport(httpx.AsyncBaseTransport):
    """Our pool as the transport of an `httpx.AsyncClient`. Errors become httpx's own."""

    def __init__(self, pool: Pool | None = None) -> None:
        self._pool = pool or Pool()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limits = request.extensions.get("timeout", {})
        own = {b"host", b"content-length", b"accept-encoding", b"transfer-encoding"}
        sent = Request(
            request.method,
            str(request.url),
            [(name.lower(), value) for name, value in request.headers.raw if name.lower() not in own],
            await request.aread(),
            limits.get("connect") or 5.0,
        )
        read_s = limits.get("read") or 5.0
        try:
            response = await self._pool.send(sent, read_s)
        except TransportError as error:
            raise _as_httpx(error, request) from error
        headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in response.headers.items()
            if name != "content-encoding"
        ]
        return httpx.Response(response.status, headers=headers, stream=_Body(response, read_s, request))

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: Response, read_s: float, request: httpx.Request) -> None:
        self._response = response
        self._read_s = read_s
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while piece := await self._response.receive(self._read_s):
                yield piece
        except TransportError as error:
            raise _as_httpx(error, self._request) from error

    async def aclose(self) -> None:
        await self._response.aclose()


_ERRORS: Mapping[Trouble, type[httpx.TransportError]] = {
    "connect": httpx.ConnectError,
    "dns": httpx.ConnectError,
    "tls": httpx.ConnectError,
    "timeout": httpx.ReadTimeout,
    "reset": httpx.ReadError,
    "protocol": httpx.RemoteProtocolError,
    "too_large": httpx.RemoteProtocolError,
}


def _as_httpx(error: TransportError, request: httpx.Request) -> httpx.TransportError:
    return _ERRORS[error.kind](str(error), request=request)
