"""The queries of the page and of `gateway status --watch`: bounded, by index, within a time limit.

No query scans the table: sums come from `daily`, and everything else from the last calls by index.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from gateway.observe.ledger_read import Record, reading, record
from gateway.observe.ledger_schema import NOT_PLAIN

CALLS_MAX: Final = 50
ERRORS_MAX: Final = 1_000
"""Errors are counted up to this number."""
LATENCIES_MAX: Final = 1_000
"""Calls whose times to the first token are compared, the latest ones."""
DAYS_MAX: Final = 20_000
"""Rows of `daily`; a ledger with more in a week has no sums here, rather than wrong ones."""
LIMIT_S: Final = 0.15
"""A query that takes longer ends without a result."""
_STEPS: Final = 2_000
"""Steps of SQLite's machine between two looks at the clock."""

T = TypeVar("T")


class Asked(NamedTuple):
    """The filters of a reader."""

    agent: str | None = None
    """Only the calls of this agent."""
    not_plain: bool = False
    """Only calls that the first attempt did not answer."""
    call: str | None = None
    """The id of the call whose timeline is shown."""


class Listed(NamedTuple):
    """The calls that were asked for. A part is None if its query took too long."""

    calls: list[Record] | None
    """The last calls, newest first."""
    opened: Record | None
    """The call that was asked for, if it is not among `calls`."""


class Glance(NamedTuple):
    """What is the same for every reader. A part is None if its query took too long."""

    daily: list[Record] | None
    """The sums of `daily`, since a day, with the days oldest first."""
    errors: int | None
    """Calls with a status of 400 or more, 499 aside: there the client left."""
    first_tokens: list[tuple[str, str, float]] | None
    """(model, model id, seconds to the first token) of the last calls."""


def listed(path: Path, asked: Asked, clock: Callable[[], float] = time.monotonic) -> Listed:
    """Reads the last calls. Raises `Unreadable`."""
    with reading(path) as database:
        limited = _Limited(database, clock)
        calls = limited.run(lambda: _calls(database, asked))
        return Listed(calls, limited.run(lambda: _opened(database, asked.call, calls or [])))


def glance(
    path: Path,
    *,
    since_day: str,
    errors_since: float,
    clock: Callable[[], float] = time.monotonic,
) -> Glance:
    """Reads the sums. `since_day` is the first day of them, such as `2026-11-25`.

    Raises `Unreadable`.
    """
    with reading(path) as database:
        limited = _Limited(database, clock)
        return Glance(
            daily=limited.run(lambda: _daily(database, since_day)),
            errors=limited.run(lambda: _errors(database, errors_since)),
            first_tokens=limited.run(lambda: _first_tokens(database)),
        )


class _Limited:
    """Runs queries, each within `LIMIT_S`."""

    def __init__(self, database: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = 0.0
        database.set_progress_handler(self._is_late, _STEPS)

    def _is_late(self) -> bool:
        return self._clock() > self._until

    def run(self, query: Callable[[], T]) -> T | None:
        self._until = self._clock() + LIMIT_S
        try:
            return query()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            return None


def _calls(database: sqlite3.Connection, asked: Asked) -> list[Record]:
    conditions = ["agent = ?"] if asked.agent is not None else []
    values = [asked.agent] if asked.agent is not None else []
    if asked.not_plain:
        conditions.append(NOT_PLAIN)
    where = " AND ".join(conditions) or "1"
    query = f"SELECT * FROM calls WHERE {where} ORDER BY at DESC LIMIT {CALLS_MAX}"  # noqa: S608
    return [record(row) for row in database.execute(query, values)]


def _opened(database: sqlite3.Connection, id_: str | None, calls: list[Record]) -> Record | None:
    """The call with this id among the last `LATENCIES_MAX`, as ids have no index."""
    if id_ is None or any(call["id"] == id_ for call in calls):
        return None
    last = f"SELECT * FROM calls ORDER BY at DESC LIMIT {LATENCIES_MAX}"  # noqa: S608
    query = f"SELECT * FROM ({last}) WHERE id = ? LIMIT 1"  # noqa: S608
    found = database.execute(query, (id_,)).fetchone()
    return record(found) if found is not None else None


def _daily(database: sqlite3.Connection, since_day: str) -> list[Record] | None:
    query = f"SELECT * FROM daily WHERE day >= ? ORDER BY day LIMIT {DAYS_MAX + 1}"  # noqa: S608
    rows = [dict(row) for row in database.execute(query, (since_day,))]
    return rows if len(rows) <= DAYS_MAX else None


def _errors(database: sqlite3.Connection, since: float) -> int:
    failed = f"{NOT_PLAIN} AND at >= ? AND status >= 400 AND status <> 499"
    found = f"SELECT 1 FROM calls WHERE {failed} LIMIT {ERRORS_MAX}"  # noqa: S608
    query = f"SELECT count(*) FROM ({found})"  # noqa: S608
    (errors,) = database.execute(query, (since,)).fetchone()
    return int(errors)


def _first_tokens(database: sqlite3.Connection) -> list[tuple[str, str, float]]:
    columns = "model, model_id, first_token_s"
    last = f"SELECT {columns} FROM calls ORDER BY at DESC LIMIT {LATENCIES_MAX}"  # noqa: S608
    answered = "first_token_s IS NOT NULL AND model IS NOT NULL"
    query = f"SELECT * FROM ({last}) WHERE {answered}"  # noqa: S608
    return [tuple(row) for row in database.execute(query)]
