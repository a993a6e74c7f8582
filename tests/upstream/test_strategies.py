"""Another framing and another signature, plugged in by name: a call through the real client to a
server on loopback."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import orjson
import pytest

from gateway import sse
from gateway.credentials.signing import SIGNINGS, Signature, Signer, Signing, Unsigned
from gateway.credentials.store import Credentials
from gateway.dialects import FRAMINGS
from gateway.failures import Failed, Kind
from gateway.providers import PROVIDERS
from gateway.shared.replay import Replay
from gateway.types import Attempt, Model, Provider
from gateway.upstream.client import UpstreamClient
from gateway.upstream.http1 import Pool
from tests.makers import Clock, call, model
from tests.upstream.wire import Act, Step, Wire

KEY = "an-invented-secret"


class Lines:
    """One JSON value a line (NDJSON)."""

    ACCEPT: ClassVar[bytes] = b"application/x-ndjson"

    def __init__(self) -> None:
        self._rest = b""

    def begins(self, data: bytes, content_type: str) -> bool | None:
        return data[:1] == b"{"

    def decode(self, data: bytes) -> list[sse.Event]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if any(line[:1] not in (b"", b"{") for line in lines):
            raise ValueError("a line is not a JSON object")
        return [sse.Event(b"", line) for line in lines if line]

    def flush(self) -> list[sse.Event]:
        return []


def digest(key: bytes, method: str, path: str, accept: bytes, body: bytes) -> bytes:
    signed = b"\n".join((method.encode(), path.encode(), accept, hashlib.sha256(body).digest()))
    return hmac.new(key, signed, hashlib.sha256).hexdigest().encode()


def over_the_body(model: Model, key: bytes, request: Unsigned) -> Signature:
    """A signature over method, path, a header and the body, as SigV4 has one."""
    path = "/" + request.url.split("/", 3)[3]
    return (
        (
            b"x-signature",
            digest(key, request.method, path, dict(request.headers)[b"accept"], request.body),
        ),
    )


ROW: Provider = replace(
    PROVIDERS["custom"], name="acme", credential="acme_key", framing="lines", signing="body"
)
CHUNKS = [
    {
        "model": "rocket",
        "choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}],
    },
    {
        "model": "rocket",
        "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}],
    },
    {"model": "rocket", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
]
BODY = b"".join(orjson.dumps(chunk) + b"\n" for chunk in CHUNKS)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n"


async def said(home: Path, pieces: Sequence[Step], row: Provider = ROW) -> tuple[str, bytes]:
    """What a client is given of a streamed answer in these pieces, and the request that the server
    received."""
    credentials = Credentials({}, home)
    credentials.put("acme_key", "default", KEY)
    pool, clock = Pool(), Clock()
    client = UpstreamClient(
        lambda model: pool,
        Signer(credentials, {**SIGNINGS, "body": Signing(over_the_body, is_constant=False)}),
        Replay(),
        clock=clock,
        wall=Clock(1_800_000_000.0),
        user_agent="tests",
        framings={**FRAMINGS, "lines": Lines},
    )
    async with Wire([HEAD, *pieces, Act.CLOSE]) as wire:
        chosen = replace(
            model(
                "custom",
                base_url=wire.url.partition("/v1")[0] + "/v1",
                credential="acme_key:default",
            ),
            provider=row,
        )
        try:
            reply = await client.open(
                Attempt(chosen, 1, started_at=clock.now), call(chosen, stream=True)
            )
            assert reply.chunks is not None
            text = ""
            async for batch in reply.chunks:
                for chunk in batch.chunks:
                    text += "".join(
                        choice["delta"].get("content") or "" for choice in chunk["choices"]
                    )
            await reply.chunks.aclose()
        finally:
            await pool.aclose()
        return text, wire.requests[0]


def cuts(body: bytes) -> list[list[bytes]]:
    """`body` whole, byte by byte, and cut in two at some places."""
    in_two = [[body[:place], body[place:]] for place in range(1, len(body), 23)]
    return [[body], [body[place : place + 1] for place in range(len(body))], *in_two]


@pytest.mark.anyio
async def test_a_stream_with_another_framing_is_read_wherever_it_is_cut(tmp_path: Path) -> None:
    for pieces in cuts(BODY):
        assert (await said(tmp_path, pieces))[0] == "Hello"


@pytest.mark.anyio
async def test_a_signature_covers_what_the_server_receives(tmp_path: Path) -> None:
    received = (await said(tmp_path, [BODY]))[1]
    head, _, body = received.partition(b"\r\n\r\n")
    method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
    headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert path == "/v1/chat/completions"
    assert headers[b"accept"] == Lines.ACCEPT
    assert headers[b"x-signature"] == digest(KEY.encode(), method, path, Lines.ACCEPT, body)
    assert KEY.encode() not in received


def test_a_signature_over_the_body_is_made_for_each_request(tmp_path: Path) -> None:
    credentials = Credentials({}, tmp_path)
    credentials.put("acme_key", "default", KEY)
    signer = Signer(credentials, {**SIGNINGS, "body": Signing(over_the_body, is_constant=False)})
    chosen = replace(model("custom", credential="acme_key:default"), provider=ROW)
    requests = [
        Unsigned("POST", "http://test/v1", ((b"accept", b"x"),), body)
        for body in (b"1", b"2", b"1")
    ]
    first, second, third = (signer(chosen, request) for request in requests)
    assert first == third != second


@pytest.mark.anyio
async def test_what_a_framing_refuses_is_a_broken_answer(tmp_path: Path) -> None:
    with pytest.raises(Failed) as raised:
        await said(tmp_path, [b'{"choices": []}\nnonsense\n'])
    assert raised.value.failure.kind is Kind.MALFORMED
    assert "a line is not a JSON object" in raised.value.failure.message


@pytest.mark.anyio
async def test_an_error_page_instead_of_a_stream_is_read_whole(tmp_path: Path) -> None:
    with pytest.raises(Failed) as raised:
        await said(tmp_path, [b"<html>busy</html>"])
    assert raised.value.failure.kind is Kind.MALFORMED


@pytest.mark.anyio
async def test_a_stream_with_another_framing_that_breaks_off_is_not_whole(tmp_path: Path) -> None:
    with pytest.raises(Failed) as raised:
        await said(tmp_path, [BODY.rpartition(b'{"model"')[0]])
    assert raised.value.failure.kind is Kind.TRUNCATED


def test_the_default_strategies_are_in_the_tables() -> None:
    bare = Provider(name="bare", dialect="chat", base_url=None, credential="bare_key")
    assert bare.framing in FRAMINGS
    assert bare.signing in SIGNINGS
