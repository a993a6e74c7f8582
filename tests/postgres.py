"""A real PostgreSQL, Debian's, on a socket in a folder of its own. Where the tests run as root it
runs as another user, because PostgreSQL refuses root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import psycopg

BINARIES: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parts[-2])
MISSING: Final = "" if BINARIES else "needs PostgreSQL (Debian's package postgresql)"
USER: Final = "nobody"
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
        self._run(
            "initdb", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"
        )
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(BINARIES[-1] / program), "-D", str(self._data), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)

    def start(self) -> None:
        """Starts it, if it does not run, and waits until it answers."""
        settings = " ".join(f"-c {each}" for each in SETTINGS)
        log = str(self.folder / "log")
        self._run("pg_ctl", "-w", "-l", log, "-o", f"-k {self.folder} {settings}", "start")

    def stop(self) -> None:
        """Ends it at once; what is committed stays."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def signal(self, number: int) -> None:
        """Sends a signal to every process of the server."""
        parent = int((self._data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for pid in (parent, *map(int, children)):
            os.kill(pid, number)

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        self.signal(signal.SIGKILL)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, role: str = "postgres", database: str = "postgres") -> str:
        return f"postgresql://{role}@/{database}?host={self.folder}"

    def rows(self, query: str, *values: Any, role: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows of a query; none for another statement."""
        with psycopg.connect(self.url(role), autocommit=True) as connection:
            found = connection.execute(query, values)
            return found.fetchall() if found.description else []

    def value(self, query: str, *values: Any) -> Any:
        [(value,)] = self.rows(query, *values)
        return value
