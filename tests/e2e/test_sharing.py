"""Many calls share the models: limits, waiting, fairness, models without remaining quota, and
keys that are fixed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from gateway.config import schema
from gateway.lab import Lab, Limit
from gateway.lab.answers import WORDS
from tests.e2e.harness import Running, chains

TEXT = " ".join(WORDS)
Edit = Callable[[schema.Root], schema.Root]


@contextmanager
def shared(
    home: Path, edit: Edit, *agents: str, limits: dict[str, Limit] | None = None
) -> Iterator[Running]:
    gateway = Running(home, limits)

    def root(lab: Lab) -> schema.Root:
        return edit(chains(lab, *agents, first_token_seconds=5, answer_seconds=5))

    gateway.start(root)
    try:
        yield gateway
    finally:
        gateway.stop()


def change(root: schema.Root, table: str, **changes: Any) -> schema.Root:
    return msgspec.structs.replace(
        root, **{table: msgspec.structs.replace(getattr(root, table), **changes)}
    )


def limited(root: schema.Root, model: str, calls: int) -> schema.Root:
    models = {
        **root.models,
        model: msgspec.structs.replace(root.models[model], max_concurrent=calls),
    }
    return msgspec.structs.replace(root, models=models)


def ask(gateway: Running, agent: str, **more: Any) -> httpx.Response:
    body = {"model": agent, "messages": [{"role": "user", "content": "Hello"}], **more}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=20)


def test_a_full_model_is_passed_by(tmp_path: Path) -> None:
    with shared(tmp_path, lambda root: limited(root, "custom", 1), "custom>openai") as gateway:
        gateway.lab.fault("custom", "stall")
        body = {
            "model": "custom>openai",
            "messages": [{"role": "user", "content": "Hello"}],
            "stream": True,
        }
        with httpx.stream(
            "POST", f"{gateway.url}/v1/chat/completions", json=body, timeout=20
        ) as first:
            lines = first.iter_lines()
            next(lines)
            second = ask(gateway, "custom>openai")
        assert second.headers["x-gateway-attempts"] == "openai;200"


def test_calls_wait_for_a_place_and_all_are_answered(tmp_path: Path) -> None:
    def edit(root: schema.Root) -> schema.Root:
        return change(limited(root, "custom", 2), "fallback", max_wait_seconds=20)

    with shared(tmp_path, edit, "custom") as gateway, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: ask(gateway, "custom"), range(24)))
        assert [answer.status_code for answer in answers] == [200] * 24
        assert len(gateway.app.room) == 0
        assert "slots={}" in repr(gateway.app.shared)


def test_calls_that_wait_for_a_slot_of_a_model_that_is_cooling_down_keep_waiting(
    tmp_path: Path,
) -> None:
    def edit(root: schema.Root) -> schema.Root:
        return change(
            change(limited(root, "custom", 1), "fallback", max_wait_seconds=20),
            "breaker",
            cooldown_seconds=1,
        )

    with shared(tmp_path, edit, "custom") as gateway, ThreadPoolExecutor(4) as pool:
        gateway.lab.fault("custom", "rate_limit_bare", "ok")
        answers = list(pool.map(lambda _: ask(gateway, "custom"), range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4
        assert "slots={}" in repr(gateway.app.shared)


def test_no_more_calls_than_the_gateway_takes(tmp_path: Path) -> None:
    with shared(tmp_path, lambda root: change(root, "server", max_calls=1), "custom") as gateway:
        gateway.lab.fault("custom", "stall", "ok")
        body = {
            "model": "custom",
            "messages": [{"role": "user", "content": "Hello"}],
            "stream": True,
        }
        with httpx.stream(
            "POST", f"{gateway.url}/v1/chat/completions", json=body, timeout=20
        ) as first:
            lines = first.iter_lines()
            next(lines)
            refused = ask(gateway, "custom")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "too_many_calls"
        assert refused.headers["retry-after"] == "1"


def test_a_full_waiting_room_answers_at_once(tmp_path: Path) -> None:
    def edit(root: schema.Root) -> schema.Root:
        return change(root, "fallback", max_wait_seconds=20, max_waiting=1)

    with shared(tmp_path, edit, "custom") as gateway, ThreadPoolExecutor(1) as pool:
        gateway.lab.fault("custom", "rate_limit")
        waiting = pool.submit(ask, gateway, "custom")
        gateway.run(until(lambda: len(gateway.app.room) == 1))
        refused = ask(gateway, "custom")
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 7
        gateway.lab.fault("custom", "ok")
        gateway.run(wake(gateway))
        assert waiting.result(20).status_code == 200


async def until(condition: Callable[[], bool]) -> None:
    import asyncio

    while not condition():
        await asyncio.sleep(0.005)


async def wake(gateway: Running) -> None:
    gateway.app.breaker.key_changed(gateway.app.gateway.models["custom"].key)


def test_a_model_is_left_before_its_429(tmp_path: Path) -> None:
    limit = Limit(2, 60.0, clock=lambda: 0.0, wall=lambda: 1_800_000_000.0)
    with shared(tmp_path, lambda root: root, "openai>custom", limits={"openai": limit}) as gateway:
        models = [ask(gateway, "openai>custom").headers["x-gateway-attempts"] for _ in range(3)]
    assert models == ["openai;200", "openai;200", "custom;200"]


def test_or_not_if_that_is_not_wanted(tmp_path: Path) -> None:
    limit = Limit(2, 60.0, clock=lambda: 0.0, wall=lambda: 1_800_000_000.0)
    edit: Edit = lambda root: change(root, "breaker", leave_early=False)  # noqa: E731
    with shared(tmp_path, edit, "openai>custom", limits={"openai": limit}) as gateway:
        models = [ask(gateway, "openai>custom").headers["x-gateway-attempts"] for _ in range(3)]
    assert models[2].startswith("openai;429")


def test_heartbeats_before_the_first_content(tmp_path: Path) -> None:
    edit: Edit = lambda root: change(  # noqa: E731
        root,
        "timeouts",
        heartbeat_before_commit=True,
        heartbeat_seconds=0.02,
        first_token_seconds=0.3,
    )
    with shared(tmp_path, edit, "custom>openai", "custom") as gateway:
        gateway.lab.fault("custom", "silent")
        answer = ask(gateway, "custom>openai", stream=True)
        assert answer.text.startswith(": \n\n")
        assert answer.text.endswith("data: [DONE]\n\n")
        failed = ask(gateway, "custom", stream=True)
        assert failed.status_code == 200
        assert "[DONE]" not in failed.text
        error = json.loads(failed.text.rstrip().rpartition("data: ")[2])["error"]
        assert error["code"] == "upstream_timeout"


def test_a_key_that_is_fixed_serves_the_next_call(tmp_path: Path) -> None:
    with shared(tmp_path, lambda root: root, "openai>custom") as gateway:
        gateway.lab.fault("openai", "bad_key", "ok")
        assert ask(gateway, "openai>custom").headers["x-gateway-model"] == "custom"
        assert ask(gateway, "openai>custom").headers["x-gateway-attempts"] == "custom;200"
        gateway.app.look_for_new_keys()
        assert ask(gateway, "openai>custom").headers["x-gateway-attempts"] == "custom;200"
        store = gateway.app.credentials.store / "openai_key/default/token"
        store.parent.mkdir(mode=0o700, parents=True)
        store.write_text("another")
        gateway.app.look_for_new_keys()
        assert ask(gateway, "openai>custom").headers["x-gateway-attempts"] == "openai;200"


def test_one_agent_cannot_starve_another(tmp_path: Path) -> None:
    """Ten calls of one agent wait before one call of another; the other is served second, not
    eleventh."""

    def edit(root: schema.Root) -> schema.Root:
        agents = {"many": schema.Agent(models=["custom"]), "one": schema.Agent(models=["custom"])}
        limited_ = change(limited(root, "custom", 1), "fallback", max_wait_seconds=20)
        return msgspec.structs.replace(limited_, agents=agents)

    with shared(tmp_path, edit, "custom") as gateway, ThreadPoolExecutor(11) as pool:
        gateway.lab.fault("custom", "stall", "ok")
        begun, leave = threading.Event(), threading.Event()
        held = pool.submit(hold, gateway, begun, leave)
        assert begun.wait(10)
        order: list[str] = []
        waiting = []
        for number in range(9):
            waiting.append(pool.submit(note, gateway, "many", order))
            gateway.run(until(lambda wanted=number + 1: len(gateway.app.room) == wanted))  # type: ignore[misc]
        waiting.append(pool.submit(note, gateway, "one", order))
        gateway.run(until(lambda: len(gateway.app.room) == 10))
        leave.set()
        held.result(20)
        for each in waiting:
            each.result(20)
        served = [seen.body["messages"][0]["content"] for seen in gateway.lab.calls[1:]]
    assert served.index("one") <= 1
    assert len(served) == 10


def hold(gateway: Running, begun: threading.Event, leave: threading.Event) -> None:
    body = {"model": "many", "messages": [{"role": "user", "content": "first"}], "stream": True}
    with httpx.stream(
        "POST", f"{gateway.url}/v1/chat/completions", json=body, timeout=20
    ) as response:
        lines = response.iter_lines()
        next(lines)
        begun.set()
        leave.wait(20)


def note(gateway: Running, agent: str, order: list[str]) -> None:
    body = {"model": agent, "messages": [{"role": "user", "content": agent}]}
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, timeout=20)
    assert answer.status_code == 200, answer.text
    order.append(agent)
