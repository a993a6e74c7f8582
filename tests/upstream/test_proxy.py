"""One suite of odd answers through our pool and httpx's transport, each bare and under an
`httpx.AsyncClient`."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.upstream.proxy import HttpxTransport
from gateway.upstream.transport import Request, TransportError
from tests.upstream.odd import ODD, OURS, THEIRS, Finding, Odd, Way, expected
from tests.upstream.wire import SHORT_S, WAIT_S, Act, Wire

WAYS: Mapping[str, Way] = {**OURS, **THEIRS}


@pytest.mark.anyio
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
async def test_every_way_finds_the_same(odd: Odd, way: str) -> None:
    async with Wire(odd.answer) as wire:
        assert await WAYS[way](wire.url, odd.timeout_s) == expected(odd, way)


# --- httpx behind our face ------------------------------------------------------------------------

BEGUN = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"


def request(url: str) -> Request:
    return Request("POST", url, ((b"x-a", b"1"),), b"{}", WAIT_S)


@pytest.mark.anyio
async def test_after_a_timeout_the_response_may_be_read_on() -> None:
    """Also when the wait for the headers was allowed less time than the wait for the body."""
    transport, more = HttpxTransport(), asyncio.Event()
    async with Wire([BEGUN, more, b"2\r\n..\r\n0\r\n\r\n"]) as wire:
        response = await transport.send(request(wire.url), SHORT_S)
        whole = await response.receive(WAIT_S)
        for _ in range(2):
            with pytest.raises(TransportError, match="took too long"):
                await response.receive(SHORT_S)
        more.set()
        whole += await response.read(10, WAIT_S)
        await response.aclose()
        await transport.aclose()
    assert whole == b"ok.."


@pytest.mark.anyio
async def test_a_response_left_in_its_middle_is_closed() -> None:
    transport = HttpxTransport()
    async with Wire([BEGUN, Act.HOLD]) as wire:
        response = await transport.send(request(wire.url), WAIT_S)
        piece = await response.receive(WAIT_S)
        with pytest.raises(TransportError):
            await response.receive(SHORT_S)
        await response.aclose()
        await asyncio.wait_for(wire.left.wait(), WAIT_S)
        await transport.aclose()
    assert piece == b"ok"


@pytest.mark.anyio
async def test_a_body_beyond_the_limit() -> None:
    transport = HttpxTransport()
    async with Wire([BEGUN + b"0\r\n\r\n"]) as wire:
        response = await transport.send(request(wire.url), WAIT_S)
        with pytest.raises(TransportError) as raised:
            await response.read(1, WAIT_S)
        await response.aclose()
        await transport.aclose()
        assert raised.value.kind == "too_large"


@pytest.mark.anyio
async def test_a_certificate_that_no_authority_vouches_for() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).with_name("untrusted.pem"))
    for way in WAYS.values():
        async with Wire([BEGUN], tls=context) as wire:
            assert await way(wire.url, WAIT_S) == Finding(None, trouble="tls")


@pytest.mark.anyio
async def test_a_port_without_a_server() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        for way in WAYS.values():
            assert await way(url, WAIT_S) == Finding(None, trouble="connect")
