"""Many at once over real sockets: nothing is mixed up, nothing is lost, and a client that leaves
leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from gateway.app import App
from tests.e2e.harness import Running, running

PROVIDERS = ("anthropic", "google", "openai", "mistral", "custom")
STREAMS = 50
WAIT_S = 10.0


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(Path(tmp_path_factory.mktemp("home")), *PROVIDERS) as gateway:
        yield gateway


def body(model: str, text: str, *, stream: bool = True) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}


async def ask(client: httpx.AsyncClient, model: str, text: str, *, stream: bool) -> str:
    """The answer's text; the end of a stream is checked on the way."""
    response = await client.post("/v1/chat/completions", json=body(model, text, stream=stream))
    assert response.status_code == 200, response.text
    if not stream:
        return str(response.json()["choices"][0]["message"]["content"])
    *events, done = [line[6:] for line in response.text.split("\n") if line.startswith("data: ")]
    assert done == "[DONE]"
    choices = [choice for event in events for choice in orjson.loads(event)["choices"]]
    assert choices[-1]["finish_reason"] == "stop"
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def ask_at_once(url: str, *models: str, stream: bool) -> None:
    """Many calls at once, by turns to these models; every client gets the answer to its own."""
    limits = httpx.Limits(max_connections=STREAMS)
    async with httpx.AsyncClient(
        base_url=url, timeout=WAIT_S, limits=limits, trust_env=False
    ) as client:
        asked = [
            ask(client, models[number % len(models)], f"say: answer {number}", stream=stream)
            for number in range(STREAMS)
        ]
        assert await asyncio.gather(*asked) == [f"answer {number}" for number in range(STREAMS)]


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_nothing_is_mixed_up(gateway: Running, stream: bool) -> None:
    await ask_at_once(gateway.url, *PROVIDERS, stream=stream)
    assert gateway.app.observer.in_flight == 0


@pytest.mark.anyio
async def test_nothing_is_mixed_up_while_falling_back(tmp_path: Path) -> None:
    with running(tmp_path, "google>custom") as gateway:
        gateway.lab.fault("google", "error_after_role")
        await ask_at_once(gateway.url, "google>custom", stream=True)


# --- clients that leave ---------------------------------------------------------------------------


async def until(true: Callable[[], bool]) -> None:
    """Lets the loop run until something has become true."""
    async with asyncio.timeout(WAIT_S):
        while not true():
            await asyncio.sleep(0)


def leave(gateway: Running, model: str, *, stream: bool, after: bytes) -> None:
    """A client that closes its connection once it has read `after`, or at once when that is
    empty."""
    data = orjson.dumps(body(model, "Hello", stream=stream))
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: "
        f"localhost\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    calls, left = len(gateway.lab.calls), gateway.lab.clients_left

    async def work() -> None:
        port = int(gateway.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + data)
        await until(lambda: len(gateway.lab.calls) > calls)
        if after:
            await asyncio.wait_for(reader.readuntil(after), WAIT_S)
        writer.close()
        await writer.wait_closed()
        await until(lambda: gateway.lab.clients_left > left)
        await until(lambda: gateway.app.observer.in_flight == 0)

    gateway.run(work())
    assert len(gateway.lab.calls) == calls + 1, "nothing is tried again for a client that has left"


def is_free(app: App) -> bool:
    """No model is cooling down, and no probe is left unsettled."""
    models = app.gateway.models.values()
    return all(app.breaker.state(model) == "closed" for model in models)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_leaving_before_the_first_byte(gateway: Running, provider: str, stream: bool) -> None:
    gateway.lab.fault(provider, "silent", "ok")
    leave(gateway, provider, stream=stream, after=b"")
    assert is_free(gateway.app)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_leaving_between_the_status_and_the_first_token(gateway: Running, provider: str) -> None:
    gateway.lab.fault(provider, "slow_first_token", "ok")
    leave(gateway, provider, stream=True, after=b"")
    assert is_free(gateway.app)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_leaving_in_the_middle(gateway: Running, provider: str) -> None:
    gateway.lab.fault(provider, "stall", "ok")
    leave(gateway, provider, stream=True, after=b"lab")
    assert is_free(gateway.app)


def test_leaving_is_counted(gateway: Running) -> None:
    assert b'status="499"' in gateway.app.metrics.text()
