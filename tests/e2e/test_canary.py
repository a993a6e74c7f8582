"""Distinctive secrets in every source of credentials: no byte that the gateway writes or sends back
may hold one."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from gateway.app import App
from gateway.config import schema
from gateway.config.load import build
from gateway.lab import FAULTS, Lab
from gateway.observe import log
from gateway.process.server import listen, running

ENVIRONMENT = "canary-of-the-environment-4711"
STORE = "canary-of-the-store-0815"
SYSTEMD = "canary-of-systemd-1234"
STAGED = "canary-of-the-staging-5678"
QUICK = ("ok", "bad_key", "rate_limit", "quota", "error_mid_stream", "bad_chunk")
SECRETS = [ENVIRONMENT, STORE, SYSTEMD, STAGED]


@pytest.fixture
def echo(httpserver: HTTPServer) -> HTTPServer:
    """A provider that quotes the key it was sent, in every way there is."""

    def answer(request: Request) -> Response:
        key = request.headers.get("authorization", "").removeprefix(
            "Bearer "
        ) or request.headers.get("x-api-key", "")
        error = json.dumps(
            {"error": {"message": f"the key {key} is wrong", "type": "authentication_error"}}
        )
        if json.loads(request.data).get("stream"):
            head = '{"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}'  # noqa: E501
            return Response(f"data: {head}\n\ndata: {error}\n\n", content_type="text/event-stream")
        return Response(error, status=401, content_type="application/json")

    httpserver.expect_request("/echo/v1/chat/completions").respond_with_handler(answer)
    return httpserver


def configuration(lab: Lab, echo: HTTPServer) -> schema.Root:
    echoed = echo.url_for("/echo/v1")
    models = {
        "store": schema.Model(
            provider="anthropic", model="claude-sonnet-5", base_url=lab.base_url("anthropic")
        ),
        "environment": schema.Model(
            provider="openai", model="gpt-4o", base_url=lab.base_url("openai")
        ),
        "systemd": schema.Model(
            provider="google", model="gemini-3.5-flash", base_url=lab.base_url("google")
        ),
        "staged": schema.Model(
            provider="mistral", model="mistral-large-latest", base_url=lab.base_url("mistral")
        ),
        "echo-environment": schema.Model(provider="openai", model="m", base_url=echoed),
        "echo-staged": schema.Model(provider="mistral", model="m", base_url=echoed),
        "broken": schema.Model(provider="openai", model="m", base_url="http://127.0.0.1:1"),
    }
    return schema.Root(
        models=models,
        fallback=schema.Fallback(max_wait_seconds=0),
        timeouts=schema.Timeouts(first_token_seconds=0.2, answer_seconds=0.2, idle_seconds=0.2),
        log=schema.Log(level="debug"),
    )


@pytest.fixture
def written(own_log: None) -> Iterator[io.StringIO]:
    """Everything that is logged, by the gateway or any library."""
    stream = io.StringIO()
    log.set_up("json", "debug", stream)
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def environment(home: Path) -> dict[str, str]:
    for folder, name, secret in ((home / "systemd", "google_key", SYSTEMD),):
        folder.mkdir(mode=0o700)
        (folder / name).write_text(secret)
    staged = home / "staged" / "mistral_key" / "default"
    staged.mkdir(parents=True, mode=0o700)
    (staged / "token").write_text(STAGED)
    for file in home.rglob("*"):
        file.chmod(0o700 if file.is_dir() else 0o600)
    return {
        "OPENAI_API_KEY": ENVIRONMENT,
        "CREDENTIALS_DIRECTORY": str(home / "systemd"),
        "AL_CREDENTIALS_PATH": str(home / "staged"),
    }


async def every_byte(home: Path, echo: HTTPServer) -> tuple[list[str], str]:
    """(all that came back, the client key) of every model under every fault, streamed and not."""
    seen: list[str] = []
    async with Lab() as lab:
        app = App(
            build(configuration(lab, echo), None, {}, None, []), env=environment(home), home=home
        )
        app.credentials.put("anthropic_key", "default", STORE)
        key = app.keys.add("canary")
        headers = {"authorization": f"Bearer {key}"}
        async with (
            running(app, listen("127.0.0.1", 0)) as url,
            httpx.AsyncClient(base_url=url, timeout=10) as client,
        ):

            async def ask(model: str, *, stream: bool) -> None:
                body: dict[str, Any] = {
                    "model": model,
                    "messages": [{"role": "user", "content": "Hi"}],
                    "stream": stream,
                }
                response = await client.post("/v1/chat/completions", json=body, headers=headers)
                seen.append(f"{response.headers} {response.text}")
                for circuit in app.breaker.circuits():
                    app.breaker.key_changed(circuit.id)

            for fault in FAULTS:
                # Those from systemd and the staging area differ in where they come from alone.
                for model in (
                    ("store", "environment", "systemd", "staged") if fault in QUICK else ("store",)
                ):
                    lab.fault(app.gateway.models[model].model_id, fault)
                    await ask(model, stream=True)
                    await ask(model, stream=False)
            for model in ("echo-environment", "echo-staged", "broken"):
                await ask(model, stream=True)
                await ask(model, stream=False)
            for path in ("/v1/models", "/metrics", "/status", "/health", "/nowhere"):
                seen.append((await client.get(path, headers=headers)).text)
            seen.append(
                (await client.get("/v1/models", headers={"authorization": "Bearer wrong"})).text
            )
            seen += await every_page(client, app, key)
        things = [
            app,
            app.gateway,
            app.credentials,
            app.breaker,
            app.keys,
            *app.gateway.models.values(),
        ]
        seen += [repr(thing) for thing in things]
        seen.append(repr(app.credentials.find(app.gateway.models["store"])))
    return seen, key


async def every_page(client: httpx.AsyncClient, app: App, key: str) -> list[str]:
    """The web page, and the forms before it. The session's own token is not among them."""
    admin = app.keys.add("admin", admin=True)
    html = {"accept": "text/html"}
    pages = [await client.get("/", headers={**html, "authorization": f"Bearer {admin}"})]
    pages += [await client.post("/", data={"key": stated}, headers=html) for stated in (key, admin)]
    assert [page.status_code for page in pages] == [200, 403, 303]
    return [
        *(page.text for page in pages),
        *("LEAK" for page in pages if admin in f"{page.headers} {page.text}"),
    ]


@pytest.mark.anyio
async def test_no_secret_comes_out(tmp_path: Path, echo: HTTPServer, written: io.StringIO) -> None:
    seen, key = await every_byte(tmp_path, echo)
    everything = "\n".join([*seen, written.getvalue()])
    assert "the key *** is wrong" in everything
    assert "claude-sonnet-5" in everything
    for secret in (*SECRETS, key, "LEAK"):
        place = everything.find(secret)
        assert place < 0, everything[max(0, place - 300) : place + 60]
