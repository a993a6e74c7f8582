"""Our pool where it is more than a transport: what is kept, what is repeated, what is closed, what
is never sent."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from gateway.upstream.http1 import Pool, PooledResponse
from gateway.upstream.transport import Request, TransportError
from tests.upstream.odd import Finding, through
from tests.upstream.wire import SHORT_S, WAIT_S, Act, Answer, Wire

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LAST = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
BEGUN = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"
FOUND = Finding(200, {}, b"ok")


def request(url: str, body: bytes = b"{}") -> Request:
    return Request("POST", url, ((b"x-a", b"1"),), body, WAIT_S)


async def ask(pool: Pool, wire: Wire) -> Finding:
    return await through(pool, wire.url, WAIT_S)


# --- what is kept ---------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_many_requests_share_one_connection() -> None:
    pool = Pool()
    async with Wire(
        [OK], [BEGUN + b"0\r\n\r\n"], [b"HTTP/1.1 204 No Content\r\n\r\n"], [OK]
    ) as wire:
        found = [await ask(pool, wire) for _ in range(20)]
        shown = repr(pool)
        await pool.aclose()
        connections = wire.connections
    assert found == [FOUND, FOUND, Finding(204), *[FOUND] * 17]
    assert connections == 1
    assert shown == "<Pool idle=1 busy=0 origins=1>"


@pytest.mark.anyio
async def test_calls_at_the_same_time_have_connections_of_their_own() -> None:
    pool = Pool()
    async with Wire([OK]) as wire:
        for _ in range(2):
            found = await asyncio.gather(*(ask(pool, wire) for _ in range(20)))
        await pool.aclose()
        connections = wire.connections
    assert found == [FOUND] * 20
    assert connections == 20


@pytest.mark.anyio
async def test_no_more_idle_connections_are_kept_than_allowed() -> None:
    pool = Pool(idle_max=5)
    async with Wire([OK]) as wire:
        responses = [await pool.send(request(wire.url), WAIT_S) for _ in range(8)]
        for response in responses:
            await response.read(10, WAIT_S)
            await response.aclose()
        await asyncio.sleep(0)
        shown = repr(pool)
        await pool.aclose()
    assert shown == "<Pool idle=5 busy=0 origins=1>"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "first",
    [
        [LAST],
        [b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"],
        [OK + b"surplus"],
        [OK + OK],
        [b"HTTP/1.1 200 OK\r\n\r\nok", Act.CLOSE],
    ],
    ids=["said to be the last", "HTTP/1.0", "surplus", "a second answer", "until the close"],
)
async def test_a_connection_that_cannot_be_trusted_is_not_used_again(first: Answer) -> None:
    pool = Pool()
    async with Wire(first, [OK]) as wire:
        found = [await ask(pool, wire) for _ in range(2)]
        await pool.aclose()
        connections = wire.connections
    assert found == [FOUND, FOUND]
    assert connections == 2


@pytest.mark.anyio
async def test_unexpected_bytes_close_an_idle_connection() -> None:
    pool = Pool()
    async with Wire([OK, b"surplus", Act.HOLD]) as wire:
        await ask(pool, wire)
        await asyncio.wait_for(wire.left.wait(), WAIT_S)
        await asyncio.sleep(0)
        shown = repr(pool)
        await pool.aclose()
    assert shown == "<Pool idle=0 busy=0 origins=1>"


# --- what is repeated -----------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_kept_connection_found_dead_is_replaced_once() -> None:
    pool = Pool()
    async with Wire([OK], [Act.CLOSE], [OK]) as wire:
        found = [await ask(pool, wire) for _ in range(2)]
        await pool.aclose()
        requests = wire.requests
    assert found == [FOUND, FOUND]
    assert len(requests) == 3
    assert requests[1] == requests[2]


@pytest.mark.anyio
async def test_a_dead_connection_is_not_replaced_twice() -> None:
    pool = Pool()
    async with Wire([OK], [Act.CLOSE]) as wire:
        found = [await ask(pool, wire) for _ in range(2)]
        await pool.aclose()
        requests = len(wire.requests)
    assert found == [FOUND, Finding(None, trouble="reset")]
    assert requests == 3


@pytest.mark.anyio
@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", OK[:-1]])
async def test_nothing_is_repeated_once_a_byte_of_the_answer_was_seen(begun: bytes) -> None:
    pool = Pool()
    async with Wire([OK], [begun, Act.CLOSE], [OK]) as wire:
        await ask(pool, wire)
        found = await ask(pool, wire)
        await pool.aclose()
        assert (found.trouble, len(wire.requests)) == ("reset", 2)


@pytest.mark.anyio
async def test_nothing_is_repeated_on_a_new_connection() -> None:
    pool = Pool()
    async with Wire([Act.CLOSE], [OK]) as wire:
        found = await ask(pool, wire)
        await pool.aclose()
        assert (found.trouble, len(wire.requests)) == ("reset", 1)


@pytest.mark.anyio
async def test_nothing_is_repeated_after_silence() -> None:
    pool = Pool()
    async with Wire([OK], [Act.HOLD]) as wire:
        await ask(pool, wire)
        found = await through(pool, wire.url, SHORT_S)
        await pool.aclose()
        assert (found.trouble, len(wire.requests)) == ("timeout", 2)


# --- what is closed -------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer", [[Act.HOLD], [b"HTTP/1.1 200 OK\r\n", Act.HOLD], [BEGUN, Act.HOLD]]
)
async def test_cancelling_closes_the_connection(answer: Answer) -> None:
    pool = Pool()
    async with Wire(answer) as wire:
        task = asyncio.create_task(through(pool, wire.url, WAIT_S))
        await asyncio.wait_for(wire.asked.wait(), WAIT_S)
        task.cancel()
        await asyncio.wait((task,))
        await asyncio.wait_for(wire.left.wait(), WAIT_S)
        shown = repr(pool)
        await pool.aclose()
    assert "idle=0 busy=0" in shown


@pytest.mark.anyio
async def test_a_response_left_in_its_middle_is_closed_at_once() -> None:
    """All that has arrived was read, and more is to come: the provider must not go on
    generating."""
    pool = Pool()
    async with Wire([BEGUN, Act.HOLD]) as wire:
        response = await pool.send(request(wire.url), WAIT_S)
        piece = await response.receive(WAIT_S)
        await response.aclose()
        await response.aclose()
        assert await response.receive(WAIT_S) == b""
        await asyncio.wait_for(wire.left.wait(), SHORT_S)
        await pool.aclose()
    assert piece == b"ok"


@pytest.mark.anyio
async def test_closing_the_pool_ends_what_is_under_way() -> None:
    pool = Pool()
    async with Wire([BEGUN, Act.HOLD]) as wire:
        response = await pool.send(request(wire.url), WAIT_S)
        await response.receive(WAIT_S)
        await pool.aclose()
        with pytest.raises(TransportError) as raised:
            await response.receive(WAIT_S)
        assert raised.value.kind == "reset"


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_after_a_timeout_the_response_may_be_read_on() -> None:
    pool = Pool()
    more = asyncio.Event()
    async with Wire([BEGUN, more, b"2\r\n..\r\n0\r\n\r\n"]) as wire:
        response = await pool.send(request(wire.url), WAIT_S)
        whole = await response.receive(WAIT_S)
        with pytest.raises(TransportError, match="took too long"):
            await response.receive(SHORT_S)
        more.set()
        whole += await response.read(10, WAIT_S)
        await response.aclose()
        await pool.aclose()
    assert whole == b"ok.."


# --- a reader that listens ------------------------------------------------------------------------


class Listens:
    """Takes reads until it has had enough bytes."""

    def __init__(self, bytes_max: int = 100) -> None:
        self.got = b""
        self._begun = asyncio.Event()
        self._bytes_max = bytes_max

    def take(self, data: bytes) -> bool:
        self.got += data
        self._begun.set()
        return len(self.got) < self._bytes_max

    async def begin(
        self, response: PooledResponse, timeout_s: float = WAIT_S
    ) -> asyncio.Future[None]:
        """What listens; it has taken the first bytes."""
        listening = asyncio.ensure_future(response.listen(timeout_s, self.take))
        await asyncio.wait_for(self._begun.wait(), WAIT_S)
        return listening


class Fails(Listens):
    """Takes the first bytes, and fails at the next."""

    def take(self, data: bytes) -> bool:
        if self.got:
            raise KeyError(data)
        return super().take(data)


@pytest.mark.anyio
@pytest.mark.parametrize("bytes_max", [1, 2, 3, 5, 6, 100])
async def test_a_reader_that_listens_has_the_body_once(bytes_max: int) -> None:
    """However much it takes at a time; the rest stays to be read."""
    pool, gate, listens = Pool(), asyncio.Event(), Listens(bytes_max)
    async with Wire([BEGUN, gate, b"2\r\nno\r\n", b"2\r\nya\r\n", b"0\r\n\r\n"]) as wire:
        response = await pool.send(request(wire.url), WAIT_S)
        listening = await listens.begin(response)
        gate.set()
        await listening
        rest = await response.read(100, WAIT_S)
        await response.aclose()
        shown = repr(pool)
        await pool.aclose()
    assert listens.got + rest == b"oknoya"
    assert len(rest) <= max(0, 6 - bytes_max)
    assert "idle=1" in shown


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (Act.RESET, "reset"),
        (Act.CLOSE, "reset"),
        (b"zz\r\n", "protocol"),
        (Act.HOLD, "timeout"),
    ],
)
async def test_a_reader_that_listens_knows_how_the_body_breaks_off(
    step: bytes | Act, kind: str
) -> None:
    pool, gate, listens = Pool(), asyncio.Event(), Listens()
    async with Wire([BEGUN, gate, b"2\r\nno\r\n", step]) as wire:
        response = await pool.send(request(wire.url), WAIT_S)
        listening = await listens.begin(response, SHORT_S if kind == "timeout" else WAIT_S)
        gate.set()
        with pytest.raises(TransportError) as raised:
            await listening
        await response.aclose()
        await pool.aclose()
    assert (raised.value.kind, listens.got) == (kind, b"okno")


@pytest.mark.anyio
async def test_the_fault_of_a_listening_reader_is_raised_where_it_listens() -> None:
    pool, gate = Pool(), asyncio.Event()
    async with Wire([BEGUN, gate, b"2\r\nno\r\n", Act.HOLD]) as wire:
        response = await pool.send(request(wire.url), WAIT_S)
        listening = await Fails().begin(response)
        gate.set()
        with pytest.raises(KeyError):
            await listening
        await response.aclose()
        await pool.aclose()


@pytest.mark.anyio
async def test_a_reader_that_was_cancelled_is_given_nothing() -> None:
    pool, gate, listens = Pool(), asyncio.Event(), Listens()
    async with Wire([BEGUN, gate, b"2\r\nno\r\n", b"0\r\n\r\n"]) as wire:
        response = await pool.send(request(wire.url), WAIT_S)
        listening = await listens.begin(response)
        listening.cancel()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await listening
        rest = await response.read(100, WAIT_S)
        await response.aclose()
        await pool.aclose()
    assert (listens.got, rest) == (b"ok", b"no")


@pytest.mark.anyio
async def test_a_body_beyond_the_limit() -> None:
    pool = Pool()
    async with Wire([b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n" + b"a" * 11]) as wire:
        response = await pool.send(request(wire.url), WAIT_S)
        with pytest.raises(TransportError) as raised:
            await response.read(10, WAIT_S)
        await response.aclose()
        await pool.aclose()
        assert raised.value.kind == "too_large"


@pytest.mark.anyio
async def test_a_large_body_arrives_whole() -> None:
    body = b"".join(hashlib.sha256(b"%d" % place).digest() for place in range(100_000))
    pool = Pool()
    async with Wire([b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body), body]) as wire:
        response = await pool.send(request(wire.url), WAIT_S)
        pieces = []
        while piece := await response.receive(WAIT_S):
            pieces.append(piece)
            await asyncio.sleep(0)  # a slow reader
        await response.aclose()
        await pool.aclose()
        assert b"".join(pieces) == body
