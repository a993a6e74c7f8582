"""The gateway as a process of its own, started by its command, as systemd or a shell starts it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx

LIMIT_S = 20.0


class Process:
    """A `gateway serve` that is ready; `lines` is what it has written to standard error."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.lines: list[str] = []
        self.url = ""
        self._ended = False
        self._changed = threading.Condition()
        assert popen.stderr is not None
        self.reader = threading.Thread(target=self._read, args=(popen.stderr,), daemon=True)
        self.reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def until(self, word: str) -> str:
        """The first line that holds `word`, waiting for it."""

        def found() -> str | None:
            return next((line for line in self.lines if word in line), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._ended, LIMIT_S)
            line = found()
        assert line is not None, f"no {word!r} in: {self.lines}"
        return line

    def kill(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait(self) -> int:
        """The exit code, once the process has ended by itself."""
        return self.popen.wait(LIMIT_S)


@contextmanager
def gateway(
    folder: Path,
    *options: str,
    env: Mapping[str, str] | None = None,
    sockets: tuple[socket.socket, ...] = (),
) -> Iterator[Process]:
    """`gateway serve` in `folder`, ready; with `sockets` handed over as systemd does."""
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_COLOR": "1", **(env or {})}
    command = [sys.executable, "-m", "gateway", "serve", *options]
    more: dict[str, Any] = {}
    if sockets:
        # What systemd does: descriptors from 3 on, and the pid of the process itself in
        # $LISTEN_PID.
        command = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *command]
        variables["LISTEN_FDS"] = str(len(sockets))
        more = {"close_fds": False, "preexec_fn": hand_over([sock.fileno() for sock in sockets])}
    popen = subprocess.Popen(
        command, cwd=folder, env=variables, stderr=subprocess.PIPE, text=True, **more
    )
    process = Process(popen)
    try:
        process.url = re.findall(r"listening on +(\S+?)/v1", process.until("listening on"))[0]
        yield process
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.wait()
        process.reader.join()
        assert popen.stderr is not None
        popen.stderr.close()


def hand_over(descriptors: list[int]) -> Callable[[], None]:
    def place() -> None:
        for place_, descriptor in enumerate(descriptors, 3):
            os.dup2(descriptor, place_) if descriptor != place_ else os.set_inheritable(
                place_, True
            )
        os.closerange(3 + len(descriptors), 64)

    return place


def ask(url: str, agent: str = "dev", **more: Any) -> httpx.Response:
    """One call, not streamed unless `more` says so."""
    body = {"model": agent, "messages": [{"role": "user", "content": "Hello"}], **more}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=LIMIT_S)


HANG_UP = signal.SIGHUP
TERMINATE = signal.SIGTERM
