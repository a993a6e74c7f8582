"""The tables of the ledger's file, and how a file of an older version gets them."""

from __future__ import annotations

import sqlite3
from typing import Final

from gateway.observe import daily

VERSION: Final = 4
_DAILY_SINCE: Final = 3
"""The version that added the table `daily` and the column `tries`."""

TABLE: Final = """
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL, at REAL NOT NULL, agent TEXT NOT NULL, client TEXT NOT NULL, model TEXT,
    provider TEXT, model_id TEXT, status INTEGER NOT NULL, stream INTEGER NOT NULL,
    seconds REAL NOT NULL, first_token_s REAL,
    input INTEGER, output INTEGER, cache_read INTEGER, cache_write INTEGER, reasoning INTEGER,
    finish TEXT, failure TEXT, dropped TEXT NOT NULL, attempts TEXT NOT NULL
)
"""
"""`number` is never used twice, not even after the last calls were removed: a file remembers by it
what was shipped. A file that began with version 3 or older has none until `renumber`.
`at` is Unix time; what ends in `_s` counts seconds from the call's arrival. `attempts` is JSON,
a list of objects as `_attempt` makes them, kept with their call because every query that reads them
reads the call."""

ADDED: Final = (
    *(("cache_write_1h", "INTEGER"), ("cost", "REAL"), ("tries", "INTEGER")),
    ("uid", "INTEGER"),
)
"""Columns that later versions added: tokens written to a cache for an hour and the dollars that the
provider states (2); how many attempts were made (3); a random number that identifies the call among
those of all gateways, NULL for calls from before (4)."""

NOT_PLAIN: Final = "(status <> 200 OR tries <> 1)"
"""The condition for calls that were not answered by the first attempt. Queries use it word for
word, for the index."""

INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS calls_at ON calls (at)",
    "CREATE INDEX IF NOT EXISTS calls_agent ON calls (agent, at)",
    f"CREATE INDEX IF NOT EXISTS calls_not_plain ON calls (at) WHERE {NOT_PLAIN}",
    f"CREATE INDEX IF NOT EXISTS calls_agent_not_plain ON calls (agent, at) WHERE {NOT_PLAIN}",
)
"""So that a page of calls is found without a scan."""

COLUMNS: Final = (
    *[
        "id",
        "at",
        "agent",
        "client",
        "model",
        "provider",
        "model_id",
        "status",
        "stream",
        "seconds",
        "first_token_s",
    ],
    *["input", "output", "cache_read", "cache_write", "reasoning", "cache_write_1h", "cost"],
    *["finish", "failure", "dropped", "tries", "attempts"],
)
"""In the order of `ledger.row`."""
_VALUES: Final = ", ".join("?" * len(COLUMNS))
INSERT: Final = f"INSERT INTO calls ({', '.join(COLUMNS)}, uid) VALUES ({_VALUES}, random())"  # noqa: S608
"""Takes the values of `COLUMNS`."""


def columns(database: sqlite3.Connection) -> set[str]:
    """The columns that a ledger has: one of an older version has fewer."""
    return {str(column[1]) for column in database.execute("PRAGMA table_info(calls)")}


def upgrade(database: sqlite3.Connection) -> None:
    """Adds what is missing, and keeps every row. In one transaction: another process may do the
    same."""
    database.execute("BEGIN IMMEDIATE")
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version < VERSION:
            database.execute(TABLE)
            _add_columns(database)
            for index in INDEXES:
                database.execute(index)
        if version < _DAILY_SINCE:
            database.execute("UPDATE calls SET tries = json_array_length(attempts)")
            daily.fill(database)
        database.execute(f"PRAGMA user_version = {VERSION}")
    except sqlite3.Error:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _add_columns(database: sqlite3.Connection) -> None:
    known = columns(database)
    for name, kind in ADDED:
        if name not in known:
            database.execute(f"ALTER TABLE calls ADD COLUMN {name} {kind}")


def renumber(database: sqlite3.Connection) -> None:
    """Makes the table of an older version again, with `number` and `uid`. Belongs in a transaction;
    takes some seconds for a large file."""
    names = ", ".join(COLUMNS)
    database.execute("ALTER TABLE calls RENAME TO calls_before")
    database.execute(TABLE)
    _add_columns(database)
    database.execute(
        f"INSERT INTO calls (number, uid, {names})"  # noqa: S608
        f" SELECT rowid, coalesce(uid, random()), {names} FROM calls_before ORDER BY rowid"
    )
    database.execute("DROP TABLE calls_before")
    for index in INDEXES:
        database.execute(index)
