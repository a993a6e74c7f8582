"""The record of calls, in SQLite: who asked which agent, what was tried, what it took. Never
prompts or answers.

A request only puts its call into a queue. One thread makes rows of them and writes them, a batch
per `FLUSH_S`, so that a crash loses at most a second and the request path never waits for a disk. A
ledger that cannot be written is said once, and tried again: the record must not stop what it
records.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.observe import daily
from gateway.observe.ledger_schema import INSERT, VERSION, upgrade
from gateway.observe.shipping import outbox
from gateway.redact import redact
from gateway.types import Attempt, Call

log = logging.getLogger("gateway.ledger")

FLUSH_S: Final = 0.5
RETRY_S: Final = 5.0
"""How long to wait after a failure: another process held the file, or the disk was full."""
WAITING_MAX: Final = 10_000
"""Calls that wait to be written; any further one is not recorded, and counted in `lost`."""
CLEAN_S: Final = 3600.0
Row = tuple[Any, ...]

_Ended = tuple[Call, int, float, float]
"""A call, its status, its seconds, and when it arrived, in Unix time; `_row` makes a row of it."""


class Ledger:
    """Writes calls down, from a thread of its own. `record` is an `observer.Sink`. `wall` is Unix
    time in seconds.

    With `waiting_bytes_max` the file is an outbox too: a call that was not shipped yet is not
    removed for its age, unless such calls take more than that.
    """

    def __init__(
        self,
        path: Path,
        retention_days: int,
        wall: Callable[[], float] = time.time,
        waiting_bytes_max: int | None = None,
    ) -> None:
        self.path = path
        self.lost = 0
        self._waiting_bytes_max = waiting_bytes_max
        self._retention_s = retention_days * 86_400.0
        self._wall = wall
        self._rows: deque[_Ended] = deque()
        self._filled = threading.Event()
        self._closing = threading.Event()
        self._cleaned_at = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Opens the file, in the thread that will write it."""
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def record(self, call: Call, status: int, seconds: float) -> None:
        """Takes one finished call down; never waits and never raises."""
        if self._thread is None or len(self._rows) >= WAITING_MAX:
            self.lost += 1
            return
        self._rows.append((call, status, seconds, self._wall() - seconds))
        if not self._filled.is_set():
            self._filled.set()

    def close(self) -> None:
        """Writes what waits, and ends the thread."""
        self._closing.set()
        self._filled.set()
        if self._thread is not None:
            self._thread.join(5.0)
            self._thread = None

    def _run(self) -> None:
        database: sqlite3.Connection | None = None
        told = ""
        while True:
            # In this order: a `close` between these two lines is seen now, and one after them ends
            # the waits below.
            self._filled.clear()
            closing = self._closing.is_set()
            try:
                database = database or self._open()
                self._write(database)
                told = ""
            except (sqlite3.Error, OSError, ValueError, OverflowError) as error:
                if str(error) != told:
                    told = str(error)
                    log.warning(
                        "%s: the ledger cannot be written, and calls are not recorded: %s",
                        self.path,
                        error,
                    )
                if database is not None:
                    database.close()
                    database = None
            if closing:
                break
            self._filled.wait()
            self._closing.wait(RETRY_S if told else FLUSH_S)
        if database is not None:
            database.close()

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        database = sqlite3.connect(self.path, timeout=5.0)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise sqlite3.DatabaseError(
                    f"it was written by a newer version of the gateway (schema {version})"
                )
            if version < VERSION:
                upgrade(database)
            if self._waiting_bytes_max is not None:
                outbox.prepare(database)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _write(self, database: sqlite3.Connection) -> None:
        waiting, rows = [], []
        while self._rows:
            ended = self._rows.popleft()
            try:
                rows.append(_row(*ended))
            except (TypeError, ValueError):  # half a character in a provider's words
                self.lost += 1
            else:
                waiting.append(ended)
        try:
            with database:
                database.executemany(INSERT, rows)
                daily.add(database, len(rows))
        # another process writes, or the disk is full: they may yet be written
        except sqlite3.OperationalError:
            self._rows.extendleft(reversed(waiting))
            raise
        except (sqlite3.Error, ValueError, OverflowError):
            self.lost += len(rows)
            raise
        now = self._wall()
        if now - self._cleaned_at > CLEAN_S:
            self._cleaned_at = now
            self._clean(database, now - self._retention_s)

    def _clean(self, database: sqlite3.Connection, before: float) -> None:
        """Removes calls from before this Unix time."""
        with database:
            if self._waiting_bytes_max is None:
                database.execute("DELETE FROM calls WHERE at < ?", (before,))
            else:
                outbox.forget(database, before, self._waiting_bytes_max)
            daily.forget(database, before)


def _row(call: Call, status: int, seconds: float, at: float) -> Row:
    last = call.attempts[-1] if call.attempts else None
    served = call.served
    usage = served.usage if served is not None else None
    counts = (
        (
            usage.input,
            usage.output,
            usage.cache_read,
            usage.cache_write,
            usage.reasoning,
            usage.cache_write_1h,
            usage.cost,
        )
        if usage is not None
        else (None,) * 7
    )
    who = (
        (served.model.name, served.model.provider.name, served.model.model_id)
        if served is not None
        else (None,) * 3
    )
    first_s = (
        served.committed_at - call.received_at
        if served is not None and served.committed_at
        else None
    )
    return (
        call.id, at, call.agent.name, call.client.name, *who, status, call.stream, seconds, first_s,
        *counts,
        served.finish_reason if served is not None else None,
        last.failure.kind.value if last is not None and last.failure is not None else None,
        ",".join(served.dropped)[:500] if served is not None else "", len(call.attempts),
        orjson.dumps([_attempt(call, each) for each in call.attempts]).decode(),
    )  # fmt: skip


def _attempt(call: Call, attempt: Attempt) -> dict[str, Any]:
    model, failure, since = attempt.model, attempt.failure, call.received_at
    return {
        "number": attempt.number,
        "model": model.name,
        "provider": model.provider.name,
        "model_id": model.model_id,
        "began_s": attempt.started_at - since,
        "first_token_s": attempt.committed_at - since if attempt.committed_at is not None else None,
        "ended_s": attempt.ended_at - since if attempt.ended_at is not None else None,
        "outcome": failure.kind.value if failure is not None else "ok",
        "status": failure.status if failure is not None else 200,
        "cooldown_s": attempt.cooldown_s,
        "request_id": attempt.upstream_request_id,
        "message": redact(failure.for_log)[:300] if failure is not None else None,
    }
