"""Keep-alive connections by origin: which one carries a request.

Rule 1: a connection serves one response at a time and returns to the pool only when that response
was read to its end.
Rule 2: a request is repeated only if a kept connection was found dead before a byte of the answer:
the server had closed it while it was idle, and cannot have acted on what it never read. (RFC 9110,
section 9.2.2: a client should not retry a non-idempotent request "unless it has some means to know
that … the original request was never applied".)
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import lru_cache
from typing import Any, Final

from gateway.upstream.http1.connection import Connection, PooledResponse, State, log
from gateway.upstream.transport import Request, TransportError
from gateway.urls import Origin, target

IDLE_S: Final = 30.0
"""A connection idle for longer is not used again: most servers close theirs after a minute."""
IDLE_PER_ORIGIN_MAX: Final = 512


class Pool:
    """Keep-alive connections by origin, the one used last first. One pool per process."""

    def __init__(
        self, ssl_context: ssl.SSLContext | None = None, idle_max: int = IDLE_PER_ORIGIN_MAX
    ) -> None:
        self._ssl = ssl_context
        self._idle_max = idle_max
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: set[Connection] = set()

    def __repr__(self) -> str:
        idle = sum(map(len, self._idle.values()))
        return f"<Pool idle={idle} busy={len(self._open) - idle} origins={len(self._idle)}>"

    async def send(self, request: Request, timeout_s: float) -> PooledResponse:
        """The response, once its headers are here. Raises `TransportError`."""
        where = target(request.url)
        head = _head(request.method, request.url, request.headers)
        if request.more:
            head += _lines(request.more)
        head += b"content-length: %d\r\n\r\n" % len(request.body)
        kept = self._take(where.origin)
        while True:
            connection = kept or await self._connect(where.origin, request.connect_s)
            try:
                await connection.exchange(head, request.body, timeout_s)
            except TransportError as error:
                connection.abort(str(error))
                if kept is None or error.kind != "reset" or connection.parser.has_begun:
                    raise
                kept = None  # it was found dead (rule 2)
            except BaseException:
                connection.abort("the request was cancelled")
                raise
            else:
                return PooledResponse(connection)

    def _take(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.state is not State.IDLE:
                continue
            if connection.idle_since >= connection.loop.time() - IDLE_S:
                log.debug("reuses %r", connection)
                return connection
            connection.abort(f"it was idle for more than {IDLE_S:g} s")
        return None

    def put(self, connection: Connection) -> None:
        """Takes back a connection whose response was read to its end."""
        idle = self._idle.setdefault(connection.origin, [])
        now = connection.loop.time()
        if (idle and idle[0].idle_since < now - IDLE_S) or len(idle) >= self._idle_max:
            idle.pop(0).abort("it is the oldest idle connection")
        connection.idle_since = now
        idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """Forgets a connection that has closed."""
        self._open.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle is not None and connection in idle:
            idle.remove(connection)

    async def _connect(self, origin: Origin, connect_s: float) -> Connection:
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if origin.scheme == "https":
            tls = {"ssl": self._context(), "server_hostname": origin.host}
        try:
            async with asyncio.timeout(connect_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(self, origin), origin.host, origin.port, **tls
                )
        except (OSError, TimeoutError) as error:
            raise connect_trouble(origin, error, connect_s) from error
        if connection.state is not State.CLOSED:  # the server may have closed it since
            self._open.add(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        """Made on first use: it reads all certificates of the system."""
        if self._ssl is None:
            self._ssl = ssl.create_default_context()
        return self._ssl

    async def aclose(self) -> None:
        for connection in list(self._open):
            connection.abort("the pool is closing")
        self._idle.clear()
        await asyncio.sleep(0)


@lru_cache(maxsize=1024)
def _head(method: str, url: str, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """The head of a request up to what differs from the next one. Raises `ValueError` for a line
    break."""
    where = target(url)
    begin = b"%s %s HTTP/1.1\r\nhost: %s\r\n" % (method.encode(), where.path, where.host_header)
    return begin + _lines((*headers, (b"accept-encoding", b"identity")))


def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    lines = b"".join([b"%s: %s\r\n" % header for header in headers])
    if not lines.count(b"\r") == lines.count(b"\n") == len(headers):
        raise ValueError("a header holds a line break")
    return lines


def connect_trouble(origin: Origin, error: OSError, connect_s: float) -> TransportError:
    """What an error of connecting is, most specific first: TLS and name errors are `OSError`s
    too."""
    if isinstance(error, ssl.SSLError):
        stated = getattr(error, "verify_message", "") or getattr(error, "reason", "")
        return TransportError("tls", f"{origin}: TLS: {stated or 'handshake failed'}")
    if isinstance(error, socket.gaierror):
        return TransportError("dns", f"{origin}: the name cannot be resolved")
    if isinstance(error, TimeoutError):
        return TransportError("timeout", f"{origin}: no connection within {connect_s:g} s")
    return TransportError("connect", f"{origin}: cannot connect: {error.strerror or error}")
