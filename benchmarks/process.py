"""Starts what is measured and what measures, waits until it is ready, and ends it."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Cores, pinned
from benchmarks.native import Unable, built

READY_S = 120.0
STOP_S = 10.0
LOOK_S = 0.002


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server."""

    command: Sequence[str]
    port: int
    env: Mapping[str, str]
    folder: Path
    """Its working directory; its output goes to `output.log` there."""
    ready_path: str | None = None
    """A path that answers 200 when it is ready; None when accepting a connection is enough."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is ready."""

    pid: int
    port: int
    ready_s: float
    """From its start to its first answer; 0 where it was running already."""


def free_port() -> int:
    """A port that nobody listens on, just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(launch: Launch, cores: Cores) -> Iterator[Running]:
    """A server as a context. Raises `Unable` when it does not get ready."""
    output = launch.folder / "output.log"
    began = time.monotonic()
    with output.open("ab") as log, pinned(cores.target):
        try:
            process = subprocess.Popen(
                launch.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=launch.env,
                cwd=launch.folder,
            )
        except OSError as error:
            raise Unable(f"cannot start {launch.command[0]}: {error.strerror}") from error
    try:
        _wait_until_ready(launch, process, output, began + READY_S)
        yield Running(process.pid, launch.port, time.monotonic() - began)
    finally:
        _stop(process)


@contextmanager
def mock(cores: Cores, port: int = 0) -> Iterator[Running]:
    """The mock provider; 0 is a port of the system's choice. Raises `Unable` when the port is
    taken."""
    command = [str(built("mock")), str(port)]
    with pinned(cores.helpers):
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
    try:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        if len(said) != 2:
            raise Unable(f"the mock provider did not start on port {port or 'any'}")
        yield Running(process.pid, int(said[1]), 0.0)
    finally:
        _stop(process)
        if process.stdout is not None:
            process.stdout.close()


def _wait_until_ready(
    launch: Launch, process: subprocess.Popen[bytes], output: Path, until: float
) -> None:
    while not _is_ready(launch.port, launch.ready_path):
        if process.poll() is not None or time.monotonic() > until:
            why = "ended" if process.poll() is not None else "did not get ready"
            tail = output.read_text(errors="replace")[-2000:]
            raise Unable(f"{launch.command[0]} {why}:\n{tail}")
        time.sleep(LOOK_S)


def _is_ready(port: int, path: str | None) -> bool:
    try:
        if path is None:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False


def _stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    if process.poll() is None:
        process.kill()
        process.wait()
