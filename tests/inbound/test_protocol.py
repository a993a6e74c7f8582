"""A client's connection on a real socket: heads without an end, offers of another protocol, and
being cut."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import weakref
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain, repeat
from typing import Any, NamedTuple, cast

import orjson
import pytest
import uvicorn
from uvicorn.server import ServerState

from gateway.dialects import INBOUND
from gateway.inbound.asgi import asgi
from gateway.inbound.browsers import shared_with
from gateway.inbound.exchange import Exchange, Serve, sent
from gateway.inbound.http import Receive, Scope, Send, abort
from gateway.inbound.http11 import CLOSE, UNREAD_BYTES_MAX
from gateway.inbound.protocol import HEAD_BYTES_MAX, WAITING_MAX, Protocol
from tests.upstream.wire import UVLOOP

LONG_S, SHORT_S = 60.0, 0.01
PAGE = "http://localhost:3000"
HEAD = b"POST / HTTP/1.1\r\nhost: localhost\r\n"


async def echo(exchange: Exchange) -> None:
    """Answers with what it was sent."""
    body, more = b"", True
    while more:
        piece, more = await exchange.read()
        body += piece
    await replied(exchange, body)


async def replied(exchange: Exchange, body: bytes) -> None:
    await sent(exchange.respond(200, [(b"content-type", b"text/plain")], body))


async def stream(exchange: Exchange) -> None:
    """An answer without a length, in pieces, one of them empty."""
    await sent(exchange.begin(200, [(b"x-a", b"1")]))
    for piece in (b"data: 1\n\n", b"", b"data: 2\n\n"):
        await sent(exchange.write(piece))
    await sent(exchange.end(b""))


class Server(NamedTuple):
    """Our connections, on which requests are answered directly or by way of ASGI."""

    is_direct: bool
    loop: tuple[str, dict[str, Any]]
    """An `anyio_backend`."""

    @asynccontextmanager
    async def connected(
        self,
        serve: Serve = echo,
        limits_s: Iterable[float] = (),
        state: ServerState | None = None,
        idle_s: int = 75,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A client's end of a new connection.

        `limits_s` are how long it may wait for a request, and each head for its end.
        """
        app = cast(Any, no_application if self.is_direct else asgi(serve))
        config = uvicorn.Config(
            app, lifespan="off", log_config=None, ws="none", timeout_keep_alive=idle_s
        )
        config.load()
        make = partial(
            Protocol,
            config,
            state or ServerState(),
            {},
            request_s=chain(limits_s, repeat(LONG_S)).__next__,
            face_of_path=lambda path: INBOUND["chat"],
            direct=serve if self.is_direct else lambda exchange: None,
            shared_with=lambda headers: shared_with(headers, {PAGE}),
        )
        server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
        # accepted sockets inherit it, so that a client which does not read is noticed soon
        server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            server.close()

    async def tell(self, data: bytes, *, request_s: float = LONG_S, serve: Serve = echo) -> bytes:
        """Everything that comes back until the server closes."""
        # what is sent may take a while to arrive, and is slow only from then on
        limits_s = [LONG_S, request_s, request_s] if data else [request_s]
        async with self.connected(serve, limits_s) as (reader, writer):
            writer.write(data)
            return await reader.read()


async def no_application(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the request was not answered directly")


SERVERS = {
    "direct": Server(True, UVLOOP),
    "direct without uvloop": Server(True, ("asyncio", {})),
    "asgi": Server(False, UVLOOP),
}


@pytest.fixture(params=SERVERS.values(), ids=list(SERVERS))
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.param
    return found


@pytest.fixture
def anyio_backend(server: Server) -> tuple[str, dict[str, Any]]:
    return server.loop


@pytest.mark.anyio
async def test_a_head_that_does_not_end_is_waited_for_no_longer_than_a_request(
    server: Server,
) -> None:
    answer = await server.tell(HEAD, request_s=SHORT_S)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer
    assert b"\r\nx-request-id: req_" in answer


@pytest.mark.anyio
async def test_a_connection_that_is_never_used_is_closed_without_a_word(server: Server) -> None:
    assert await server.tell(b"", request_s=SHORT_S) == b""


@pytest.mark.anyio
async def test_a_head_that_is_too_long_is_refused(server: Server) -> None:
    head = HEAD + b"x-long: "
    answer = await server.tell(head + b"a" * (HEAD_BYTES_MAX + 1 - len(head)))
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"headers_too_large"' in answer


@pytest.mark.anyio
async def test_a_head_may_come_byte_by_byte(server: Server) -> None:
    async with server.connected() as (reader, writer):
        for byte in HEAD + b"content-length: 5\r\nconnection: close\r\n\r\nhello":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert (await reader.read()).endswith(b"\r\n\r\nhello")


@pytest.mark.anyio
@pytest.mark.parametrize("name", [b"Upgrade", b"upgrade", b"UPGRADE "])
async def test_an_offer_of_another_protocol_costs_no_body(server: Server, name: bytes) -> None:
    offer = (
        b"Connection: Upgrade, HTTP2-Settings, close\r\nHTTP2-Settings: AAEAAE\r\n"
        + name
        + b": h2c\r\n"
    )
    answer = await server.tell(HEAD + offer + b"content-length: 18\r\n\r\nhello\r\nupgrade: no")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nhello\r\nupgrade: no")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "line"), [(200, b"200 OK"), (421, b"421 Misdirected Request"), (529, b"529 ")]
)
async def test_a_status_with_and_without_a_name(server: Server, status: int, line: bytes) -> None:
    async def serve(exchange: Exchange) -> None:
        await sent(exchange.respond(status, [], b""))

    answer = await server.tell(HEAD + b"connection: close\r\n\r\n", serve=serve)
    assert answer.startswith(b"HTTP/1.1 " + line + b"\r\n")


@pytest.mark.anyio
@pytest.mark.parametrize("value", [b"1\r\nset-cookie: a=b", b"1\n2", b"1\r2"])
async def test_a_header_cannot_add_another(server: Server, value: bytes) -> None:
    async def serve(exchange: Exchange) -> None:
        with pytest.raises(ValueError, match="end of a line"):
            await sent(exchange.respond(200, [(b"x-a", value)], b""))
        await sent(exchange.respond(204, [], b""))

    answer = await server.tell(HEAD + b"connection: close\r\n\r\n", serve=serve)
    assert answer.startswith(b"HTTP/1.1 204 No Content\r\n")


@pytest.mark.anyio
async def test_requests_that_follow_each_other_on_one_connection(server: Server) -> None:
    one = HEAD + b"content-length: 3\r\n\r\none"
    two = HEAD + b"content-length: 3\r\nconnection: close\r\n\r\ntwo"
    assert (await server.tell(one + two)).count(b"HTTP/1.1 200 ") == 2


@pytest.mark.anyio
async def test_a_client_that_leaves_is_noticed_although_its_next_request_is_here(
    server: Server,
) -> None:
    left, asked = asyncio.Event(), asyncio.Event()

    async def waiting(exchange: Exchange) -> None:
        exchange.arrived()
        exchange.watch(left.set)
        asked.set()
        await left.wait()

    async with server.connected(waiting) as (_, writer):
        writer.write((HEAD + b"content-length: 0\r\n\r\n") * 2)
        await asked.wait()
        writer.close()
        await left.wait()


@pytest.mark.anyio
async def test_a_body_does_not_count_as_the_next_requests_head(server: Server) -> None:
    """Both come in one read, and the first request is answered."""
    state = ServerState()
    async with server.connected(state=state) as (reader, writer):
        while not state.connections:
            await asyncio.sleep(0)
        protocol: Any = next(iter(state.connections))
        size = HEAD_BYTES_MAX * 2
        protocol.data_received(HEAD + b"content-length: %d\r\n\r\na" % size)
        protocol.data_received(b"a" * (size - 1) + HEAD)
        writer.write(b"content-length: 3\r\nconnection: close\r\n\r\ntwo")
        assert (await reader.read()).count(b"HTTP/1.1 200 ") == 2


@pytest.mark.anyio
async def test_a_client_that_does_not_read_can_be_cut_off(server: Server) -> None:
    async def silent(exchange: Exchange) -> None:
        await sent(exchange.begin(200, []))
        exchange.abort()

    async with server.connected(silent) as (reader, writer):
        writer.write(HEAD + b"content-length: 0\r\n\r\n")
        await reader.read()


def test_a_scope_without_our_protocol_has_nothing_to_cut() -> None:
    abort({"type": "http"})


# --- bodies, and clients that do not read ---------------------------------------------------------


@pytest.mark.anyio
async def test_a_body_in_chunks(server: Server) -> None:
    chunks = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-trailer: 1\r\n\r\n"
    head = HEAD + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    assert (await server.tell(head + chunks)).endswith(b"\r\n\r\nhello world")


@pytest.mark.anyio
async def test_a_body_that_is_larger_than_what_waits(server: Server) -> None:
    """Reading pauses, and goes on when the body is taken."""
    body = b"a" * (UNREAD_BYTES_MAX * 20)
    head = HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert (await server.tell(head + body)).endswith(b"\r\n\r\n" + body)


@pytest.mark.anyio
async def test_a_body_that_is_not_read_does_not_reach_the_next_request(server: Server) -> None:
    async def serve(exchange: Exchange) -> None:
        await replied(exchange, exchange.path.encode())

    body = b"POST /no HTTP/1.1\r\n\r\n" * 10_000
    first = b"POST /one HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body)
    second = b"POST /two HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    answer = await server.tell(first + body + second, serve=serve)
    assert [answer.count(path) for path in (b"/one", b"/two", b"/no")] == [1, 1, 0]


@pytest.mark.anyio
async def test_many_requests_at_once_are_answered_in_their_order(server: Server) -> None:
    async def serve(exchange: Exchange) -> None:
        await asyncio.sleep(0)
        await replied(exchange, exchange.path.encode())

    numbers = range(WAITING_MAX * 5)
    requests = [b"GET /%d/ HTTP/1.1\r\nhost: a\r\n\r\n" % number for number in numbers]
    last = b"GET /last/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    answer = await server.tell(b"".join(requests) + last, serve=serve)
    assert re.findall(rb"/(\w+)/", answer) == [*(b"%d" % number for number in numbers), b"last"]


@pytest.mark.anyio
async def test_a_client_that_reads_late_receives_all_of_it(server: Server) -> None:
    pieces = [b"%08d" % number * 4096 for number in range(30)]
    waited = []

    async def serve(exchange: Exchange) -> None:
        await sent(exchange.begin(200, []))
        for piece in pieces:
            slow = exchange.write(piece)
            waited.append(slow is not None)
            await sent(slow)
        await sent(exchange.end(b""))

    async with server.connected(serve) as (reader, writer):
        writer.write(HEAD + b"connection: close\r\n\r\n")
        while not waited:
            await asyncio.sleep(0)
        answer = await reader.read()
    body = answer.partition(b"\r\n\r\n")[2]
    assert b"".join(re.findall(rb"8000\r\n([0-9]+)\r\n", body)) == b"".join(pieces)
    assert any(waited)


@pytest.mark.anyio
async def test_nothing_is_answered_behind_the_last_answer(server: Server) -> None:
    """Not even once a client that reads late has read that."""
    asked: list[str] = []
    state = ServerState()

    async def serve(exchange: Exchange) -> None:
        asked.append(exchange.path)
        connection: Any = next(iter(state.connections))
        await sent(exchange.respond(200, [CLOSE], b"last"))
        connection.resume_writing()

    async with server.connected(serve, state=state) as (reader, writer):
        for name in (b"last", b"more"):
            writer.write(b"GET /%s HTTP/1.1\r\nhost: a\r\n\r\n" % name)
        assert (await reader.read()).endswith(b"last")
    assert asked == ["/last"]


@pytest.mark.anyio
async def test_a_client_that_leaves_ends_the_wait_for_it(server: Server) -> None:
    over = asyncio.Event()

    async def serve(exchange: Exchange) -> None:
        await sent(exchange.begin(200, []))
        left = asyncio.Event()
        exchange.watch(left.set)
        while not left.is_set():
            await sent(exchange.write(b"a" * 65536))
            await asyncio.sleep(0)
        over.set()

    async with server.connected(serve) as (_, writer):
        writer.write(HEAD + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)
        writer.close()
        await over.wait()


@pytest.mark.anyio
async def test_nothing_holds_a_connection_whose_client_has_left(server: Server) -> None:
    asked = asyncio.Event()
    state = ServerState()

    async def serve(exchange: Exchange) -> None:
        left = asyncio.Event()
        exchange.watch(left.set)
        asked.set()
        await left.wait()

    async with server.connected(serve, state=state) as (_, writer):
        writer.write(HEAD + b"content-length: 0\r\n\r\n")
        await asked.wait()
        held = [weakref.ref(connection) for connection in state.connections]
        writer.close()
        while state.connections or state.tasks:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()
        assert [connection() for connection in held] == [None]


@pytest.mark.anyio
@pytest.mark.parametrize("begins", [True, False])
async def test_an_answer_that_stops_closes_the_connection(server: Server, begins: bool) -> None:
    async def serve(exchange: Exchange) -> None:
        if begins:
            await sent(exchange.begin(200, []))
            await sent(exchange.write(b"half"))

    answer = await server.tell(HEAD + b"content-length: 0\r\n\r\n", serve=serve)
    assert not answer.endswith(b"0\r\n\r\n")
    assert answer.endswith(b"\r\nhalf\r\n") is begins


@pytest.mark.anyio
async def test_an_idle_connection_closes_when_the_server_stops(server: Server) -> None:
    state = ServerState()
    async with server.connected(state=state) as (reader, writer):
        writer.write(HEAD + b"content-length: 2\r\n\r\nhi")
        answer = await reader.readuntil(b"hi")
        for connection in state.connections:
            connection.shutdown()
        assert (answer + await reader.read()).endswith(b"\r\n\r\nhi")


@pytest.mark.anyio
async def test_a_busy_connection_closes_after_its_answer(server: Server) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def serve(exchange: Exchange) -> None:
        asked.set()
        await may_answer.wait()
        await replied(exchange, b"whole")

    state = ServerState()
    async with server.connected(serve, state=state) as (reader, writer):
        writer.write(HEAD + b"content-length: 0\r\n\r\n")
        await asked.wait()
        for connection in state.connections:
            connection.shutdown()
        may_answer.set()
        answer = await reader.read()
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nwhole")


@pytest.mark.anyio
async def test_a_connection_without_a_request_closes_after_a_while(server: Server) -> None:
    async with server.connected(idle_s=0) as (reader, writer):
        writer.write(HEAD + b"content-length: 2\r\n\r\nhi")
        assert (await reader.read()).endswith(b"\r\n\r\nhi")


# --- bytes that are not HTTP ----------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n",
        HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        HEAD + b"content-length: 1\r\ncontent-length: 1\r\n\r\na",
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"content-length: 1, 1\r\n\r\na",
        HEAD + b"content-length: 99999999999999999999999\r\n\r\n",
        HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: gzip\r\n\r\nx",
        HEAD + b"no colon\r\n\r\n",
        HEAD + b"na me: x\r\n\r\n",
        HEAD + b"x: a\x00b\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_bytes_that_are_not_http_are_answered_with_an_error_object(
    server: Server, data: bytes
) -> None:
    head, _, body = (await server.tell(data)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nx-request-id: req_" in head
    assert orjson.loads(body)["error"]["code"] == "invalid_http"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b"content-length: -1\r\n\r\n", 400),
        (b"x: " + b"a" * HEAD_BYTES_MAX, 431),
        (b"x: a\r\ny", 408),
    ],
)
async def test_a_listed_page_may_read_even_these_errors(
    server: Server, rest: bytes, status: int
) -> None:
    for page, shares in ((PAGE, True), ("https://evil.example", False)):
        origin = b"origin: %s\r\n" % page.encode()
        answer = await server.tell(HEAD + origin + rest, request_s=SHORT_S)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert (b"\r\naccess-control-allow-origin: " + PAGE.encode() in answer) is shares
        assert b"\r\nvary: Origin\r\n" in answer


@pytest.mark.anyio
@pytest.mark.parametrize("stated", [b"a b", b"a" * 129, b"\xc3\xa9", b"<script>", b"", b"a\tb"])
async def test_an_id_that_is_none_is_replaced(server: Server, stated: bytes) -> None:
    answer = await server.tell(
        HEAD + b"x-request-id: " + stated + b"\r\ncontent-length: -1\r\n\r\n"
    )
    assert b"\r\nx-request-id: req_" in answer


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"/a?b", "/a", b"localhost"),
        (b"http://evil.example/a?b", "/a", b"evil.example"),
        (b"HTTP://evil.example:1", "/", b"evil.example:1"),
        (b"http://evil.example?b", "/", b"evil.example"),
        (b"*", "/", b"localhost"),
        (b"//a//b%20c?d#e", "//a//b c", b"localhost"),
        (b"/?a?b", "/", b"localhost"),
    ],
)
async def test_the_host_of_an_absolute_target_counts(
    server: Server, target: bytes, path: str, host: bytes
) -> None:
    async def tell(exchange: Exchange) -> None:
        await replied(exchange, f"{exchange.path} {exchange.headers.every(b'host')}".encode())

    answer = await server.tell(
        b"OPTIONS %s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" % target,
        serve=tell,
    )
    assert answer.endswith(f"\r\n\r\n{path} {[host.decode()]}".encode())


@pytest.mark.anyio
async def test_a_tunnel_is_refused(server: Server) -> None:
    answer = await server.tell(
        b"CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 400 ")


# --- HTTP/1.0 -------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    "connection", [b"", b"connection: keep-alive\r\n", b"connection: close\r\n"]
)
@pytest.mark.parametrize("host", [b"", b"host: localhost\r\n"])
async def test_a_stream_to_an_http10_client_is_plain_bytes(
    server: Server, connection: bytes, host: bytes
) -> None:
    answer = await server.tell(b"GET / HTTP/1.0\r\n" + host + connection + b"\r\n", serve=stream)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"content-length" not in head
    assert head.endswith(b"\r\nconnection: close")
    assert body == b"data: 1\n\ndata: 2\n\n"


@pytest.mark.anyio
async def test_an_answer_to_an_http10_client_has_its_length(server: Server) -> None:
    answer = await server.tell(
        b"POST / HTTP/1.0\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello"
    )
    assert b"\r\ncontent-length: 5\r\n" in answer
    assert answer.endswith(b"\r\nconnection: close\r\n\r\nhello")


@pytest.mark.anyio
async def test_a_head_request_of_an_http10_client_has_no_body(server: Server) -> None:
    assert (await server.tell(b"HEAD / HTTP/1.0\r\n\r\n", serve=stream)).endswith(
        b"\r\nconnection: close\r\n\r\n"
    )


@pytest.mark.anyio
async def test_an_http11_client_gets_chunks(server: Server) -> None:
    answer = await server.tell(
        b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", serve=stream
    )
    assert b"\r\ntransfer-encoding: chunked\r\n" in answer
    assert answer.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.anyio
@pytest.mark.parametrize(("version", "asked"), [(b"1.0", False), (b"1.1", True)])
async def test_who_expects_to_be_asked_for_the_body_is_asked(
    server: Server, version: bytes, asked: bool
) -> None:
    head = (
        b"POST / HTTP/%s\r\nhost: localhost\r\nexpect: 100-continue\r\nconnection: close\r\n"
        % version
    )
    answer = await server.tell(head + b"content-length: 5\r\n\r\nhello")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\n") is asked
    assert answer.endswith(b"\r\n\r\nhello")
