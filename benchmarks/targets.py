"""What is measured: the gateway, nginx, the mock itself without anything between, peers, and any
given URL.

A target knows how to be started, and where a workload's request has to go. All of them get the same
request body; they differ in the path and the headers.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from benchmarks import conf
from benchmarks.machine import Cores
from benchmarks.native import Unable
from benchmarks.process import Launch, Running, free_port, running
from benchmarks.workloads import Workload, native_path

ROOT: Final = Path(__file__).parent.parent
CHAT_PATH: Final = "/v1/chat/completions"
WARM_LONG_S: Final = 3.0
"""For systems that may compile while they run: anything else would make them look worse than they
are."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a target is started with."""

    mock: Running
    folder: Path
    """For files; there is a new one for each start."""
    cores: Cores


@dataclass(frozen=True, slots=True)
class Address:
    """Where a workload's request goes."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Target(Protocol):
    """A system that is measured."""

    @property
    def name(self) -> str: ...

    @property
    def restarts(self) -> bool:
        """Whether it can be started again: then its start and its idle memory are measured."""
        ...

    @property
    def warm_s(self) -> float:
        """How long it is asked before its figures count."""
        ...

    def started(self, place: Place) -> Iterator[Running]:
        """Yields once, while it is running. Raises `Unable`."""
        ...

    def address(self, workload: Workload, mock_port: int) -> Address:
        """Where this workload's request goes."""
        ...


@contextmanager
def serving(target: Target, place: Place) -> Iterator[Running]:
    """A target as a context. Raises `Unable`."""
    place.folder.mkdir(parents=True)
    yield from target.started(place)


class Direct:
    """Nothing between the load generator and the mock: what the latency of the others is to be
    compared with."""

    name = "direct"
    restarts = False
    warm_s = 0.3

    def started(self, place: Place) -> Iterator[Running]:
        yield place.mock

    def address(self, workload: Workload, mock_port: int) -> Address:
        return Address(native_path(workload))


class Nginx:
    """`proxy_pass` with keep-alive, one worker: nothing is parsed, nothing translated. What is hard
    to beat."""

    name = "nginx"
    restarts = True
    warm_s = 0.3

    def __init__(self) -> None:
        self._program = shutil.which("nginx") or shutil.which(
            "nginx", path="/usr/sbin:/usr/local/sbin"
        )
        if self._program is None:
            raise Unable(
                "nginx is not installed, so there are no ratios (on Debian: apt-get install "
                "nginx-light)"
            )

    def started(self, place: Place) -> Iterator[Running]:
        port, file = free_port(), place.folder / "nginx.conf"
        file.write_text(conf.nginx(port, place.mock.port, place.folder, as_root=os.geteuid() == 0))
        command = [str(self._program), "-p", str(place.folder), "-c", str(file)]
        with running(Launch(command, port, os.environ, place.folder), place.cores) as it:
            yield it

    def address(self, workload: Workload, mock_port: int) -> Address:
        return Address(native_path(workload))


class Gateway:
    """This gateway, with everything switched on: client keys, breaker, metrics, ledger, the log of
    calls."""

    restarts = True
    warm_s = 0.3

    def __init__(self, workers: int = 1, name: str = "", more: str = "") -> None:
        """`more` is added to the configuration."""
        self.name = name or ("gateway" if workers == 1 else f"gateway-{workers}-workers")
        self._workers = workers
        self._more = more
        self._key = ""

    def started(self, place: Place) -> Iterator[Running]:
        port, file = free_port(), place.folder / "bench.toml"
        text = conf.gateway(place.mock.port, place.folder, self._workers)
        file.write_text(text + self._more)
        env = self._env(place.folder)
        self._key = _gateway(["keys", "add", "bench"], env, place.folder)
        command = [
            sys.executable,
            "-m",
            "gateway",
            "serve",
            "--config",
            str(file),
            "--port",
            str(port),
        ]
        with running(Launch(command, port, env, place.folder, "/readyz"), place.cores) as it:
            yield it

    def address(self, workload: Workload, mock_port: int) -> Address:
        return Address(CHAT_PATH, {"authorization": f"Bearer {self._key}"})

    @staticmethod
    def _env(folder: Path) -> dict[str, str]:
        """Nothing of the user's own: no keys, no store, no ledger."""
        names = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
        return {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "GATEWAY_KEYS": str(folder / "keys.json"),
            "AL_CREDENTIALS_DIR": str(folder / "credentials"),
            **dict.fromkeys(names, "bench"),
        }


class Peer:
    """Another gateway, started with a command of the user's that has `{port}` and perhaps
    `{config}` in it."""

    restarts = True
    warm_s = WARM_LONG_S

    def __init__(self, name: str, command: str, ready_path: str | None) -> None:
        self.name = name
        self._command = command
        self._ready_path = ready_path
        self._key = f"sk-{secrets.token_hex(32)}"

    def started(self, place: Place) -> Iterator[Running]:
        port, file = free_port(), place.folder / "config.json"
        file.write_text(json.dumps(conf.litellm(place.mock.port, self._key)))  # JSON is YAML too
        command = shlex.split(self._command.format(port=port, config=file))
        with running(
            Launch(command, port, os.environ, place.folder, self._ready_path), place.cores
        ) as it:
            yield it

    def address(self, workload: Workload, mock_port: int) -> Address:
        if self.name == "portkey":
            return Address(CHAT_PATH, conf.portkey(workload, mock_port))
        return Address(CHAT_PATH, {"authorization": f"Bearer {self._key}"})


class Given:
    """A server that is running already and was told about the mock by the user, who also says which
    process it is."""

    name = "given"
    restarts = False
    warm_s = WARM_LONG_S

    def __init__(self, base_url: str, pid: int, key: str) -> None:
        parts = urlsplit(base_url)
        if (
            parts.scheme != "http"
            or parts.hostname not in ("127.0.0.1", "localhost")
            or not parts.port
        ):
            raise Unable(
                "--base-url must look like http://127.0.0.1:PORT/v1: only what runs here can be "
                "measured"
            )
        self._running = Running(pid, parts.port, 0.0)
        self._path = parts.path.rstrip("/") + "/chat/completions"
        self._key = key

    def started(self, place: Place) -> Iterator[Running]:
        yield self._running

    def address(self, workload: Workload, mock_port: int) -> Address:
        return Address(self._path, {"authorization": f"Bearer {self._key}"})


def _gateway(arguments: list[str], env: Mapping[str, str], folder: Path) -> str:
    """What a command of the gateway prints. Raises `Unable`."""
    command = [sys.executable, "-m", "gateway", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder)
    if run.returncode != 0:
        raise Unable(f"gateway {' '.join(arguments)} failed:\n{run.stderr}")
    return run.stdout.strip()
