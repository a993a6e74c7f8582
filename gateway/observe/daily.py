"""Sums per day, kept as calls are recorded, so that no report adds up a week of calls.

One row per day (of the host's time zone), agent, model and size class. The writer of the ledger
adds each batch to the sums in the transaction that inserts it. The same statement fills the table
once from the calls of an older ledger.
"""

from __future__ import annotations

import sqlite3
from typing import Final

SIZES: Final = (32_000, 100_000, 128_000, 200_000, 256_000, 272_000, 512_000, 1_000_000)
"""Input tokens above which some provider charges a long prompt's price. A call's size class is the
number of them that it exceeds, so that all calls of a class have one price."""

SUMS: Final = (
    *("calls", "failed", "fell_back", "uncounted", "input", "output"),
    *("cache_read", "cache_write", "reasoning", "cache_write_1h"),
)
"""Integer columns. `fell_back` counts calls that a later model than the first one answered;
`uncounted` counts answers without a token count."""

TABLE: Final = f"""
CREATE TABLE IF NOT EXISTS daily (
    day TEXT NOT NULL, agent TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,
    model_id TEXT NOT NULL, size INTEGER NOT NULL, stated INTEGER NOT NULL,
    {", ".join(f"{name} INTEGER NOT NULL" for name in SUMS)}, cost REAL NOT NULL,
    PRIMARY KEY (day, agent, model, provider, model_id, size, stated)
) WITHOUT ROWID
"""
"""`model`, `provider` and `model_id` are empty for calls that no model answered. `size` is the
size class. `stated` is 1 where the provider states
the cost, which `cost` adds up in dollars."""

_VALUES: Final = (
    *("count(*)", "sum(status >= 400)", "sum(model IS NOT NULL AND tries > 1)"),
    *("sum(model IS NOT NULL AND output IS NULL)", "total(input)", "total(output)"),
    *("total(cache_read)", "total(cache_write)", "total(reasoning)", "total(cache_write_1h)"),
)
_ADDED: Final = ", ".join(f"{name} = {name} + excluded.{name}" for name in (*SUMS, "cost"))
_ADD: Final = f"""
INSERT INTO daily
SELECT date(at, 'unixepoch', 'localtime'), agent,
    coalesce(model, ''), coalesce(provider, ''), coalesce(model_id, ''),
    coalesce({" + ".join(f"(input > {size})" for size in SIZES)}, 0), cost IS NOT NULL,
    {", ".join(_VALUES)}, total(cost)
FROM calls WHERE rowid > ? GROUP BY 1, 2, 3, 4, 5, 6, 7
ON CONFLICT DO UPDATE SET {_ADDED}
"""  # noqa: S608


def add(database: sqlite3.Connection, inserted: int) -> None:
    """Adds the last `inserted` calls. They were inserted in the transaction that is under way, so
    that their row ids follow each other."""
    if inserted:
        (last,) = database.execute("SELECT last_insert_rowid()").fetchone()
        database.execute(_ADD, (last - inserted,))


def fill(database: sqlite3.Connection) -> None:
    """Makes the table from all calls of the ledger."""
    database.execute(TABLE)
    database.execute("DELETE FROM daily")
    database.execute(_ADD, (-1,))


def forget(database: sqlite3.Connection, before: float) -> None:
    """Removes the days that end before this Unix time."""
    database.execute(
        "DELETE FROM daily WHERE day < date(?, 'unixepoch', 'localtime')",
        (before,),
    )
