"""Reading a body within its limits, and answering."""

from __future__ import annotations

import traceback

import pytest

from gateway.dialects import INBOUND
from gateway.inbound.asgi import AsgiRequest
from gateway.inbound.body import read_body
from gateway.inbound.http import ClientLeft, HttpError, header, send_json
from gateway.inbound.interrupt import Interrupt
from tests.inbound.asgi import Client, scope


async def read(
    *pieces: bytes,
    length: str | None = None,
    bytes_max: int = 10,
    ends: bool = True,
    leaves: bool = False,
) -> bytes:
    headers = {} if length is None else {"content-length": length}

    client = Client(*pieces, ends=ends)
    if leaves:
        client.leave()
    with Interrupt() as interrupt:
        request = AsgiRequest(scope("POST", "/", headers), client.receive)
        return await read_body(request, bytes_max, 0.01, interrupt)


@pytest.mark.anyio
@pytest.mark.parametrize("pieces", [[b""], [b"0123456789"], [b"01234", b"", b"56789"]])
async def test_a_body_within_the_limit(pieces: list[bytes]) -> None:
    assert await read(*pieces) == b"".join(pieces)


@pytest.mark.anyio
@pytest.mark.parametrize("length", [None, "", "5", "-5", "five", "²"])
async def test_a_wrong_length_is_not_believed(length: str | None) -> None:
    with pytest.raises(HttpError) as raised:
        await read(b"01234", b"567890", length=length)
    assert raised.value.refusal.status == 413


@pytest.mark.anyio
async def test_a_stated_length_beyond_the_limit_is_enough() -> None:
    with pytest.raises(HttpError) as raised:
        await read(b"0", length="11", ends=False)
    assert raised.value.refusal.status == 413


@pytest.mark.anyio
async def test_too_slow() -> None:
    with pytest.raises(HttpError) as raised:
        await read(b"0", ends=False)
    assert raised.value.refusal.status == 408


@pytest.mark.anyio
async def test_the_error_of_a_slow_body_does_not_grow() -> None:
    depths = []
    for _ in range(3):
        with pytest.raises(HttpError) as raised:
            await read(b"0", ends=False)
        depths.append(len(list(traceback.walk_tb(raised.value.__traceback__))))
    assert len(set(depths)) == 1


@pytest.mark.anyio
async def test_gone() -> None:
    with pytest.raises(ClientLeft):
        await read(b"0", ends=False, leaves=True)


def test_the_first_of_several_headers_counts() -> None:
    request = scope("GET", "/", {})
    request["headers"] = [(b"x-a", b"1"), (b"x-a", b"2"), (b"x-b", b"\xe9")]
    assert header(request, b"x-a") == "1"
    assert header(request, b"x-b") == "é"
    assert header(request, b"x-c") is None


def test_an_error_is_openais_object() -> None:
    error = HttpError(
        400, "no", code="c", param="p", headers={"retry-after": "1"}, attempts=["a;429"]
    )
    rendered = INBOUND["chat"].encode_error(error.refusal, "req_1")
    body = rendered.body["error"]
    assert body == {
        "message": "no",
        "type": "invalid_request_error",
        "param": "p",
        "code": "c",
        "attempts": ["a;429"],
    }
    assert rendered.headers == {"retry-after": "1"}


@pytest.mark.anyio
async def test_json_goes_out_with_its_length() -> None:
    client = Client()
    await send_json(client.send, 200, {"é": 1}, [(b"x-a", b"1")])
    assert client.answer.headers == {
        "content-type": "application/json",
        "content-length": "8",
        "x-a": "1",
    }
    assert client.answer.json == {"é": 1}
