"""A real server in a temporary directory, on a unix socket and on loopback: `redis-server`,
`valkey-server`, or the program that `$REDIS_SERVER` names."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest

PROGRAM: Final = (
    os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server")
)
START_S: Final = 30.0

needs_redis = pytest.mark.skipif(
    PROGRAM is None, reason="redis-server is not installed (Debian: apt install redis-server)"
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


class RedisServer:
    """One server. `options` are those of its command line; `inside` is a command that runs it."""

    def __init__(
        self, folder: Path, *options: str, port: int = 0, inside: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.path = folder / f"r{port}.sock"
        self.port = port
        self._options = options
        self._inside = inside
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def start(self) -> None:
        assert PROGRAM is not None
        command = [
            *self._inside, PROGRAM,
            "--port", str(self.port), "--unixsocket", str(self.path), "--dir", str(self.folder),
            "--save", "", "--appendonly", "no", "--loglevel", "warning",
            *self._options,
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < deadline, f"{PROGRAM} does not start"

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.settimeout(1.0)
                sock.connect(str(self.path))
                sock.sendall(b"PING\r\n")
                return bool(sock.recv(64))
        except OSError:
            return False

    def client(self, **options: Any) -> Any:
        """A plain client, for a test to look at the server with."""
        from redis import Redis

        return Redis(unix_socket_path=str(self.path), protocol=2, **options)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.path.unlink(missing_ok=True)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


@contextmanager
def running() -> Iterator[RedisServer]:
    """A server in a folder of its own. Its end does not wait for it, frozen or not."""
    with TemporaryDirectory() as folder:
        found = RedisServer(Path(folder))
        try:
            yield found
        finally:
            found.stop()


class Sentinel:
    """A sentinel that knows one primary on loopback as `main`, and soon misses it."""

    def __init__(self, folder: Path, primary: int) -> None:
        self.port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor main 127.0.0.1 {primary} 1\n"
            "sentinel down-after-milliseconds main 300\n"
            "sentinel failover-timeout main 2000\n"
        )
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [PROGRAM, str(config), "--sentinel"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.port}/main"

    def knows_replicas(self) -> int:
        from redis import Redis
        from redis.exceptions import RedisError

        try:
            with Redis(port=self.port, protocol=2) as client:
                return int(client.sentinel_master("main")["num-slaves"])
        except (RedisError, KeyError):
            return 0

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
