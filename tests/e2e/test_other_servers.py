"""The application under other ASGI servers than our own connections: a call is the same there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, cast

import httpx
import pytest
import uvicorn

from gateway.app import App
from gateway.config.load import build
from gateway.lab import Lab
from gateway.process import server
from tests.e2e.harness import KEYS, chains

CHAT = "/v1/chat/completions"
OURS = "ours"
OTHERS: tuple[Literal["h11", "httptools"], ...] = ("h11", "httptools")
VARIES = {
    "x-request-id",
    "x-gateway-overhead-ms",
    "x-gateway-upstream-request-id",
    "date",
    "server",
}

Ask = Callable[[httpx.AsyncClient], Coroutine[Any, Any, httpx.Response]]


def whole(model: str = "openai") -> Ask:
    messages = [{"role": "user", "content": "say: Hello"}]
    return lambda client: client.post(CHAT, json={"model": model, "messages": messages})


def streamed(client: httpx.AsyncClient) -> Coroutine[Any, Any, httpx.Response]:
    messages = [{"role": "user", "content": "say: Hello"}]
    return client.post(CHAT, json={"model": "openai", "messages": messages, "stream": True})


REQUESTS: dict[str, Ask] = {
    "whole": whole(),
    "stream": streamed,
    "unknown model": whole("nowhere"),
    "no json": lambda client: client.post(CHAT, content=b"{"),
    "method": lambda client: client.put(CHAT),
    "head": lambda client: client.head("/livez"),
    "models": lambda client: client.get("/v1/models"),
    "nowhere": lambda client: client.get("/nowhere"),
    "host": lambda client: client.post(CHAT, headers={"host": "evil.example"}),
}


@asynccontextmanager
async def serving(app: App, lab: Lab, http: str) -> AsyncIterator[str]:
    """The application under one server; gives the URL."""
    listener = server.listen("127.0.0.1", 0)
    if http == OURS:
        async with server.running(app, listener) as url:
            yield url
        return
    kind = cast(Literal["h11", "httptools"], http)
    other = uvicorn.Server(
        uvicorn.Config(app.asgi, http=kind, lifespan="off", log_config=None, access_log=False)
    )
    app.phase = "serving"
    task = asyncio.create_task(other.serve([listener]))
    try:
        yield server.url_of(listener)
    finally:
        other.should_exit = True
        await task
        await app.aclose()


async def answers(home: Path, http: str) -> dict[str, tuple[int, dict[str, str], int]]:
    """Status, headers and length of each answer."""
    async with Lab() as lab:
        app = App(build(chains(lab, "openai"), None, {}, None, []), env=KEYS, home=home)
        async with serving(app, lab, http) as url, httpx.AsyncClient(base_url=url) as client:
            found = {name: await ask(client) for name, ask in REQUESTS.items()}
    return {name: seen(response) for name, response in found.items()}


def seen(response: httpx.Response) -> tuple[int, dict[str, str], int]:
    headers = {name: value for name, value in response.headers.items() if name not in VARIES}
    return response.status_code, headers, len(response.content)


@pytest.mark.anyio
@pytest.mark.parametrize("http", OTHERS)
async def test_a_call_is_the_same_under_another_server(tmp_path: Path, http: str) -> None:
    ours = await answers(tmp_path / "a", OURS)
    others = await answers(tmp_path / "b", http)
    assert ours["whole"][0] == ours["stream"][0] == 200
    assert others == ours
