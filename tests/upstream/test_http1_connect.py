"""What our pool sends, and what it says when there is no connection to send it on."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from gateway.upstream.http1 import Pool
from gateway.upstream.http1.pool import connect_trouble
from gateway.upstream.transport import Request, TransportError
from gateway.urls import Origin
from tests.upstream.odd import OURS, Finding
from tests.upstream.test_http1 import FOUND, OK, ask, request
from tests.upstream.wire import WAIT_S, Wire

UNTRUSTED = Path(__file__).with_name("untrusted.pem")


# --- what is sent ---------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_request_as_it_goes_out() -> None:
    pool = Pool()
    async with Wire([OK]) as wire:
        await ask(pool, wire)
        await pool.aclose()
        assert wire.requests[0].replace(wire.url.split("/")[2].encode(), b"HOST") == (
            b"POST /v1/x?y=z HTTP/1.1\r\nhost: HOST\r\ncontent-type: application/json\r\n"
            b"accept-encoding: identity\r\ncontent-length: 2\r\n\r\n{}"
        )


@pytest.mark.anyio
@pytest.mark.parametrize("value", [b"a\r\nx-b: 1", b"a\nb", b"a\rb"])
async def test_a_header_cannot_hold_a_line_break(value: bytes) -> None:
    bad = ((b"x-a", value),)
    for headers, more in ((bad, ()), ((), bad)):
        request = Request("POST", "http://127.0.0.1:9/", headers, b"", WAIT_S, more)
        with pytest.raises(ValueError, match="line break"):
            await Pool().send(request, WAIT_S)


@pytest.mark.anyio
async def test_a_large_request_goes_out_whole() -> None:
    body = b"a" * 3_000_000
    pool = Pool()
    async with Wire([OK]) as wire:
        response = await pool.send(request(wire.url, body), WAIT_S)
        await response.aclose()
        await pool.aclose()
        assert len(wire.requests[0]) > len(body)


@pytest.mark.anyio
async def test_a_redirect_is_not_followed() -> None:
    pool = Pool()
    async with Wire([b"HTTP/1.1 307 T\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n"]) as wire:
        found = await ask(pool, wire)
        await pool.aclose()
        assert (found.status, len(wire.requests)) == (307, 1)


# --- no connection at all -------------------------------------------------------------------------


def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(UNTRUSTED)
    return context


@pytest.mark.anyio
@pytest.mark.parametrize("way", OURS)
async def test_a_certificate_that_no_authority_vouches_for(way: str) -> None:
    async with Wire([OK], tls=tls()) as wire:
        assert await OURS[way](wire.url, WAIT_S) == Finding(None, trouble="tls")


@pytest.mark.anyio
async def test_a_certificate_that_is_trusted() -> None:
    pool = Pool(ssl.create_default_context(cafile=str(UNTRUSTED)))
    async with Wire([OK], tls=tls()) as wire:
        found = [await ask(pool, wire) for _ in range(3)]
        await pool.aclose()
        assert (found, wire.connections) == ([FOUND] * 3, 1)


@pytest.mark.anyio
async def test_a_server_without_tls() -> None:
    def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await OURS["pool"](f"https://127.0.0.1:{port}/", WAIT_S) == Finding(
            None, trouble="tls"
        )


@pytest.mark.anyio
async def test_a_port_without_a_server() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(
            TransportError, match=f"127.0.0.1:{port}: cannot connect: Connection refused"
        ) as raised:
            await Pool().send(request(f"http://127.0.0.1:{port}/"), WAIT_S)
    assert raised.value.kind == "connect"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "tls"),
        (ssl.SSLError(1, "wrong version number"), "tls"),
        (socket.gaierror(-2, "Name or service not known"), "dns"),
        (TimeoutError(), "timeout"),
        (ConnectionRefusedError(111, "Connection refused"), "connect"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed"), "connect"),
    ],
)
def test_each_error_of_connecting_has_its_kind(error: OSError, kind: str) -> None:
    found = connect_trouble(Origin("https", "api.example.org", 443), error, 5.0)
    assert found.kind == kind
    assert str(found).startswith("api.example.org:443: ")
