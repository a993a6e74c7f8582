"""httpx's connections as a `transport.Transport`, for models with a `proxy`: our pool knows no
proxies.

A suite of odd responses (`tests/upstream/odd.py`) runs through it and through our pool.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Final

import httpx

from gateway.upstream.transport import Request, Response, Take, TransportError, Trouble

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
"""Content encodings that httpx undoes without further packages; it hands the bytes of others on as
they are."""


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
    """The causes of `error`, the nearest first."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


class HttpxTransport:
    """httpx's transport behind the face of `transport.Transport`. `proxy` is an http, https or
    socks5 URL."""

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
            headers=[*request.headers, *request.more, (b"accept-encoding", b"identity")],
            content=request.body,
            extensions={"timeout": limits},
        )
        try:
            async with asyncio.timeout(request.connect_s + timeout_s):
                response = await self._transport.handle_async_request(sent)
        except TimeoutError as error:
            raise TransportError(
                "timeout", f"{sent.url.host}: it took too long to answer"
            ) from error
        except httpx.TransportError as error:
            raise _trouble(error, sent.url.host) from error
        # of the body: a read that httpx cuts off cannot be repeated, and we keep the time
        limits["read"] = None
        response.request = sent
        return _HttpxResponse(response)

    async def aclose(self) -> None:
        await self._transport.aclose()


class _HttpxResponse:
    """An httpx response, read piece by piece by a task of its own: a read that timed out may be
    repeated."""

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
            raise TransportError(
                "timeout", f"{self._response.url.host}: it took too long to answer"
            )
        task, self._next = self._next, None
        try:
            return task.result()
        except httpx.HTTPError as error:
            raise _trouble(error, self._response.url.host) from error

    async def listen(self, timeout_s: float, take: Take) -> None:
        take(await self.receive(timeout_s))

    async def _piece(self) -> bytes:
        encoding = self._response.headers.get("content-encoding", "")
        if encoding.lower() not in _DECODED:
            raise httpx.DecodingError(
                f"it used the content encoding {encoding}, which was not asked for"
            )
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
