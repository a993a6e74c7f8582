"""Several processes on one port behave as one."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from gateway.inbound.keys import at_home
from tests.e2e.process import TERMINATE, Process, ask, gateway
from tests.e2e.slow_lab import KEY, SlowLab

WORKERS = 2


@pytest.fixture
def lab(lab: SlowLab) -> SlowLab:
    """Its streams do not stop."""
    lab.open()
    return lab


def configure(
    folder: Path, lab: SlowLab, more: str = "", chain: Sequence[str] = ("a", "b")
) -> None:
    """An agent `dev`. `more` follows the table of b."""
    (folder / "config.toml").write_text(
        f"[server]\nport = 0\nworkers = {WORKERS}\n[agents.dev]\nmodels = "
        f'{list(chain)}\n[log]\nformat = "json"\n'
        f'[models.a]\nprovider = "openai"\nmodel = "gpt-4o"\nbaseUrl = '
        f'"{lab.lab.base_url("openai")}"\n'
        f'[models.b]\nprovider = "custom"\nmodel = "b"\nbaseUrl = '
        f'"{lab.lab.base_url("custom")}"\n{more}\n'
    )


@pytest.fixture
def process(tmp_path: Path, lab: SlowLab) -> Iterator[Process]:
    configure(tmp_path, lab)
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
    many(process, 2)  # each worker has received the news by now
    assert set(many(process, 40)) == {"b;200"}


def test_a_worker_that_dies_is_replaced(process: Process) -> None:
    first = workers_of(process)
    os.kill(first[0], signal.SIGKILL)
    process.until("ended unexpectedly")
    many(process, 10)
    assert len(workers_of(process)) == WORKERS


def test_they_share_the_slots_of_a_model(tmp_path: Path) -> None:
    """With a count of its own, each worker would send two calls at a time."""
    slow = SlowLab()
    configure(tmp_path, slow, "maxConcurrent = 2\n[fallback]\nmaxWaitSeconds = 0", chain=["b"])
    body = {"model": "dev", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    with gateway(tmp_path, env=KEY) as process, ExitStack() as stack:
        answers = []
        # each has a connection of its own, which the kernel gives to either worker
        for _ in range(12):
            client = stack.enter_context(httpx.Client(timeout=20))
            request = client.build_request("POST", f"{process.url}/v1/chat/completions", json=body)
            answers.append(client.send(request, stream=True))
        assert sorted(answer.status_code for answer in answers) == [200] * 2 + [503] * 10
        slow.open()
        for answer in answers:
            answer.read()
        assert ask(process.url).status_code == 200, "the slots are free again"
    slow.stop()


def test_one_of_them_tests_a_model_after_its_cooldown(tmp_path: Path, lab: SlowLab) -> None:
    configure(tmp_path, lab, "[breaker]\ncooldownSeconds = 1")
    lab.lab.fault("openai", "rate_limit_bare")
    with gateway(tmp_path, env=KEY) as process:
        assert ask(process.url).headers["x-gateway-attempts"] == "a;429;cooldown=1, b;200"
        seen: list[str] = []
        while not any("a;429" in each for each in seen):
            seen = many(process, 16)
        assert sum("a;429" in each for each in seen) == 1


def test_a_worker_that_starts_later_knows_the_open_circuits(process: Process, lab: SlowLab) -> None:
    lab.lab.fault("openai", "rate_limit_bare")
    ask(process.url)
    for worker in workers_of(process):
        os.kill(worker, signal.SIGKILL)
    process.until("ended unexpectedly")
    lab.lab.fault("openai", "ok")
    assert set(many(process, 20)) == {"b;200"}


def test_an_answer_is_continued_wherever_the_next_request_goes(process: Process) -> None:
    previous = None
    # each over a connection of its own, which the kernel gives to either worker
    for number in range(12):
        body = {"model": "dev", "input": f"turn {number}", "previous_response_id": previous}
        answer = httpx.post(f"{process.url}/v1/responses", json=body, timeout=20)
        assert answer.status_code == 200, answer.text
        previous = answer.json()["id"]
        assert httpx.get(f"{process.url}/v1/responses/{previous}").json()["id"] == previous
    assert httpx.delete(f"{process.url}/v1/responses/{previous}").status_code == 200
    gone = [httpx.get(f"{process.url}/v1/responses/{previous}").status_code for _ in range(8)]
    assert gone == [404] * 8


def test_all_workers_stop_together(process: Process) -> None:
    many(process, 4)
    process.kill(TERMINATE)
    assert process.wait() == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{process.url}/livez")


def test_they_share_one_budget(tmp_path: Path) -> None:
    """With a count of its own, each worker would let ten calls pass. A replaced worker knows what
    was spent."""
    slow = SlowLab()
    configure(tmp_path, slow, '[limits]\nbudget = "10500 tokens/month"', chain=["b"])
    body = {"model": "dev", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    with gateway(tmp_path, env=KEY) as process, ExitStack() as stack:
        answers = []
        # each may take 1,000 tokens and its prompt, and is under way until the gate opens
        for _ in range(20):
            client = stack.enter_context(httpx.Client(timeout=20))
            request = client.build_request("POST", f"{process.url}/v1/chat/completions", json=body)
            answers.append(client.send(request, stream=True))
        assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 10
        slow.open()
        for answer in answers:
            answer.read()
        while spent(process, "reserved"):  # the last bytes leave a moment before the settlement
            pass
        used = {spent(process) for _ in range(6)}
        assert len(used) == 1, "every worker says the same"
        for worker in workers_of(process):
            os.kill(worker, signal.SIGKILL)
        process.until("ended unexpectedly")
        assert {spent(process)} == used
        text = httpx.get(f"{process.url}/metrics").text
        assert 'gateway_limit_cap{limit="gateway",per="month",unit="tokens"} 10500.0' in text
    slow.stop()


def spent(process: Process, key: str = "used") -> float:
    """What is used of the only limit, as one of the workers says."""
    # a connection of its own, which the kernel gives to either worker
    with httpx.Client() as client:
        (row,) = client.get(f"{process.url}/status").json()["limits"]
    return float(row[key])


def test_a_session_of_the_page_is_known_to_every_worker(tmp_path: Path, lab: SlowLab) -> None:
    configure(tmp_path, lab)
    keys = at_home({}, tmp_path, time.monotonic, time.time)
    admin = keys.add("me", admin=True)
    html = {"accept": "text/html"}
    with gateway(tmp_path, env=KEY) as running:
        begun = httpx.post(running.url, data={"key": admin}, headers=html)
        cookie = {"cookie": begun.headers["set-cookie"].partition(";")[0]}
        seen = [httpx.get(running.url, headers={**html, **cookie}).status_code for _ in range(8)]
        without = httpx.get(running.url, headers=html).status_code
    assert (begun.status_code, set(seen), without) == (303, {200}, 401)
