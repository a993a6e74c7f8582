"""Every bad request of the contract, and what every answer says about itself; without a
provider."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from gateway.config import schema
from gateway.dialects import INBOUND
from gateway.hub import contracts as hub
from gateway.inbound.asgi import AsgiExchange
from gateway.inbound.http import ABORT
from gateway.lab import Lab
from gateway.upstream.transport import Request
from tests.inbound.asgi import CHAT, NO_SERVER, Client, ask, ask_here, make, scope
from tests.upstream.fakes import Response, Transport

HELLO: dict[str, Any] = {"model": "dev", "messages": [{"role": "user", "content": "Hello"}]}
BODY = orjson.dumps(HELLO)


def without(field: str) -> bytes:
    return orjson.dumps({name: value for name, value in HELLO.items() if name != field})


def with_(**fields: Any) -> bytes:
    return orjson.dumps({**HELLO, **fields})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b'{"model": NaN}', None),
        (b"\xff\xfe", None),
        (b"[]", None),
        (b'"text"', None),
        (b"null", None),
        (b"1", None),
        (without("model"), "model"),
        (with_(model=""), "model"),
        (with_(model=1), "model"),
        (without("messages"), "messages"),
        (with_(messages=[]), "messages"),
        (with_(messages="Hello"), "messages"),
        (with_(messages=["Hello"]), "messages.0"),
        (with_(messages=[{"content": "Hello"}]), "messages.0.role"),
        (with_(messages=[{"role": ["user"], "content": "Hello"}]), "messages.0.role"),
        (BODY[:-1] + b', "max_tokens": 1e30}', "max_tokens"),
        (BODY[:-1] + b', "seed": 99999999999999999999}', "seed"),
        (BODY[:-1] + b', "user": "\\ud83d", "max_tokens": Infinity}', None),
        (BODY[:-1] + b', "user": "\\ud83d", "top_k": NaN}', None),
    ],
)
def test_a_body_that_is_not_a_chat(tmp_path: Path, body: bytes, param: str | None) -> None:
    answer = ask(make(tmp_path), "POST", CHAT, body)
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert (answer.error["param"] or "").replace("[0]", ".0").startswith(param or "")
    assert set(answer.error) >= {"message", "type", "param", "code"}


def test_an_unknown_agent(tmp_path: Path) -> None:
    answer = ask(make(tmp_path), "POST", CHAT, with_(model="dve"))
    assert answer.status == 404
    assert answer.error["code"] == "model_not_found"
    assert answer.error["param"] == "model"
    assert "Did you mean 'dev'?" in answer.error["message"]


def test_a_body_whose_header_says_that_it_is_too_large(tmp_path: Path) -> None:
    app = make(tmp_path, schema.Server(max_body_bytes=100))
    answer = ask(app, "POST", CHAT, b"", {"content-length": "101"})
    assert answer.status == 413
    assert answer.error["code"] == "request_too_large"
    assert "100 bytes (server.maxBodyBytes)" in answer.error["message"]


def test_a_body_that_turns_out_too_large(tmp_path: Path) -> None:
    app = make(tmp_path, schema.Server(max_body_bytes=100))
    answer = ask(app, "POST", CHAT, [b" " * 60, b" " * 41])
    assert answer.status == 413


def test_a_body_that_just_fits(tmp_path: Path) -> None:
    app = make(tmp_path, schema.Server(max_body_bytes=len(BODY)))
    answer = ask(app, "POST", CHAT, [BODY[:10], BODY[10:]], {"content-length": str(len(BODY))})
    assert answer.error["code"] == "upstream_error"


@pytest.mark.anyio
async def test_a_client_that_sends_its_body_too_slowly(tmp_path: Path) -> None:
    app = make(tmp_path, schema.Server(request_seconds=0.01))
    client = Client(b"{", ends=False)
    await app.asgi(scope("POST", CHAT, {}), client.receive, client.send)
    answer = client.answer
    assert answer.status == 408
    assert answer.error["code"] == "request_timeout"


@pytest.mark.anyio
async def test_a_client_that_stops_reading_is_cut_off(tmp_path: Path) -> None:
    timeouts = schema.ModelTimeouts(write_seconds=0.01)
    model = schema.Model(provider="custom", model="m", base_url=NO_SERVER, timeouts=timeouts)
    app = make(tmp_path, local=model)
    event = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}
    app.use_transport(Transport(Response(b"data: " + orjson.dumps(event) + b"\n\n")))
    cuts: list[str] = []

    class Stuck(Client):
        async def send(self, message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

    client = Stuck(with_(stream=True))
    asked = {**scope("POST", CHAT, {}), "extensions": {ABORT: lambda: cuts.append("cut")}}
    await app.asgi(asked, client.receive, client.send)
    assert cuts == ["cut"]
    assert app.observer.in_flight == 0


@pytest.mark.anyio
async def test_a_client_that_leaves_before_its_request_is_sent(tmp_path: Path) -> None:
    app = make(tmp_path)
    client = Client(b"{", ends=False)
    client.leave()
    await app.asgi(scope("POST", CHAT, {}), client.receive, client.send)
    assert client.sent == []
    assert app.observer.in_flight == 0
    assert b'status="499"' in app.metrics.text()


def test_a_plain_options_asks_for_the_methods(tmp_path: Path) -> None:
    answer = ask(make(tmp_path), "OPTIONS", CHAT)
    assert (answer.status, answer.headers["allow"], answer.body) == (204, "POST", b"")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_another_method(tmp_path: Path, method: str) -> None:
    answer = ask(make(tmp_path), method, CHAT)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert answer.error["type"] == "invalid_request_error"


@pytest.mark.anyio
async def test_a_call_is_under_way_from_its_request_to_its_end(tmp_path: Path) -> None:
    app = make(tmp_path)
    asked: list[list[str]] = []

    class Asking(Transport):
        async def send(self, request: Request, timeout_s: float) -> Response:
            asked.append([call.agent.name for call in app.endpoint.under_way()])
            status = await ask_here(app, "GET", "/status", (), {})
            asked.append([call["model"] for call in status.json["calls"]])
            return await super().send(request, timeout_s)

    app.use_transport(Asking("connect"))
    reading = Client(b"{", ends=False)
    waiting = asyncio.create_task(app.asgi(scope("POST", CHAT, {}), reading.receive, reading.send))
    await asyncio.sleep(0)
    await ask_here(app, "POST", CHAT, [BODY], {})
    reading.leave()
    await waiting
    assert asked[:2] == [["dev"], ["local"]]
    assert list(app.endpoint.under_way()) == []
    assert not app.endpoint.calls


@pytest.mark.anyio
async def test_too_many_calls(tmp_path: Path) -> None:
    app = make(tmp_path, schema.Server(max_calls=1))
    first, second = Client(b"{", ends=False), Client(BODY)
    waiting = asyncio.create_task(app.asgi(scope("POST", CHAT, {}), first.receive, first.send))
    await asyncio.sleep(0)
    await app.asgi(scope("POST", CHAT, {}), second.receive, second.send)
    first.leave()
    await waiting
    answer = second.answer
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.error["code"] == "too_many_calls"


@pytest.mark.parametrize("path", [CHAT, "/chat/completions"])
def test_with_and_without_v1(tmp_path: Path, path: str) -> None:
    answer = ask(make(tmp_path), "POST", path, BODY)
    assert answer.status == 502
    assert answer.headers["x-gateway-agent"] == "dev"
    assert answer.headers["x-gateway-attempts"] == "local;unavailable"
    assert (answer.headers["x-gateway-model"], answer.headers["x-gateway-provider"]) == (
        "local",
        "custom",
    )
    assert float(answer.headers["x-gateway-overhead-ms"]) >= 0
    assert answer.headers["x-should-retry"] == "false"
    assert "cannot connect" in answer.error["message"]
    assert answer.error["attempts"] == ["local;unavailable"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (BODY.replace(b'"dev"', b'"no-such-agent"'), 404)]
)
def test_a_request_that_becomes_no_call_says_what_is_known(
    tmp_path: Path, body: bytes, status: int
) -> None:
    answer = ask(make(tmp_path), "POST", CHAT, body)
    named = {name for name in answer.headers if name.startswith("x-gateway-")}
    assert answer.status == status
    assert named == {"x-gateway-overhead-ms", "x-gateway-attempts"}


@pytest.mark.parametrize(
    "id_", ["abc", "req_1", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "a" * 128, "a.b:c"]
)
@pytest.mark.parametrize("body", [b"{", BODY])
def test_the_clients_own_request_id_comes_back(tmp_path: Path, id_: str, body: bytes) -> None:
    assert (
        ask(make(tmp_path), "POST", CHAT, body, {"x-request-id": id_}).headers["x-request-id"]
        == id_
    )


@pytest.mark.parametrize("id_", ["", "a b", "a" * 129, "a\r\nb: c", "<script>"])
def test_a_request_id_that_is_none_is_replaced(tmp_path: Path, id_: str) -> None:
    answer = ask(make(tmp_path), "POST", CHAT, b"{", {"x-request-id": id_})
    assert answer.headers["x-request-id"].startswith("req_")


def test_a_fault_of_the_gateway_is_an_error_object(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = make(tmp_path)

    class Broken:
        def any(self) -> bool:
            raise RuntimeError("boom")

    object.__setattr__(app.gateway, "keys", Broken())
    answer = ask(app, "POST", CHAT, BODY)
    assert answer.status == 500
    assert answer.error["code"] == "internal_error"
    assert "boom" not in answer.body.decode()
    assert "boom" in caplog.text
    assert app.observer.in_flight == 0


class BrokenEncoder:
    """Writes the first batch of a stream, and breaks at the second."""

    def __init__(self, encoder: hub.StreamEncoder) -> None:
        self._encoder = encoder
        self._batches = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode(self, batch: hub.Batch) -> bytes:
        self._batches += 1
        if self._batches > 1:
            raise RuntimeError("boom")
        return self._encoder.encode(batch)


class BrokenFace:
    """The face of an API with that encoder."""

    def __init__(self, dialect: str) -> None:
        self._face = INBOUND[dialect]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._face, name)

    def StreamEncoder(self, answer: hub.Answer) -> BrokenEncoder:  # noqa: N802 -- as in a face
        return BrokenEncoder(self._face.StreamEncoder(answer))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("dialect", "body", "end"),
    [
        ("chat", HELLO, b'{"error":'),
        ("anthropic", {**HELLO, "max_tokens": 9}, b"event: error\n"),
        ("responses", {"model": "dev", "input": "Hello"}, b"event: response.failed\n"),
    ],
)
async def test_a_fault_of_the_gateway_ends_a_stream_with_an_error(
    tmp_path: Path, dialect: str, body: dict[str, Any], end: bytes
) -> None:
    app = make(tmp_path)
    event = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}
    piece = b"data: " + orjson.dumps(event) + b"\n\n"
    app.use_transport(Transport(Response(piece, piece, piece)))
    client = Client(orjson.dumps({**body, "stream": True}))
    exchange = AsgiExchange(scope("POST", CHAT, {}), client.receive, client.send)
    await app.endpoint.serving(cast(Any, BrokenFace(dialect)))(exchange)
    await app.aclose()
    answer = client.answer
    assert answer.status == 200
    assert b"Hi" in answer.body
    assert answer.body.count(end) == 1
    assert b"[DONE]" not in answer.body
    assert answer.body.count(b"event: response.created\n") == (dialect == "responses")


@pytest.mark.anyio
async def test_a_field_name_cannot_become_a_header(tmp_path: Path) -> None:
    async with Lab() as lab:
        base_url = lab.base_url("mistral")
        app = make(tmp_path, None, m=schema.Model(provider="mistral", model="m", base_url=base_url))
        app.credentials.put("mistral_key", "default", "test")
        body = with_(**{"evil\r\nx-injected: 1": 1, "a" * 20_000: 1})
        answer = await ask_here(app, "POST", CHAT, [body], {})
        await app.aclose()
    dropped = answer.headers["x-gateway-dropped"]
    assert "\r" not in dropped
    assert "\n" not in dropped
    assert len(dropped) < 4096
