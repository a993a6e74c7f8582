"""A real PostgreSQL, Debian's, on a socket in a folder of its own. Where the tests run as root it
runs as another user, because PostgreSQL refuses root."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import psycopg

BINARIES: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parts[-2])
MISSING: Final = "" if BINARIES else "needs PostgreSQL (Debian's package postgresql)"
USER: Final = "nobody"
START_S: Final = 20.0
LOCKED: Final = "locked"
"""A role that needs a password."""
SETTINGS: Final = (
    *("fsync=off", "listen_addresses=", "shared_buffers=16MB", "max_connections=40"),
    *("logging_collector=off", "autovacuum=off", "timezone=Asia/Tokyo"),
)
"""Everything that is killed here is a process, never the machine. A time zone of its own shows what
depends on the server's."""


class Server:
    """A server that tests start, kill and start again."""

    def __init__(self) -> None:
        self.folder = Path(mkdtemp(prefix="gateway-pg-", dir="/tmp"))
        # sockets have short paths, and the unprivileged user cannot enter pytest's own folders
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            self._as_user = ["setpriv", f"--reuid={USER}", "--regid=nogroup", "--clear-groups"]
            shutil.chown(self.folder, USER)
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        initdb = (
            *("-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"),
            "--no-instructions",
        )
        subprocess.run(self._command("initdb", *initdb), check=True, stdout=subprocess.DEVNULL)
        hba = self._data / "pg_hba.conf"
        hba.write_text(f"local all {LOCKED} scram-sha-256\n{hba.read_text()}")
        self.start()

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [*self._as_user, str(BINARIES[-1] / program), "-D", str(self._data), *arguments]

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        settings = [word for each in SETTINGS for word in ("-c", each)]
        command = self._command("postgres", "-k", str(self.folder), *settings)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with suppress(psycopg.OperationalError):
                self.rows("SELECT 1")
                return
        raise TimeoutError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Ends it at once; what is committed stays."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def kill(self) -> None:
        """Kills every process of it, as a machine that is switched off does."""
        assert self._process is not None
        self.signal(signal.SIGKILL)
        self._process.wait()

    def signal(self, number: int) -> None:
        """Sends a signal to every process of it."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            with suppress(ProcessLookupError):  # one that has just ended
                os.kill(each, number)

    def remove(self) -> None:
        """Ends it, and removes its files."""
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, role: str = "postgres", database: str = "postgres") -> str:
        return f"postgresql://{role}@/{database}?host={self.folder}"

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.url(), autocommit=True)

    async def until(self, query: str) -> None:
        """Waits until a query has rows."""
        async with asyncio.timeout(10):
            while not self.rows(query):
                await asyncio.sleep(0.01)

    def rows(self, query: str, *values: Any, role: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows of a query; none for another statement."""
        with psycopg.connect(self.url(role), autocommit=True) as connection:
            found = connection.execute(query, values)
            return found.fetchall() if found.description else []

    def value(self, query: str, *values: Any) -> Any:
        [(value,)] = self.rows(query, *values)
        return value
