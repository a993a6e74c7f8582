"""A model with several accounts: one fails, the next answers, and every report names the
account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from gateway.config import schema
from gateway.lab import Lab
from gateway.observe.ledger import Ledger
from gateway.observe.ledger_read import Filters, calls, usage
from tests.e2e.harness import IDS, Running

PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
STORE = ".action-llama/credentials/openai_key"
POOL = ["openai_key:a", "openai_key:b"]


def root(lab: Lab) -> schema.Root:
    gpt = schema.Model(
        provider="openai", model=IDS["openai"], base_url=lab.base_url("openai"), credential=POOL
    )
    spare = schema.Model(provider="custom", model=IDS["custom"], base_url=lab.base_url("custom"))
    return schema.Root(
        models={"gpt": gpt, "spare": spare},
        agents={"dev": schema.Agent(models=["gpt", "spare"])},
        fallback=schema.Fallback(max_wait_seconds=0),
    )


@contextmanager
def pooled(home: Path) -> Iterator[Running]:
    """A running gateway with an agent `dev`: a model of two accounts, then another one."""
    for account in "ab":
        folder = home / STORE / account
        folder.mkdir(parents=True)
        (folder / "token").write_text(f"sk-{account}")
    ledger = Ledger(home / "ledger.db", 90)
    ledger.start()
    running = Running(home, ledger=ledger)
    running.start(root)
    try:
        yield running
    finally:
        running.stop()
        ledger.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Running]:
    with pooled(tmp_path) as running:
        yield running


def post(
    gateway: Running, api: str = "chat", name: str = "dev", *, stream: bool = False
) -> httpx.Response:
    said = "Hi" if api == "responses" else [{"role": "user", "content": "Hi"}]
    field = "input" if api == "responses" else "messages"
    body = {"model": name, field: said, "max_tokens": 99, "stream": stream}
    if api == "responses":
        del body["max_tokens"]
    return httpx.post(gateway.url + PATHS[api], json=body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("api", list(PATHS))
@pytest.mark.parametrize("name", ["dev", "gpt"])
def test_the_second_account_answers_for_the_first(
    gateway: Running, api: str, name: str, stream: bool
) -> None:
    gateway.lab.fault("openai", "rate_limit", "ok")
    answer = post(gateway, api, name, stream=stream)
    first, second = answer.headers["x-gateway-attempts"].split(", ")
    assert answer.status_code == 200
    assert first.startswith("gpt@a;429;cooldown=")
    assert second == "gpt@b;200"
    assert answer.headers["x-gateway-model"] == "gpt@b"
    assert post(gateway, api, name, stream=stream).headers["x-gateway-attempts"] == "gpt@b;200"


@pytest.mark.parametrize("fault", ["quota", "bad_key"])
def test_an_account_that_is_refused_stops_no_other(gateway: Running, fault: str) -> None:
    gateway.lab.fault("openai", fault, "ok")
    attempts = post(gateway).headers["x-gateway-attempts"].split(", ")
    assert [each.split(";")[0] for each in attempts] == ["gpt@a", "gpt@b"]
    assert post(gateway).headers["x-gateway-attempts"] == "gpt@b;200"


def test_the_next_model_follows_the_last_account(gateway: Running) -> None:
    gateway.lab.fault("openai", "rate_limit")
    attempts = post(gateway).headers["x-gateway-attempts"].split(", ")
    assert [each.split(";")[0] for each in attempts] == ["gpt@a", "gpt@b", "spare"]
    alone = post(gateway, name="gpt")
    assert alone.status_code == 429
    assert [each.split(";")[0] for each in alone.headers["x-gateway-attempts"].split(", ")] == [
        "gpt@a",
        "gpt@b",
    ]


def test_lists_have_the_one_name_of_a_pool(gateway: Running) -> None:
    listed = httpx.get(gateway.url + "/v1/models").json()["data"]
    assert [item["id"] for item in listed] == ["dev", "gpt", "spare"]
    tags = httpx.get(gateway.url + "/api/tags").json()["models"]
    assert [tag["name"] for tag in tags] == ["dev", "gpt", "spare"]


def test_ledger_and_metrics_name_the_account(tmp_path: Path) -> None:
    with pooled(tmp_path) as gateway:
        gateway.lab.fault("openai", "rate_limit", "ok")
        post(gateway)
        metrics = httpx.get(gateway.url + "/metrics").text
    assert 'model="gpt@a"' in metrics
    assert 'model="gpt@b"' in metrics
    (call,) = calls(tmp_path / "ledger.db", Filters(), 9)
    assert (call["model"], call["model_id"]) == ("gpt@b", IDS["openai"])
    assert [each["group"] for each in usage(tmp_path / "ledger.db", "model", Filters())] == [
        "gpt@b"
    ]
