"""Two gateways as processes: one has a clock that is hours ahead, one is killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.e2e.cluster import until
from tests.e2e.process import Process, ask, gateway
from tests.e2e.slow_lab import KEY, SlowLab
from tests.e2e.test_cluster_network import cluster_of, metrics_of
from tests.e2e.test_life import stream
from tests.redis_server import RedisServer, needs_redis, running

pytestmark = [needs_redis, pytest.mark.anyio]

AHEAD_S: Final = 3 * 3600
LEASE_US: Final = 16e6
"""A little more than what a member's silence may last."""


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running() as found:
        yield found


def clock_ahead() -> dict[str, str]:
    """The environment of a process whose clock is `AHEAD_S` ahead; durations are right."""
    if shutil.which("faketime") is None:
        pytest.skip("faketime is not installed (Debian: apt install faketime)")
    shown = subprocess.run(
        ["faketime", "-f", f"+{AHEAD_S}s", "env"], capture_output=True, check=True, text=True
    ).stdout
    found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    return {
        "LD_PRELOAD": found["LD_PRELOAD"],
        "FAKETIME": found["FAKETIME"],
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def configure(folder: Path, lab: SlowLab, server: RedisServer, limits: str, model: str) -> Path:
    """An agent `dev` with these limits, whose first model has these keys."""
    folder.mkdir()
    (folder / "config.toml").write_text(
        f'[server]\nport = 0\n[agents.dev]\nmodels = ["a", "b"]\n{limits}\n'
        f'[models.a]\nprovider = "openai"\nmodel = "gpt-4o"\n{model}\n'
        f'baseUrl = "{lab.lab.base_url("openai")}"\n'
        f'[models.b]\nprovider = "custom"\nmodel = "b"\n'
        f'baseUrl = "{lab.lab.base_url("custom")}"\n'
        f"[breaker]\ncooldownSeconds = 0.5\n[fallback]\nstickySeconds = 0\n"
        f'[cluster]\nredis = "{server.url}"\nwaitMs = 1000\n'
    )
    return folder


async def both_up(*processes: Process) -> None:
    await until(lambda: all(len(cluster_of(each)["members"]) == 2 for each in processes))


def limit_of(process: Process, per: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = httpx.get(f"{process.url}/status", timeout=20).json()["limits"]
    return next(row for row in rows if row["per"] == per)


def have_state(state: str, *processes: Process) -> bool:
    """Whether the model `a` has this state, as all of them know."""
    for each in processes:
        (agent,) = httpx.get(f"{each.url}/status", timeout=20).json()["agents"]
        if agent["chain"][0]["state"] != state:
            return False
    return True


async def test_a_gateway_whose_clock_is_hours_ahead_agrees_with_the_others(
    tmp_path: Path, lab: SlowLab, server: RedisServer
) -> None:
    lab.open()
    limits = 'budget = "1000000 tokens/hour"\nrate = "10 calls/minute"'
    right, wrong = (
        configure(tmp_path / name, lab, server, limits, "") for name in ("right", "wrong")
    )
    with ExitStack() as stack:
        first = stack.enter_context(gateway(right, env=KEY))
        second = stack.enter_context(gateway(wrong, env={**KEY, **clock_ahead()}))
        await both_up(first, second)
        offset = re.search(r"^gateway_cluster_clock_offset_seconds (\S+)", metrics_of(second), re.M)
        assert offset is not None
        assert round(float(offset[1]) / 60) == -AHEAD_S / 60, "its clock is really ahead"

        answers = [ask((first, second)[number % 2].url) for number in range(12)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
        assert 0 < int(answers[-1].headers["retry-after"]) <= 60
        used = sum(answer.json()["usage"]["total_tokens"] for answer in answers[:10])

        periods = [limit_of(each, "hour")["period"] for each in (first, second, first)]
        assert periods[1] in {periods[0], periods[2]}, "the full hour may be between them"
        if periods[0] == periods[2]:
            await until(lambda: limit_of(second, "hour")["used"] == used)
            assert limit_of(first, "hour")["used"] == used


async def test_a_cooldown_is_as_long_for_a_gateway_whose_clock_is_ahead(
    tmp_path: Path, lab: SlowLab, server: RedisServer
) -> None:
    lab.open()
    right, wrong = (configure(tmp_path / name, lab, server, "", "") for name in ("right", "wrong"))
    with ExitStack() as stack:
        first = stack.enter_context(gateway(right, env=KEY))
        second = stack.enter_context(gateway(wrong, env={**KEY, **clock_ahead()}))
        await both_up(first, second)
        for one, other in ((first, second), (second, first)):
            lab.lab.fault("openai", "rate_limit_bare", "ok")
            assert ask(one.url).headers["x-gateway-attempts"].startswith("a;429")
            await until(partial(have_state, "half_open", first, second))
            assert ask(other.url).headers["x-gateway-attempts"] == "a;200"
            await until(partial(have_state, "closed", first, second))


async def test_what_a_killed_gateway_held_is_free_after_its_lease(
    tmp_path: Path, lab: SlowLab, server: RedisServer
) -> None:
    limits, model = 'budget = "1000000 tokens/day"', "maxConcurrent = 1"
    one, other = (configure(tmp_path / name, lab, server, limits, model) for name in ("a", "b"))
    with ExitStack() as stack:
        killed, left = (stack.enter_context(gateway(each, env=KEY)) for each in (one, other))
        client = stack.enter_context(server.client())
        pool = stack.enter_context(ThreadPoolExecutor(1))
        await both_up(killed, left)
        member = next(
            each["name"] for each in cluster_of(left)["members"] if each["pid"] == killed.popen.pid
        )
        lab.lab.fault("openai", "rate_limit_bare", "ok")
        assert ask(killed.url).headers["x-gateway-attempts"].startswith("a;429")
        await until(partial(have_state, "half_open", killed, left))
        begun = threading.Event()
        running = pool.submit(stream, killed, begun)
        await until(begun.is_set)

        held = limit_of(left, "day")["reserved"]
        assert held > 0
        assert ask(left.url).headers["x-gateway-attempts"] == "b;200", "it holds the one slot"
        os.kill(killed.popen.pid, signal.SIGKILL)
        assert isinstance(running.exception(20), httpx.RemoteProtocolError), "the client is cut"
        assert ask(left.url).headers["x-gateway-attempts"] == "b;200", "the lease goes on"
        client.zincrby("{gw:default}:members", -LEASE_US, member)
        await until(lambda: client.zscore("{gw:default}:members", member) is None)

        lab.open()
        assert ask(left.url).headers["x-gateway-attempts"] == "a;200"
        await until(lambda: limit_of(left, "day")["reserved"] == 0)
        assert limit_of(left, "day")["orphaned"] == held, "it is charged with its estimate"
        assert have_state("closed", left)
