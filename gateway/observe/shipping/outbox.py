"""The ledger's file as an outbox: which calls were shipped, and the next ones as one text.

A call is identified by its time and by `uid`, a random number that the file keeps. So PostgreSQL
recognises a call that it has already: after a crash, from a backup of the file, and from a copy of
the machine. The name of the gateway says who shipped a call; no sum depends on it being unique.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.observe.ledger_schema import columns, renumber

log = logging.getLogger("gateway.ledger")

MACHINE_ID: Final = Path("/etc/machine-id")
"""What systemd makes for each installation, and for each copy of one (machine-id(5))."""
BUSY_S: Final = 5.0
BYTES_MAX: Final = 4 * 1024 * 1024
"""Of the attempts of a batch. A call without failures has some 300."""

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS shipping (
        gateway TEXT NOT NULL, machine TEXT NOT NULL, shipped INTEGER NOT NULL,
        given_up INTEGER NOT NULL
    )""",
    "CREATE TABLE IF NOT EXISTS set_aside (number INTEGER PRIMARY KEY, why TEXT NOT NULL)",
)
"""`shipping` has one row: the name of this gateway, a hash of its machine's id, the number of the
last call that was shipped, and how many calls never will be. `set_aside` has those among them that
PostgreSQL refuses."""

_REAL: Final = "CASE WHEN {0} IS NULL THEN '' ELSE printf('%!.17g', {0}) END"
_WHOLE: Final = "coalesce({0}, '')"
_TEXT: Final = """coalesce('"' || replace({0}, '"', '""') || '"', '')"""

SHIPPED: Final = (
    ("at", "printf('%.6f', at)"),
    *((name, _WHOLE) for name in ("uid", "status", "stream", "tries")),
    *((name, _TEXT) for name in ("id", "agent", "client", "model", "provider", "model_id")),
    *((name, _REAL) for name in ("seconds", "first_token_s", "cost")),
    *((name, _WHOLE) for name in ("input", "output", "cache_read", "cache_write")),
    *((name, _WHOLE) for name in ("reasoning", "cache_write_1h")),
    *((name, _TEXT) for name in ("finish", "failure", "dropped", "attempts")),
)
"""(column, its text in CSV as an SQL expression), in the order in which they are shipped. NULL is
nothing at all, and an empty text is `""`, as PostgreSQL's COPY reads CSV. `at` has microseconds, as
PostgreSQL keeps them: all its digits would be rounded there, and a call must have one time."""

_LINE: Final = " || ',' || ".join(text.format(name) for name, text in SHIPPED)
_LAST: Final = """
SELECT max(number) FILTER (WHERE bytes <= ? OR place = 1), max(number), max(place) FROM (
    SELECT number, row_number() OVER (ORDER BY number) AS place,
        sum(length(attempts)) OVER (ORDER BY number) AS bytes
    FROM calls WHERE number > ? AND number <= ? AND number NOT IN (SELECT number FROM set_aside)
    ORDER BY number LIMIT ?)
"""
"""The last call that fits into a batch. The attempts are what can make a call large."""
_BATCH: Final = f"""
SELECT count(*), max(number), group_concat(line || char(10), ''),
    group_concat(DISTINCT strftime('%Y-%m', at, 'unixepoch'))
FROM (SELECT number, at, {_LINE} AS line FROM calls
    WHERE number > ? AND number <= ? AND number NOT IN (SELECT number FROM set_aside)
    ORDER BY number)
"""  # noqa: S608


class Batch(NamedTuple):
    """Calls to be shipped."""

    calls: int
    last: int
    """The number of the last one."""
    csv: bytes
    """One line for each call, with the columns of `SHIPPED`."""
    months: frozenset[str]
    """The months in which they arrived, in UTC: `2026-11`."""
    is_full: bool
    """Whether more calls are there than fit in."""


class Waiting(NamedTuple):
    """What was not shipped yet."""

    calls: int
    since: float | None
    """When the oldest one ended, as Unix time."""


def prepare(database: sqlite3.Connection) -> None:
    """Makes a ledger an outbox. With its first call, it ships all that it has."""
    database.execute("BEGIN IMMEDIATE")
    try:
        if "number" not in columns(database):
            renumber(database)
        for table in TABLES:
            database.execute(table)
        _identify(database, _machine())
    except sqlite3.Error:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _identify(database: sqlite3.Connection, machine: str) -> None:
    """Gives the file a name for its gateway, and another one when the file comes to another
    machine."""
    known = database.execute("SELECT machine FROM shipping").fetchone()
    if known is None:
        values = (_new_name(), machine)
        database.execute("INSERT INTO shipping VALUES (?, ?, 0, 0)", values)
    elif known[0] != machine:
        values = (_new_name(), machine)
        database.execute("UPDATE shipping SET gateway = ?, machine = ?", values)


def _new_name() -> str:
    return f"{socket.gethostname()[:60]}-{secrets.token_hex(4)}"


def _machine() -> str:
    """A hash of the machine's id, which its manual says to keep to oneself; empty without one."""
    try:
        id_ = MACHINE_ID.read_text().strip()
    except OSError:
        return ""
    return hashlib.sha256(f"local-agent-gateway {id_}".encode()).hexdigest()[:16] if id_ else ""


def forget(database: sqlite3.Connection, before: float, waiting_bytes_max: int) -> None:
    """Removes the calls from before this Unix time that were shipped; of those that were not, the
    oldest, where all of them take more than `waiting_bytes_max`. Belongs in a transaction."""
    database.execute(
        "DELETE FROM calls WHERE at < ? AND (number <= (SELECT shipped FROM shipping)"
        " OR number IN (SELECT number FROM set_aside))",
        (before,),
    )
    calls_max = int(waiting_bytes_max / _bytes_per_call(database))
    (overdue,) = database.execute("SELECT count(*) FROM calls WHERE at < ?", (before,)).fetchone()
    if overdue <= calls_max:
        return
    removed = database.execute(
        "DELETE FROM calls WHERE number IN"
        " (SELECT number FROM calls WHERE at < ? ORDER BY at LIMIT ?)",
        (before, overdue - calls_max),
    ).rowcount
    database.execute("UPDATE shipping SET given_up = given_up + ?", (removed,))
    log.error(
        "%d calls are older than ledger.retentionDays and were removed before they could be"
        " shipped: those that wait take more than ledger.waitingMb",
        removed,
    )


def _bytes_per_call(database: sqlite3.Connection) -> float:
    """What a call takes in the file, on average."""
    (pages,), (free,), (size,) = (
        database.execute(f"PRAGMA {name}").fetchone()
        for name in ("page_count", "freelist_count", "page_size")
    )
    first, last = database.execute("SELECT min(number), max(number) FROM calls").fetchone()
    return (pages - free) * size / (last - first + 1) if last is not None else float(size)


class Outbox:
    """A connection to the ledger's file, for the thread that ships."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.gateway = str(self._one("SELECT gateway FROM shipping"))

    def shipped(self) -> int:
        """The number of the last call that was shipped."""
        return int(self._one("SELECT shipped FROM shipping"))

    def given_up(self) -> int:
        """How many calls are never shipped: removed while they waited, or set aside."""
        return int(self._one("SELECT given_up FROM shipping"))

    def waiting(self) -> Waiting:
        """How much was not shipped yet."""
        shipped = self.shipped()
        last = self._one("SELECT max(number) FROM calls") or 0
        if last <= shipped:
            return Waiting(0, None)
        oldest = "SELECT at + seconds FROM calls WHERE number > ? ORDER BY number LIMIT 1"
        (since,) = self._database.execute(oldest, (shipped,)).fetchone()
        return Waiting(last - shipped, since)

    def batch(self, after: int, calls_max: int, last: int = 2**62) -> Batch | None:
        """The next calls whose number is larger than `after` and at most `last`; None without
        any."""
        values = (BYTES_MAX, after, last, calls_max)
        fits, seen, places = self._database.execute(_LAST, values).fetchone()
        if fits is None:
            return None
        count, end, text, months = self._database.execute(_BATCH, (after, fits)).fetchone()
        # PostgreSQL keeps no NUL in a text; a client can send one in the name of a field
        csv = text.replace("\0", "\ufffd").encode()
        is_full = places == calls_max or fits < seen
        return Batch(count, end, csv, frozenset(months.split(",")), is_full)

    def remember(self, number: int) -> None:
        """Notes that all calls up to this one are in PostgreSQL, or were set aside."""
        with self._database:
            self._database.execute("UPDATE shipping SET shipped = ?", (number,))

    def set_aside(self, number: int, why: str) -> None:
        """Notes that PostgreSQL refuses this call."""
        with self._database:
            self._database.execute("INSERT OR IGNORE INTO set_aside VALUES (?, ?)", (number, why))
            self._database.execute("UPDATE shipping SET given_up = given_up + 1")

    def _one(self, query: str) -> Any:
        (value,) = self._database.execute(query).fetchone()
        return value


def outbox_of(database: sqlite3.Connection) -> Outbox | None:
    """The outbox of a ledger that was prepared; None before."""
    found = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'shipping'").fetchone()
    return Outbox(database) if found is not None else None


@contextmanager
def opened(path: Path) -> Iterator[Outbox | None]:
    """The outbox of the ledger at `path`. Raises `sqlite3.Error`."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as database:
        # one damaged byte must not hold up all that follows
        database.text_factory = lambda text: text.decode("utf-8", "replace")
        yield outbox_of(database)
