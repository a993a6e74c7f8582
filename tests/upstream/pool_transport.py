"""Our pool as the transport of an `httpx.AsyncClient`: one suite of odd responses runs through
both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx

from gateway.upstream.http1 import Pool
from gateway.upstream.transport import Request, Response, TransportError, Trouble


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
            tuple(
                (name.lower(), value)
                for name, value in request.headers.raw
                if name.lower() not in own
            ),
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
        return httpx.Response(
            response.status, headers=headers, stream=_Body(response, read_s, request)
        )

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
