"""Queries of the ledger, for reports.

The file is in WAL mode and opened read-only, so a reader blocks no writer.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from gateway.observe.ledger_schema import ADDED, columns
from gateway.observe.prices import LONG_CONTEXT

Record = dict[str, Any]

GROUPS: Final = {
    "agent": "agent",
    "model": "coalesce(model, '-')",
    "day": "date(at, 'unixepoch', 'localtime')",
    "client": "client",
}
"""What usage can be grouped by → the SQL expression."""


_UNMERGED: Final = (
    "{path}: its folder is read-only, and the latest calls are in {path}-wal. "
    "Copy {path}* to a folder that you can write, or stop the gateway, which merges them."
)


class Unreadable(Exception):
    """There is no ledger, or it cannot be read; the message says why."""


_NO_SHARED_MEMORY: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
"""How SQLite refuses a WAL database in a read-only folder: with and without a `-wal` file."""


class Filters(NamedTuple):
    """Which calls are selected; None selects all."""

    agent: str | None = None
    model: str | None = None
    status: int | None = None
    since: float | None = None
    """Unix time."""
    failed: bool = False
    until: float | None = None
    """Unix time; calls that arrived before it."""


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection. Raises `Unreadable`, also for an SQLite error inside the context."""
    if not os.path.lexists(path):
        why = "there is no ledger yet; it begins with the first call (the demo has one of its own)"
        raise Unreadable(f"{path}: {why}")
    try:
        with closing(_opened(path.resolve())) as database:
            database.row_factory = sqlite3.Row
            yield database
    except sqlite3.Error as error:
        raise Unreadable(f"{path}: {_reason(path, error)}") from error


def _reason(path: Path, error: sqlite3.Error) -> str:
    """SQLite says only that it cannot open a file."""
    return str(error) if _is_readable(path) else "cannot be read: permission denied"


def _opened(path: Path) -> sqlite3.Connection:
    """The database, also where SQLite cannot make the `-shm` file that readers of a WAL database
    share.

    Then it is opened as immutable. That leaves the `-wal` file out, so it must hold nothing.
    """
    uri = path.as_uri()
    try:
        return _connected(f"{uri}?mode=ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NO_SHARED_MEMORY or not _is_readable(path):
            raise
        if _has_unmerged(path):
            raise Unreadable(_UNMERGED.format(path=path)) from None
        return _connected(f"{uri}?mode=ro&immutable=1")


def _is_readable(path: Path) -> bool:
    return os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids)


def _connected(uri: str) -> sqlite3.Connection:
    database = sqlite3.connect(uri, uri=True, timeout=5.0)
    try:
        database.execute("PRAGMA schema_version")  # the first query opens the files
    except sqlite3.Error:
        database.close()
        raise
    return database


def _has_unmerged(path: Path) -> bool:
    """Whether the latest calls are still in the `-wal` file."""
    try:
        return Path(f"{path}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def calls(path: Path, filters: Filters, limit: int) -> list[Record]:
    """The last calls, newest first, each with `tried`: the models tried, in order.

    Raises `Unreadable`.
    """
    where, values = _where(filters)
    query = f"SELECT * FROM calls WHERE {where} ORDER BY at DESC, rowid DESC LIMIT ?"  # noqa: S608
    with reading(path) as database:
        return [record(row) for row in database.execute(query, (*values, limit))]


def call(path: Path, id_: str) -> Record | None:
    """The last call whose id begins with `id_`, with `attempts`. Raises `Unreadable`."""
    with reading(path) as database:
        found = database.execute(
            "SELECT * FROM calls WHERE id LIKE ? ESCAPE '\\' ORDER BY at DESC LIMIT 1",
            (escaped(id_) + "%",),
        ).fetchone()
        return record(found) if found is not None else None


def record(row: sqlite3.Row) -> Record:
    """`attempts` is a list of objects, as `ledger.py` wrote them; `tried` is the same in a few
    words."""
    return tried({**dict(row), "attempts": orjson.loads(row["attempts"])})


def tried(call: Record) -> Record:
    """A call with `tried`: its attempts in a few words."""
    words = ", ".join(f"{each['model']} {each['outcome']}" for each in call["attempts"])
    return {**call, "tried": words}


def usage(path: Path, by: str, filters: Filters) -> list[Record]:
    """Tokens and calls, to be priced and added up.

    One record per value of `by` (one of `GROUPS`), model, day and whether the provider states the
    cost, and one for each call whose prompt is so long that it may have its own price.
    Keys: `group`, `day`, `provider`, `model`, `model_id`, `calls`, `failed`, `uncounted` (answers
    without a token count from the provider), the token counts, and `cost`, the dollars that the
    provider states (None without any). Raises `Unreadable`.
    """
    where, values = _where(filters)
    query = (
        f"SELECT {GROUPS[by]} AS 'group', date(at, 'unixepoch') AS day,"  # noqa: S608
        " provider, model, model_id,"
        " count(*) AS calls, sum(status >= 400) AS failed,"
        " sum(model IS NOT NULL AND output IS NULL) AS uncounted,"
        " total(input) AS input, total(output) AS output,"
        " total(cache_read) AS cache_read, total(cache_write) AS cache_write,"
        " total(reasoning) AS reasoning,"
        " total(cache_write_1h) AS cache_write_1h, sum(cost) AS cost"
        f" FROM calls WHERE {where} GROUP BY 1, 2, 3, 4, 5, cost IS NULL,"
        f" CASE WHEN input >= {LONG_CONTEXT} THEN rowid END ORDER BY 1"
    )
    with reading(path) as database:
        return [dict(row) for row in database.execute(_for_columns(query, database), values)]


def _for_columns(query: str, database: sqlite3.Connection) -> str:
    """`query` for a ledger that an older version wrote and no newer one has opened yet."""
    missing = [f"NULL AS {name}" for name, _ in ADDED if name not in columns(database)]
    if not missing:
        return query
    table = f" FROM (SELECT *, rowid, {', '.join(missing)} FROM calls) "  # noqa: S608
    return query.replace(" FROM calls ", table)


def _where(filters: Filters) -> tuple[str, list[Any]]:
    conditions = {
        "agent = ?": filters.agent,
        "model = ?": filters.model,
        "status = ?": filters.status,
        "at >= ?": filters.since,
        "at < ?": filters.until,
    }
    stated = {condition: value for condition, value in conditions.items() if value is not None}
    words = [*stated, *(["status >= 400"] if filters.failed else [])]
    return " AND ".join(words) or "1", list(stated.values())


def escaped(text: str) -> str:
    """`text` as a pattern of LIKE that matches itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
