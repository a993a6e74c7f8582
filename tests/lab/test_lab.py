"""The lab as its users meet it: which fault is played when, and what it remembers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.lab import BASE_PATHS, FAULTS, Lab, Limit
from tests.makers import Clock

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "say: hello"}]}
KEY = {"authorization": "Bearer secret"}
PATHS = {
    "anthropic": "/v1/messages",
    "google": "/models/m:generateContent",
}
BODIES: dict[str, dict[str, Any]] = {
    "anthropic": {**CHAT, "max_tokens": 9},
    "google": {"contents": [{"role": "user", "parts": [{"text": "say: hello"}]}]},
}
KEYS = {"anthropic": {"x-api-key": "secret"}, "google": {"x-goog-api-key": "secret"}}


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[tuple[Lab, httpx.AsyncClient]]:
    async with Lab(**options) as lab, httpx.AsyncClient(trust_env=False, timeout=5) as client:
        yield lab, client


async def ask(
    lab: Lab, client: httpx.AsyncClient, provider: str = "custom", **more: Any
) -> httpx.Response:
    url = more.pop("url", lab.base_url(provider)) + PATHS.get(provider, "/chat/completions")
    body = BODIES.get(provider, CHAT) | more.pop("body", {})
    return await client.post(
        url, json=body, headers={**KEYS.get(provider, KEY), **more.pop("headers", {})}
    )


@pytest.mark.anyio
@pytest.mark.parametrize("provider", BASE_PATHS)
async def test_every_provider_answers_in_its_own_way(provider: str) -> None:
    async with running() as (lab, client):
        response = await ask(lab, client, provider)
        assert response.status_code == 200
        assert "hello" in response.text

    [seen] = lab.calls
    assert (seen.provider, seen.model, seen.fault) == (provider, "m", "ok")
    assert "secret" not in str(seen)


@pytest.mark.anyio
@pytest.mark.parametrize("provider", [name for name in BASE_PATHS if name != "custom"])
async def test_a_key_is_asked_for(provider: str) -> None:
    async with running() as (lab, client):
        url = lab.base_url(provider) + PATHS.get(provider, "/chat/completions")
        assert (await client.post(url, json=BODIES.get(provider, CHAT))).status_code in (
            400,
            401,
            403,
        )

    assert lab.calls == []


@pytest.mark.anyio
@pytest.mark.parametrize("provider", BASE_PATHS)
async def test_invalid_bodies_are_refused(provider: str) -> None:
    async with running() as (lab, client):
        url = lab.base_url(provider) + PATHS.get(provider, "/chat/completions")
        for body in (b"", b"{", b"[]", b"1", b"{}", b'{"messages": 1}', b'{"messages": [1]}'):
            response = await client.post(url, content=body, headers=KEYS.get(provider, KEY))
            assert response.status_code == 400, body


@pytest.mark.anyio
async def test_the_order_in_which_a_fault_is_chosen() -> None:
    async with running() as (lab, client):
        lab.fault("custom", "quota")
        lab.fault("special", "bad_key")
        await ask(lab, client)
        await ask(lab, client, body={"model": "special"})
        await ask(lab, client, body={"model": "special+no_such_model"})
        forced = lab.base_url("custom").replace("/custom", "/fault/unavailable/custom")
        await ask(lab, client, url=forced, body={"model": "special+no_such_model"})
        await ask(lab, client, url=forced, headers={"x-lab-fault": "bad_request"})
        await ask(lab, client, headers={"x-lab-fault": "no such fault"})

    faults = [seen.fault for seen in lab.calls]
    assert faults == ["quota", "bad_key", "no_such_model", "unavailable", "bad_request", "quota"]


@pytest.mark.anyio
async def test_a_script_goes_on_with_its_last_fault() -> None:
    async with running() as (lab, client):
        lab.fault("custom", "rate_limit", "overloaded", "ok")
        assert [(await ask(lab, client)).status_code for _ in range(4)] == [429, 503, 200, 200]
        lab.fault("custom", "flap")
        assert [(await ask(lab, client)).status_code for _ in range(4)] == [200, 503, 200, 503]
        lab.fault("custom", "server_error")
        assert [(await ask(lab, client)).status_code for _ in range(3)] == [500, 200, 200]


def test_an_unknown_fault_cannot_be_scripted() -> None:
    with pytest.raises(KeyError):
        Lab().fault("custom", "no such fault")


@pytest.mark.anyio
async def test_limits_are_kept() -> None:
    clock = Clock()
    async with running(limits={"custom": Limit(2, 60, clock=clock, wall=clock)}) as (lab, client):
        assert [(await ask(lab, client)).status_code for _ in range(3)] == [200, 200, 429]
        assert (await ask(lab, client, "groq")).status_code == 200


@pytest.mark.anyio
async def test_a_slow_first_token_comes_when_the_test_says_so() -> None:
    paused = asyncio.Event()

    async def pause() -> None:
        paused.set()

    async with running(pause=pause) as (lab, client):
        response = await ask(
            lab, client, body={"stream": True}, headers={"x-lab-fault": "slow_first_token"}
        )
        assert "hello" in response.text

    assert paused.is_set()


@pytest.mark.anyio
async def test_models_calls_and_a_page() -> None:
    async with running() as (lab, client):
        await ask(lab, client)
        root = f"http://127.0.0.1:{lab.port}"
        assert (await client.get(f"{root}/lab/calls")).json() == [
            {"provider": "custom", "model": "m", "fault": "ok"}
        ]
        for provider in BASE_PATHS:
            assert "lab-model" in (await client.get(lab.base_url(provider) + "/models")).text
        page = (await client.get(root)).text
        assert all(name in page for name in (*BASE_PATHS, *FAULTS))


@pytest.mark.anyio
async def test_an_unknown_path() -> None:
    async with running() as (lab, client):
        for path in ("/", "/nobody/v1/chat/completions", "/custom/v1/messages"):
            response = await client.post(
                f"http://127.0.0.1:{lab.port}{path}", json=CHAT, headers=KEY
            )
            assert response.status_code == 404

    assert lab.calls == []
