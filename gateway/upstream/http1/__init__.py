"""Our own HTTP/1.1 client: keep-alive pools by origin, over asyncio protocols and httptools'
parser.

The stock clients cost 15 to 40 times the rest of a request and become slower with concurrency
(`docs/performance.md`), so this is one of the few things written here that a library could do.
It does what a gateway needs and no more: no redirects, no cookies, no environment proxies.

    parser       bytes → status, headers, pieces of a body, its end; no I/O
    connection   one connection and the response on it: states, waits, flow control
    pool         which connection carries a request, and when one is opened, kept or replaced
"""

from gateway.upstream.http1.connection import UNREAD_BYTES_MAX, Connection, PooledResponse
from gateway.upstream.http1.parser import HEADER_BYTES_MAX, ResponseParser
from gateway.upstream.http1.pool import IDLE_PER_ORIGIN_MAX, IDLE_S, Pool

__all__ = [
    "HEADER_BYTES_MAX",
    "IDLE_PER_ORIGIN_MAX",
    "IDLE_S",
    "UNREAD_BYTES_MAX",
    "Connection",
    "Pool",
    "PooledResponse",
    "ResponseParser",
]
