"""Ledgers with many calls, and shippers that are driven by hand."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

from gateway.observe import daily
from gateway.observe.ledger import Ledger
from gateway.observe.ledger_schema import COLUMNS, INSERT
from gateway.observe.shipping.database import Database
from gateway.observe.shipping.shipper import Shipping
from tests.postgres import Server

WALL: Final = 1_800_000_000.25
"""2027-01-15 08:00 in UTC."""
MEGABYTE: Final = 1024 * 1024


ATTEMPTS: Final = json.dumps([{
    "number": 1, "model": "sonnet", "provider": "anthropic", "model_id": "claude", "began_s": 0.0,
    "first_token_s": 0.5, "ended_s": 1.0, "outcome": "ok", "status": 200, "cooldown_s": 0.0,
    "request_id": None, "message": '\0 "x"',
}])  # fmt: skip


def rows(
    count: int, at: float = WALL, seed: int = 1, every_s: float = 1.0, **fixed: Any
) -> list[tuple[Any, ...]]:
    """Calls of all kinds, one `every_s`; the last one arrived at about `at`."""
    chance = random.Random(seed)
    made = [_row(chance, number, at - number * every_s) | fixed for number in range(count)]
    return [tuple(row[name] for name in COLUMNS) for row in made]


def _row(chance: random.Random, number: int, at: float) -> dict[str, Any]:
    answered = chance.random() < 0.9
    who = ("sonnet", "anthropic", "claude") if answered else (None, None, None)
    counted = answered and chance.random() < 0.9
    return {
        "id": f"req_{number}",
        "at": at + chance.random() / 2,
        "agent": chance.choice(("dev", 'an "odd", agent\n', "größer")),
        "client": chance.choice(("ann", "ben")),
        **dict(zip(("model", "provider", "model_id"), who, strict=True)),
        "status": 200 if answered else 502,
        "stream": chance.random() < 0.5,
        "seconds": chance.uniform(0.1, 9),
        "first_token_s": chance.uniform(0.1, 2) if answered else None,
        **dict.fromkeys(("reasoning", "cache_read", "cache_write"), 5 if counted else None),
        "cache_write_1h": None,
        "input": chance.choice((70, 130_000)) if counted else None,
        "output": chance.randrange(900) if counted else None,
        "cost": 0.1 if counted and chance.random() < 0.2 else None,
        "finish": "stop" if answered else None,
        "failure": None if answered else "overloaded",
        "dropped": chance.choice(("", "seed,\0top_k", "\\.\n\\.\n\\.")),
        "tries": chance.choice((1, 2)),
        "attempts": ATTEMPTS,
    }


def prepared(path: Path, made: Iterable[tuple[Any, ...]] = (), days: int = 90_000) -> Path:
    """A ledger that is shipped, with these calls."""
    ledger = Ledger(path, days, lambda: WALL, waiting_bytes_max=MEGABYTE)
    ledger.start()
    ledger.close()
    assert not ledger.lost
    return add(path, made)


def add(path: Path, made: Iterable[tuple[Any, ...]]) -> Path:
    """Writes calls as the ledger's thread does."""
    listed = list(made)
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(INSERT, listed)
        daily.add(database, len(listed))
    return path


def query(path: Path, text: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(text).fetchall()


@asynccontextmanager
async def shipping(
    path: Path, server: Server, role: str = "postgres", days: int = 90_000
) -> AsyncIterator[Shipping]:
    """One that takes a turn when it is asked to."""
    one = Shipping(path, Database(server.url(role), lambda: None, days))
    try:
        yield one
    finally:
        await one.aclose()


SUMS: Final = (
    "calls", "failed", "fell_back", "uncounted", "input", "output", "cache_read", "cache_write",
    "reasoning", "cache_write_1h", "cost",
)  # fmt: skip


def sums_here(path: Path) -> list[float]:
    """What the ledger's own sums say."""
    [row] = query(path, f"SELECT {', '.join(f'total({name})' for name in SUMS)} FROM daily")  # noqa: S608
    return [round(value, 6) for value in row]


def sums_there(server: Server) -> list[float]:
    """What the sums in PostgreSQL say."""
    names = ", ".join(f"coalesce(sum({name}), 0)" for name in SUMS)
    [row] = server.rows(f"SELECT {names} FROM gateway.usage_daily")  # noqa: S608
    return [round(float(value), 6) for value in row]


def calls_there(server: Server) -> int:
    return int(server.value("SELECT count(*) FROM gateway.calls"))
