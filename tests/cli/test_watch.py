"""`gateway status --watch`: the page's blocks in a terminal, or once without one."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.watch import lines
from gateway.observe.ledger_glance import Asked
from gateway.reports.overview import overview
from tests.cli.conftest import Run
from tests.e2e.harness import running
from tests.observe.test_ledger import WALL, answered, written
from tests.page.test_render import status


def shown(folder: Path, width: int = 80) -> list[str]:
    path = written(folder / "ledger.db", answered("req_1"), answered("req_2", agent="other"))
    return lines(overview(status(), path, {}, Asked(), now=WALL), width)


def test_every_block_is_there(tmp_path: Path) -> None:
    text = "\n".join(shown(tmp_path))
    for words in (
        "gateway 0.2.0  serving  up 2 h  2 under way, 1 waiting",
        "0 errors in 5 min  $0.00 today, 2 calls  100 % fell back, 40 % from cache",
        "dev  sonnet cooling down 41 s (rate limit) > gpt probing > small full",
        "local ready",
        "waiting  1        75 s",
        "2 s   dev    local  200     2      1.0 s  2.0 s  100  20   –",
        "████████████████████",
        "local  1.0 s  1.0 s  2",
        "local: no price is known for qwen3:32b",
    ):
        assert words in text


def test_no_line_is_too_long(tmp_path: Path) -> None:
    for width in (80, 60):
        assert [line for line in shown(tmp_path, width) if len(line) > width] == []


def test_without_a_terminal_it_prints_once(run: Run, tmp_path: Path) -> None:
    with running(tmp_path, "custom") as gateway:
        once = run("status", "--watch", GATEWAY_URL=gateway.url)
        found = json.loads(run("status", "--watch", "--json", GATEWAY_URL=gateway.url).stdout)
    assert once.exit_code == 0
    assert "\x1b" not in once.stdout
    assert once.stdout.splitlines()[3:5] == ["AGENTS", "custom  custom ready"]
    assert (found["status"]["status"], found["history"]) == ("serving", None)


def test_without_a_gateway_it_is_an_error(run: Run) -> None:
    result = run("status", "--watch", GATEWAY_URL="http://127.0.0.1:1")
    assert (result.exit_code, "no gateway answers" in result.stderr) == (1, True)


class Terminal:
    """A terminal of 24 rows and the command in it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.master, slave = pty.openpty()
        self.resize(80, to=slave)
        env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GATEWAY_URL": url, "TERM": "xterm"}
        command = [sys.executable, "-m", "gateway", "status", "--watch"]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=env
        )
        os.close(slave)
        self.seen = ""

    def resize(self, columns: int, to: int | None = None) -> None:
        size = struct.pack("HHHH", 24, columns, 0, 0)
        fcntl.ioctl(self.master if to is None else to, termios.TIOCSWINSZ, size)

    def until(self, pattern: str) -> str:
        """What was written until something matched; forgets it."""
        while not re.search(pattern, self.seen, re.DOTALL):
            self.seen += os.read(self.master, 65536).decode()
        seen, self.seen = self.seen, ""
        return seen


@contextmanager
def terminal(folder: Path, url: str) -> Iterator[Terminal]:
    opened = Terminal(folder, url)
    try:
        yield opened
    finally:
        opened.process.kill()
        opened.process.wait()
        os.close(opened.master)


def test_in_a_terminal_it_redraws_until_q(tmp_path: Path) -> None:
    with running(tmp_path, "custom") as gateway, terminal(tmp_path, gateway.url) as opened:
        first = opened.until("NEEDS ATTENTION.*\x1b\\[J")
        assert first.count("\x1b[?1049h\x1b[?25l") == 1
        opened.resize(60)
        opened.process.send_signal(signal.SIGWINCH)
        again = opened.until("NEEDS ATTENTION.*\x1b\\[J")
        assert again.startswith("\x1b[H"), "drawn over the first one"
        os.write(opened.master, b"q")
        opened.until(r"\x1b\[\?25h\x1b\[\?1049l")
        assert opened.process.wait(10) == 0
