"""Every call of the ledger is in PostgreSQL once, and counts once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.observe.shipping.database import Database
from gateway.observe.shipping.outbox import BYTES_MAX, Batch, opened
from gateway.observe.shipping.shipper import CALLS_MAX, Shipping
from tests.observe.shipping.makers import (
    add,
    calls_there,
    prepared,
    query,
    rows,
    shipping,
    sums_here,
    sums_there,
)
from tests.postgres import Server

pytestmark = pytest.mark.anyio


class Interrupted(Exception):
    """The end of a process, for a test that goes on."""


class DiesAfterCommit(Database):
    """The process ends between PostgreSQL's COMMIT and the note in the file."""

    async def ship(self, gateway: str, batch: Batch) -> int:
        await super().ship(gateway, batch)
        raise Interrupted


async def test_calls_and_sums_are_those_of_the_file(path: Path, postgres: Server) -> None:
    prepared(path, rows(2_000))
    async with shipping(path, postgres) as one:
        assert not await one.turn()
        assert one.waiting == (0, None)
    assert calls_there(postgres) == one.shipped == 2_000
    assert sums_there(postgres) == sums_here(path)
    columns = "SELECT id, agent, client, model, status, seconds, first_token_s, input, cost, tries"
    there = postgres.rows(f"{columns} FROM gateway.calls")
    assert sorted(there, key=str) == sorted(query(path, f"{columns} FROM calls"), key=str)
    dropped = {text for (text,) in postgres.rows("SELECT DISTINCT dropped FROM gateway.calls")}
    assert dropped == {"", "seed,\ufffdtop_k", "\\.\n\\.\n\\."}


async def test_what_was_committed_and_not_noted_is_not_counted_twice(
    path: Path, postgres: Server
) -> None:
    prepared(path, rows(1_500))
    dying = Shipping(path, DiesAfterCommit(postgres.url(), lambda: None, 90_000))
    with pytest.raises(Interrupted):
        await dying.turn()
    await dying.aclose()
    assert calls_there(postgres) == 1_500
    with opened(path) as outbox:
        assert outbox is not None
        assert outbox.shipped() == 0
    add(path, rows(500, seed=2))
    async with shipping(path, postgres) as one:
        await one.turn()
    assert one.shipped == 500
    assert calls_there(postgres) == 2_000
    assert sums_there(postgres) == sums_here(path)


async def test_many_batches(path: Path, postgres: Server) -> None:
    prepared(path, rows(CALLS_MAX + 2))
    async with shipping(path, postgres) as one:
        assert await one.turn()
        assert one.waiting.calls == 2
        assert not await one.turn()
    assert sums_there(postgres) == sums_here(path)


async def test_a_batch_has_a_size(path: Path) -> None:
    prepared(path, rows(3, attempts=f'["{"x" * (BYTES_MAX // 2)}"]'))
    add(path, rows(1, attempts=f'["{"x" * BYTES_MAX}"]'))
    add(path, rows(2))
    with opened(path) as outbox:
        assert outbox is not None
        sizes = []
        last = 0
        while (batch := outbox.batch(last, CALLS_MAX)) is not None:
            sizes.append((batch.calls, batch.is_full))
            last = batch.last
    assert sizes == [(1, True), (1, True), (1, True), (1, True), (2, False)]


async def test_four_gateways_at_once(tmp_path: Path, postgres: Server) -> None:
    """None has the tables yet, and all need the same partitions."""
    paths = [
        prepared(tmp_path / str(number) / "ledger.db", rows(700, seed=number))
        for number in range(4)
    ]

    async def ship(path: Path) -> None:
        async with shipping(path, postgres) as one:
            await one.turn()
            assert not one.failures

    await asyncio.gather(*map(ship, paths))
    assert calls_there(postgres) == 2_800
    totals = [sums_here(path) for path in paths]
    assert sums_there(postgres) == [round(sum(each), 6) for each in zip(*totals, strict=True)]
    assert postgres.value("SELECT count(*) FROM gateway.gateways") == 4


async def test_a_copied_file_adds_only_what_it_has_alone(path: Path, postgres: Server) -> None:
    """The image of a machine is copied with calls that were not shipped, and both go on."""
    prepared(path, rows(300))
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    add(path, rows(40, seed=2))
    add(copy, rows(50, seed=3))
    both = [path, copy, path]
    for each in both:
        async with shipping(each, postgres) as one:
            await one.turn()
    assert calls_there(postgres) == 390
    assert sums_there(postgres)[0] == 390


async def test_a_new_file_begins_again_with_its_numbers(path: Path, postgres: Server) -> None:
    for seed in (1, 2):
        begun = prepared(path.with_name(f"{seed}.db"), rows(100, seed=seed))
        async with shipping(begun, postgres) as one:
            await one.turn()
    assert calls_there(postgres) == sums_there(postgres)[0] == 200
    assert postgres.value("SELECT count(*) FROM gateway.gateways") == 2


async def test_numbers_are_not_used_again(path: Path, postgres: Server) -> None:
    prepared(path, rows(100))
    async with shipping(path, postgres) as one:
        await one.turn()
        with closing(sqlite3.connect(path)) as database:
            database.execute("DELETE FROM calls")
            database.commit()
            database.execute("VACUUM")
        add(path, rows(10, seed=2))
        await one.turn()
    assert calls_there(postgres) == 110


async def test_one_process_ships_a_file(path: Path, postgres: Server) -> None:
    prepared(path, rows(10))
    async with shipping(path, postgres) as first:
        await first.turn()
        add(path, rows(10, seed=2))
        async with shipping(path, postgres) as second:
            await second.turn()
            assert second.shipped == 0
    async with shipping(path, postgres) as second:
        await second.turn()
        assert second.shipped == 10


async def test_a_ledger_of_version_3_is_shipped_whole(path: Path, postgres: Server) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(VERSION_3)
    prepared(path, rows(5))
    async with shipping(path, postgres) as one:
        await one.turn()
    assert postgres.value("SELECT count(*) FROM gateway.calls WHERE id = 'old'") == 1
    assert calls_there(postgres) == 6


VERSION_3 = """
CREATE TABLE calls (
    id TEXT NOT NULL, at REAL NOT NULL, agent TEXT NOT NULL, client TEXT NOT NULL, model TEXT,
    provider TEXT, model_id TEXT, status INTEGER NOT NULL, stream INTEGER NOT NULL,
    seconds REAL NOT NULL, first_token_s REAL,
    input INTEGER, output INTEGER, cache_read INTEGER, cache_write INTEGER, reasoning INTEGER,
    finish TEXT, failure TEXT, dropped TEXT NOT NULL, attempts TEXT NOT NULL,
    cache_write_1h INTEGER, cost REAL, tries INTEGER
);
CREATE INDEX calls_at ON calls (at);
CREATE INDEX calls_agent ON calls (agent, at);
CREATE TABLE daily (
    day TEXT NOT NULL, agent TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,
    model_id TEXT NOT NULL, size INTEGER NOT NULL, stated INTEGER NOT NULL,
    calls INTEGER NOT NULL, failed INTEGER NOT NULL, fell_back INTEGER NOT NULL,
    uncounted INTEGER NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL,
    cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL, reasoning INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL, cost REAL NOT NULL,
    PRIMARY KEY (day, agent, model, provider, model_id, size, stated)
) WITHOUT ROWID;
INSERT INTO calls VALUES ('old', 1799999000.0, 'dev', 'tests', 'sonnet', 'anthropic',
    'claude-sonnet-5', 200, 0, 1.0, 0.5, 100, 20, 0, 70, 0, 'stop', NULL, '', '[]', NULL, NULL, 1);
PRAGMA user_version = 3;
"""
