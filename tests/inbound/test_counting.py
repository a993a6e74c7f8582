"""Counts of input tokens: a provider's own, or an estimate; without a call, a circuit or a
ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.app import App
from gateway.config import schema
from gateway.upstream.transport import Trouble as Broken
from tests.inbound.asgi import NO_SERVER, Answer, answered, ask, make, scope
from tests.upstream.fakes import JSON, Piece, Response, Transport

MESSAGES, RESPONSES = "/v1/messages/count_tokens", "/v1/responses/input_tokens"
HELLO: dict[str, Any] = {"model": "dev", "messages": [{"role": "user", "content": "Hello, you"}]}
ESTIMATE = 3 + 3
"""Ten bytes and one message."""


def gateway(
    home: Path, transport: Transport | None = None, *, provider: str = "anthropic", **more: Any
) -> App:
    ids = {"anthropic": "claude-sonnet-5", "openai": "gpt-4o"}
    first = schema.Model(
        provider=provider, model=ids[provider], base_url="http://127.0.0.1:1", **more
    )
    other = schema.Model(provider="custom", model="m", base_url=NO_SERVER)
    app = make(home, None, first=first, other=other)
    if transport is not None:
        app.use_transport(transport)
    return app


@pytest.fixture(autouse=True)
def keys(tmp_path: Path) -> None:
    for type_ in ("anthropic_key", "openai_key"):
        folder = tmp_path / ".action-llama" / "credentials" / type_ / "default"
        folder.mkdir(parents=True, mode=0o700)
        (folder / "token").write_text("secret-key")
        (folder / "token").chmod(0o600)


def said(body: Any, status: int = 200) -> Transport:
    piece: Piece = orjson.dumps(body)
    return Transport(Response(piece, status=status, headers=JSON))


def count(app: App, path: str = MESSAGES, body: Any = HELLO, **headers: str) -> Answer:
    return ask(app, "POST", path, orjson.dumps(body), headers)


def test_the_first_model_counts_where_it_can(tmp_path: Path) -> None:
    transport = said({"input_tokens": 4711})
    stated = {
        **HELLO,
        "tools": [{"name": "f", "input_schema": {}}],
        "new_field": 1,
        "max_tokens": 9,
        "top_p": 0.5,
    }
    answer = count(
        gateway(tmp_path, transport), body=stated, **{"anthropic-beta": "context-1m-2025-08-07"}
    )
    assert (answer.status, answer.json) == (200, {"input_tokens": 4711})
    assert answer.headers["x-gateway-agent"] == "dev"
    assert answer.headers["x-gateway-model"] == "first"
    sent = transport.requests[0]
    assert sent.url.endswith("/v1/messages/count_tokens")
    kept = {key: value for key, value in stated.items() if key not in ("max_tokens", "top_p")}
    assert orjson.loads(sent.body) == {**kept, "model": "claude-sonnet-5"}
    named = dict(sent.headers)
    assert named[b"x-api-key"] == b"secret-key"
    assert named[b"anthropic-beta"] == b"context-1m-2025-08-07"


def test_a_count_is_asked_as_its_call_would_be(tmp_path: Path) -> None:
    transport = said({"input_tokens": 1})
    count(gateway(tmp_path, transport, thinking_level="high", options={"service_tier": "auto"}))
    body = orjson.loads(transport.requests[0].body)
    assert body["thinking"]["type"] == "adaptive"
    assert body.keys() <= {"model", "messages", "thinking", "output_config"}


REFUSED: Any = {"type": "error", "error": {"type": "rate_limit_error", "message": "Not now."}}
NO_COUNTS: list[tuple[Response | Broken, str]] = [
    (Response(orjson.dumps(REFUSED), status=429, headers=JSON), "limited"),
    (Response(b"<html>", status=502), "a page"),
    (Response(orjson.dumps(REFUSED), status=401, headers=JSON), "the key is refused"),
    (Response(b"<html>", headers=JSON), "no JSON"),
    (Response(b'{"input_tokens": "7"}', headers=JSON), "no number"),
    (Response("reset", headers=JSON), "breaks off"),
    ("connect", "no server listens"),
]


@pytest.mark.parametrize(("trouble", "why"), NO_COUNTS, ids=[why for _, why in NO_COUNTS])
def test_where_the_provider_gives_no_count_it_is_estimated(
    tmp_path: Path, trouble: Response | Broken, why: str
) -> None:
    app = gateway(tmp_path, Transport(trouble))
    answer = count(app)
    assert (answer.status, answer.json) == (200, {"input_tokens": ESTIMATE})
    assert "x-gateway-model" not in answer.headers
    assert list(app.breaker.circuits()) == []
    assert b"gateway_calls_total{" not in app.metrics.text()


def test_a_provider_that_cannot_count_is_not_asked(tmp_path: Path) -> None:
    transport = Transport()
    assert count(gateway(tmp_path, transport, provider="openai")).json == {"input_tokens": ESTIMATE}
    assert transport.requests == []


def test_a_request_that_the_provider_refuses_is_an_error_of_the_api(tmp_path: Path) -> None:
    error = {"type": "invalid_request_error", "message": "messages: roles must alternate"}
    answer = count(gateway(tmp_path, said({"type": "error", "error": error}, status=400)))
    assert (answer.status, answer.json["type"]) == (400, "error")
    assert answer.error["type"] == "invalid_request_error"
    assert "roles must alternate" in answer.error["message"]
    assert answer.headers["x-gateway-agent"] == "dev"


@pytest.mark.parametrize(
    ("path", "body", "status", "type_"),
    [
        (MESSAGES, {"model": "dev"}, 400, "invalid_request_error"),
        (MESSAGES, {**HELLO, "model": "dve"}, 404, "not_found_error"),
        (MESSAGES, [], 400, "invalid_request_error"),
        (RESPONSES, {"model": "dve", "input": "Hi"}, 404, "invalid_request_error"),
        (RESPONSES, {"model": "dev", "input": 7}, 400, "invalid_request_error"),
        (
            RESPONSES,
            {"model": "dev", "previous_response_id": "resp_x"},
            400,
            "invalid_request_error",
        ),
    ],
)
def test_each_api_states_errors_in_its_own_shape(
    tmp_path: Path, path: str, body: Any, status: int, type_: str
) -> None:
    answer = count(gateway(tmp_path), path, body)
    assert (answer.status, answer.error["type"]) == (status, type_)
    assert ("type" in answer.json) is (path == MESSAGES)
    assert answer.headers["request-id" if path == MESSAGES else "x-request-id"]


def test_an_estimate_for_the_responses_api(tmp_path: Path) -> None:
    answer = count(gateway(tmp_path), RESPONSES, {"model": "dev", "input": "x" * 400})
    assert answer.json == {"object": "response.input_tokens", "input_tokens": 103}


def test_a_key_is_needed_where_keys_are(tmp_path: Path) -> None:
    app = gateway(tmp_path)
    app.keys.add("bot", ["other"])
    assert count(app).status == 401
    key = app.keys.add("bot2", ["other"])
    assert count(app, **{"x-api-key": key}).status == 404
    assert count(app, body={**HELLO, "model": "other"}, **{"x-api-key": key}).status == 200


@pytest.mark.parametrize("path", [MESSAGES, RESPONSES, "/messages/count_tokens"])
def test_only_post(tmp_path: Path, path: str) -> None:
    answer = ask(gateway(tmp_path), "GET", path)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/", "/api/hello"])
def test_a_probe_is_answered_without_a_key(tmp_path: Path, path: str) -> None:
    app = gateway(tmp_path)
    app.keys.add("bot", None)
    assert answered(app, scope("HEAD", path, {})).status == 200
