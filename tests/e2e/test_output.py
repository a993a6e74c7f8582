"""`gateway serve` whose standard output and error lead nowhere: it starts, serves, and ends as it
should."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.process.server import listen
from tests.e2e.process import LIMIT_S, hand_over


@pytest.mark.parametrize("redirected", [">/dev/full 2>/dev/full", ">&- 2>&-", "2>&1"])
def test_closed_output_does_not_stop_the_gateway(tmp_path: Path, redirected: str) -> None:
    if "/dev/full" in redirected and not Path("/dev/full").exists():
        pytest.skip("only Linux has it")
    with listen("127.0.0.1", 0) as listener:
        process = start(tmp_path, listener, redirected)
        host, port = listener.getsockname()
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=LIMIT_S) as client:
            agent = client.get("/v1/models").json()["data"][0]["id"]
            question = {"model": agent, "messages": [{"role": "user", "content": "Hello"}]}
            assert client.post("/v1/chat/completions", json=question).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0


def start(folder: Path, listener: socket.socket, redirected: str) -> subprocess.Popen[bytes]:
    """The demo in `folder`, listening on `listener`. What is not redirected goes into a pipe whose
    reader has gone."""
    variables: dict[str, Any] = {"PATH": os.environ["PATH"], "HOME": str(folder), "LISTEN_FDS": "1"}
    script = f'LISTEN_PID=$$ exec "$@" {redirected}'
    command = ["/bin/sh", "-c", script, "sh", sys.executable, "-m", "gateway", "serve"]
    more: dict[str, Any] = {"close_fds": False, "preexec_fn": hand_over([listener.fileno()])}
    process = subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.PIPE, **more)
    assert process.stdout is not None
    process.stdout.close()
    return process
