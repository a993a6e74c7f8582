"""`GET /status`: the report of `reports/status.py`, for the client that asks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gateway.app import App
from gateway.inbound.status import StatusEndpoint
from gateway.types import Call
from tests.inbound.asgi import Answer, Client, ask, make, scope
from tests.makers import call as make_call
from tests.makers import model


def facts() -> dict[str, Any]:
    return {"status": "serving", "version": "1", "uptime_s": 1.0, "in_flight": 2, "waiting": 0}


async def status_of(app: App, calls: Iterable[Call] = (), **headers: str) -> Answer:
    """The answer of an endpoint to which `calls` are under way, 3.5 seconds after they arrived."""
    endpoint = StatusEndpoint(lambda: app.gateway, app.breaker, facts, lambda: calls, lambda: 103.5)
    client = Client()
    await endpoint(scope("GET", "/status", headers), client.receive, client.send)
    return client.answer


@pytest.mark.anyio
async def test_the_calls_under_way_are_listed(tmp_path: Path) -> None:
    app = make(tmp_path)
    answer = await status_of(app, [make_call(model(), received_at=100.0, stream=True)])
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["calls"] == [
        {
            "id": "req_1", "agent": "dev", "client": "tests", "model": None, "attempts": [],
            "waiting": True,
            "seconds": 3.5, "stream": True,
        }
    ]  # fmt: skip


@pytest.mark.anyio
async def test_a_client_sees_the_agents_that_its_key_may_use(tmp_path: Path) -> None:
    app = make(tmp_path)
    everything, limited = app.keys.add("all"), app.keys.add("ci", ["other"])
    assert (await status_of(app)).status == 401
    assert [
        agent["agent"]
        for agent in (await status_of(app, authorization=f"Bearer {everything}")).json["agents"]
    ] == ["dev"]
    assert (await status_of(app, authorization=f"Bearer {limited}")).json["agents"] == []


def test_the_running_gateway_answers_with_every_documented_key(tmp_path: Path) -> None:
    body = ask(make(tmp_path), "GET", "/status").json
    assert set(body) == {
        "status",
        "version",
        "uptime_s",
        "in_flight",
        "waiting",
        "agents",
        "calls",
        "limits",
        "cluster",
    }
    (agent,) = body["agents"]
    (shown,) = agent["chain"]
    assert set(shown) == {
        "model",
        "provider",
        "id",
        "state",
        "cooldown_left_s",
        "reason",
        "kind",
        "full",
        "has_key",
    }
