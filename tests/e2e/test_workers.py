"""Several processes on one port behave as one."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.process import TERMINATE, Process, ask, gateway
from tests.e2e.test_life import KEY, SlowLab

WORKERS = 2


@pytest.fixture
def lab() -> Iterator[SlowLab]:
    slow = SlowLab()
    slow.open()
    try:
        yield slow
    finally:
        slow.stop()


@pytest.fixture
def process(tmp_path: Path, lab: SlowLab) -> Iterator[Process]:
    (tmp_path / "config.toml").write_text(
        f'[server]\nport = 0\nworkers = {WORKERS}\n[models.a]\nprovider = "openai"\nmodel = "gpt-4o"\n'
        f'baseUrl = "{lab.lab.base_url("openai")}"\n[models.b]\nprovider = "custom"\nmodel = "b"\n'
        f'baseUrl = "{lab.lab.base_url("custom")}"\n[agents.dev]\nmodels = ["a", "b"]\n[log]\nformat = "json"\n'
    )
    with gateway(tmp_path, env=KEY) as running:
        yield running


def workers_of(process: Process) -> list[int]:
    children = Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def many(process: Process, calls: int) -> list[str]:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(process.url), range(calls)))
    assert {answer.status_code for answer in answers} == {200}
    return [answer.headers["x-gateway-attempts"] for answer in answers]


def test_all_calls_are_counted_once(process: Process) -> None:
    many(process, 40)
    text = httpx.get(f"{process.url}/metrics").text
    counted = re.search(r'gateway_requests_total{agent="dev",status="200"} (\S+)', text)
    assert counted is not None
    assert float(counted[1]) == 40
    assert len(workers_of(process)) == WORKERS


def test_one_429_spares_them_all(process: Process, lab: SlowLab) -> None:
    lab.lab.fault("openai", "rate_limit_bare")
    assert ask(process.url).headers["x-gateway-attempts"] == "a;429;cooldown=60, b;200"
    many(process, 2)  # whoever was not told by now has been
    assert set(many(process, 40)) == {"b;200"}


def test_a_worker_that_dies_is_replaced(process: Process) -> None:
    first = workers_of(process)
    os.kill(first[0], signal.SIGKILL)
    process.until("ended by itself")
    many(process, 10)
    assert len(workers_of(process)) == WORKERS


def test_they_stop_as_one(process: Process) -> None:
    many(process, 4)
    process.kill(TERMINATE)
    assert process.wait() == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{process.url}/livez")
