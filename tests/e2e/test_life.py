"""Start, reload, drain, restart: the process as an operator meets it."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway.inbound.keys import Keys
from gateway.lab.answers import WORDS
from tests.e2e.process import HANG_UP, TERMINATE, Process, ask, gateway
from tests.e2e.slow_lab import KEY, SlowLab

TEXT = " ".join(WORDS)


def write(
    folder: Path,
    lab: SlowLab,
    *,
    agent: str = "dev",
    drain_s: float = 20,
    port: int = 0,
    workers: int = 1,
) -> None:
    (folder / "config.toml").write_text(
        f"[server]\nport = {port}\ndrainSeconds = {drain_s}\nworkers = {workers}\n"
        '[models.a]\nprovider = "openai"\nmodel = "gpt-4o"\n'
        f'baseUrl = "{lab.lab.base_url("openai")}"\n[agents.{agent}]\nmodels = ["a"]\n'
    )


def stream(process: Process, begun: threading.Event) -> tuple[list[str], bool]:
    """(the events of one stream, whether it ended with `[DONE]`); `begun` is set at the first
    content."""
    body = {"model": "dev", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    events = []
    with httpx.stream(
        "POST", f"{process.url}/v1/chat/completions", json=body, timeout=20
    ) as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                events.append(line[6:])
                begun.set()
    return events, events[-1] == "[DONE]"


def test_streams_end_before_a_stopped_process_does(tmp_path: Path, lab: SlowLab) -> None:
    write(tmp_path, lab)
    with gateway(tmp_path, env=KEY) as process, ThreadPoolExecutor(5) as pool:
        begun = [threading.Event() for _ in range(5)]
        streams = [pool.submit(stream, process, event) for event in begun]
        assert all(event.wait(10) for event in begun)
        process.kill(TERMINATE)
        process.until("draining: 5 calls")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{process.url}/livez")
        lab.open()
        assert all(done for _, done in (each.result(20) for each in streams))
        assert process.wait() == 0


@pytest.mark.parametrize("reloaded", [False, True])
def test_streams_that_do_not_end_in_time_end_with_an_error(
    tmp_path: Path, lab: SlowLab, reloaded: bool
) -> None:
    write(tmp_path, lab, drain_s=60 if reloaded else 0)
    with gateway(tmp_path, env=KEY) as process, ThreadPoolExecutor(1) as pool:
        begun = threading.Event()
        running = pool.submit(stream, process, begun)
        assert begun.wait(10)
        if reloaded:
            write(tmp_path, lab, drain_s=0)
            process.kill(HANG_UP)
            process.until("reloaded")
        process.kill(TERMINATE)
        events, done = running.result(20)
        assert not done
        assert "shutting down" in events[-1]
        assert process.wait() == 0


@pytest.mark.parametrize("by", ["signal", "file"])
def test_a_reload_is_seen_by_the_next_call_and_loses_none(
    tmp_path: Path, lab: SlowLab, by: str
) -> None:
    write(tmp_path, lab)
    with gateway(tmp_path, env=KEY) as process, ThreadPoolExecutor(1) as pool:
        begun = threading.Event()
        running = pool.submit(stream, process, begun)
        assert begun.wait(10)
        write(tmp_path, lab, agent="other")
        if by == "signal":
            process.kill(HANG_UP)
        process.until("reloaded: 1 agents")
        lab.open()
        assert ask(process.url, "other").json()["choices"][0]["message"]["content"] == TEXT
        assert ask(process.url, "dev").status_code == 404
        assert running.result(20)[1]


def test_a_broken_configuration_does_not_take_over(tmp_path: Path, lab: SlowLab) -> None:
    write(tmp_path, lab)
    lab.open()
    with gateway(tmp_path, env=KEY) as process:
        (tmp_path / "config.toml").write_text("[models.a]\nprovider = 'opnai'\n")
        process.kill(HANG_UP)
        process.until("refused")
        assert ask(process.url).status_code == 200


def test_systemd_is_notified(tmp_path: Path, lab: SlowLab) -> None:
    write(tmp_path, lab)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        with gateway(tmp_path, env={**KEY, "NOTIFY_SOCKET": manager.getsockname()}) as process:
            assert manager.recv(4096).startswith(b"READY=1")
            process.kill(HANG_UP)
            assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(4096).startswith(b"READY=1")
            process.kill(TERMINATE)
            assert manager.recv(4096) == b"STOPPING=1"
            assert process.wait() == 0


def test_a_restart_under_load_refuses_no_client(tmp_path: Path, lab: SlowLab) -> None:
    """The listening socket is systemd's: while one process goes and the next one comes, connections
    wait in it."""
    write(tmp_path, lab)
    lab.open()
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def load() -> list[int]:
            codes = []
            while not stop.is_set():
                codes.append(ask(url).status_code)
            return codes

        with ThreadPoolExecutor(4) as pool:
            with gateway(tmp_path, env=KEY, sockets=(listener,)) as first:
                loads = [pool.submit(load) for _ in range(4)]
                assert first.url == url
                ask(url)
                first.kill(TERMINATE)
                assert first.wait() == 0
            with gateway(tmp_path, env=KEY, sockets=(listener,)):
                ask(url)
                stop.set()
                codes = [code for each in loads for code in each.result(20)]
    assert set(codes) == {200}
    assert len(codes) > 4


def test_an_address_that_is_taken(tmp_path: Path, lab: SlowLab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        write(tmp_path, lab, port=listener.getsockname()[1])
        with (
            pytest.raises(AssertionError, match="else choose another --port"),
            gateway(tmp_path, env=KEY),
        ):
            pass


@pytest.mark.parametrize("workers", [1, 2])
def test_a_socket_that_is_open_to_the_network_is_refused_whichever_process_opened_it(
    tmp_path: Path, lab: SlowLab, workers: int
) -> None:
    write(tmp_path, lab, workers=workers)
    with socket.create_server(("0.0.0.0", 0)) as listener:
        with (
            pytest.raises(AssertionError, match=r"0\.0\.0\.0 is open to the network"),
            gateway(tmp_path, env=KEY, sockets=(listener,)) as process,
        ):
            pass
        Keys(tmp_path / "keys.json", time.monotonic, time.time).add("me")
        env = {**KEY, "GATEWAY_KEYS": str(tmp_path / "keys.json")}
        with gateway(tmp_path, env=env, sockets=(listener,)) as process:
            assert ask(process.url.replace("0.0.0.0", "127.0.0.1")).status_code == 401


@pytest.mark.parametrize("form", ["json", "auto"])
def test_a_journal_gets_records_and_nothing_else(tmp_path: Path, lab: SlowLab, form: str) -> None:
    """The start is one entry, and each problem is one."""
    write(tmp_path, lab)
    with (tmp_path / "config.toml").open("a") as file:
        file.write(f'[models.b]\nprovider = "custom"\nmodel = "m"\n[log]\nformat = "{form}"\n')
    with gateway(tmp_path) as process:
        process.kill(TERMINATE)
        assert process.wait() == 0
        process.until('"keys"')
    records = [json.loads(line) for line in process.lines]
    assert next(record for record in records if "url" in record)["agents"][0]["agent"] == "dev"
    assert [record["level"] for record in records] == ["warning", "info", "warning"]
