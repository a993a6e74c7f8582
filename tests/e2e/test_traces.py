"""Traces of a running gateway, as a collector receives them; and a collector that harms no call and
no stop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from gateway.app import App
from gateway.config.load import build
from gateway.lab import Lab
from gateway.observe.collector import HttpPost
from gateway.observe.ledger import Ledger
from gateway.observe.trace_settings import Stated, read_settings
from gateway.observe.traces import Tracer
from gateway.process.server import listen, running
from gateway.text.trace_context import Trace
from gateway.types import Call
from tests.e2e.harness import KEYS, chains
from tests.e2e.process import TERMINATE, gateway
from tests.observe import otlp_json

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT: Final = f"00-{ID}-{SPAN}-01"
KEY: Final = "canary-of-the-collector"
SECRET: Final = "canary-of-the-prompt"


def tracer(url: str, **stated: Any) -> Tracer:
    env = {"OTEL_EXPORTER_OTLP_HEADERS": f"x-key={KEY}", "OTEL_EXPORTER_OTLP_TIMEOUT": "500"}
    settings, warnings = read_settings(env, "1", "i", Stated(url, **stated))
    assert settings is not None
    assert warnings == []
    made = Tracer(settings, HttpPost(settings, "agent/1"), "1")
    made.start()
    return made


@asynccontextmanager
async def serving(
    home: Path, traces: Tracer | None, *faults: str, ledger: Ledger | None = None
) -> AsyncIterator[tuple[App, httpx.AsyncClient]]:
    """A gateway whose first model has these faults."""
    async with Lab() as lab:
        config = build(chains(lab, "anthropic>openai"), None, {}, None, [])
        for fault in faults:
            lab.fault("claude-sonnet-5", fault)
        app = App(config, env=KEYS, home=home, tracer=traces, ledger=ledger)
        async with (
            running(app, listen("127.0.0.1", 0)) as url,
            httpx.AsyncClient(base_url=url, timeout=20) as client,
        ):
            yield app, client


async def ask(client: httpx.AsyncClient, *, stream: bool = True, **headers: str) -> httpx.Response:
    body = {
        "model": "anthropic>openai",
        "stream": stream,
        "messages": [{"role": "user", "content": SECRET}],
    }
    return await client.post("/v1/chat/completions", json=body, headers=headers)


@pytest.fixture
def collected(httpserver: HTTPServer) -> list[bytes]:
    bodies: list[bytes] = []

    def take(request: Request) -> Response:
        assert request.headers["x-key"] == KEY
        bodies.append(request.get_data())
        return Response("{}", content_type="application/json")

    httpserver.expect_request("/v1/traces").respond_with_handler(take)
    return bodies


@pytest.mark.anyio
async def test_a_call_that_falls_back_is_one_trace(
    tmp_path: Path, httpserver: HTTPServer, collected: list[bytes]
) -> None:
    async with serving(tmp_path, tracer(httpserver.url_for("")), "rate_limit") as (_, client):
        assert (await ask(client, traceparent=PARENT)).status_code == 200
        page = (await client.get("/metrics")).text
    server, failed, served = otlp_json.spans(b"".join(collected))
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (ID, SPAN)
    assert [span.parent_span_id for span in (failed, served)] == [server.span_id] * 2
    assert (server.kind, failed.status.code) == (Span.SPAN_KIND_SERVER, Status.STATUS_CODE_ERROR)
    assert otlp_json.attributes(failed.attributes)["error.type"] == "rate_limit"
    about = otlp_json.attributes(served.attributes)
    assert about["gen_ai.provider.name"] == "openai"
    assert about["gen_ai.usage.output_tokens"] > 0
    assert [event.name for event in served.events] == ["gateway.first_token"]
    assert server.start_time_unix_nano <= failed.start_time_unix_nano <= served.start_time_unix_nano
    assert served.end_time_unix_nano <= server.end_time_unix_nano
    assert SECRET.encode() not in b"".join(collected)
    assert 'gateway_trace_spans_total{outcome="sent"}' in page


def test_the_command_exports_what_the_environment_says(
    tmp_path: Path, httpserver: HTTPServer, collected: list[bytes]
) -> None:
    """The stop sends what still waits, and the log says what cannot be used without its value."""
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": httpserver.url_for(""),
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={KEY}",
        "OTEL_TRACES_SAMPLER": "canary-of-the-sampler",
    }
    with gateway(tmp_path, "--demo", "--port", "0", env=variables) as process:
        body = {"model": "demo", "messages": [{"role": "user", "content": SECRET}]}
        answer = httpx.post(process.url + "/v1/chat/completions", json=body, timeout=20)
        assert answer.status_code == 200
        process.kill(TERMINATE)
        assert process.wait() == 0
        process.until("OTEL_TRACES_SAMPLER cannot be used")
    assert [span.kind for span in otlp_json.spans(b"".join(collected))] == [
        Span.SPAN_KIND_SERVER,
        Span.SPAN_KIND_CLIENT,
        Span.SPAN_KIND_CLIENT,
    ]
    assert "canary" not in str(process.lines)


@pytest.mark.anyio
async def test_a_client_that_is_not_sampled_is_not_exported(
    tmp_path: Path, httpserver: HTTPServer, collected: list[bytes]
) -> None:
    async with serving(tmp_path, tracer(httpserver.url_for(""))) as (_, client):
        assert (await ask(client, traceparent=PARENT[:-2] + "00")).status_code == 200
    assert collected == []


class Traces(Ledger):
    """Takes down the trace of every call, and writes nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, 1)
        self.traces: list[Trace | None] = []

    def record(self, call: Call, status: int, seconds: float) -> None:
        self.traces.append(call.trace)


@pytest.mark.anyio
async def test_without_a_tracer_no_call_has_a_trace(tmp_path: Path) -> None:
    ledger = Traces(tmp_path / "ledger.db")
    async with serving(tmp_path, None, ledger=ledger) as (_, client):
        assert (await ask(client, traceparent=PARENT)).status_code == 200
        assert ledger.traces == [None]
        assert "gateway_trace_spans" not in (await client.get("/metrics")).text


@pytest.mark.anyio
async def test_a_collector_that_hangs_harms_no_call_and_no_stop(tmp_path: Path) -> None:
    """Its socket accepts and nothing more. The call is answered, and the stop ends within its
    bound."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with asyncio.timeout(20), serving(tmp_path, tracer(url)) as (_, client):
            assert (await ask(client, stream=False)).status_code == 200
    assert not [each for each in threading.enumerate() if each.name == "traces"]
