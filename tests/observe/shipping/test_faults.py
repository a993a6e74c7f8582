"""PostgreSQL is away, slow, full or strict: calls wait, none is lost, and the log says why once."""

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.observe.ledger import Ledger
from gateway.observe.shipping import tables
from gateway.observe.shipping.database import Database
from gateway.observe.shipping.shipper import SAY_S, Shipper, Shipping, log
from tests.observe.shipping.makers import (
    WALL,
    add,
    calls_there,
    prepared,
    query,
    rows,
    shipping,
    sums_here,
    sums_there,
)
from tests.observe.test_ledger import answered
from tests.postgres import LOCKED, Server

pytestmark = pytest.mark.anyio


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the log says."""
    said: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    handler, level = Lines(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield said
    log.removeHandler(handler)
    log.setLevel(level)


async def once(path: Path, server: Server, role: str = "postgres") -> Shipping:
    async with shipping(path, server, role) as one:
        await one.turn()
    return one


async def test_the_database_is_killed_in_the_middle_of_a_batch(
    path: Path, postgres: Server, lines: list[str]
) -> None:
    await once(prepared(path, rows(10)), postgres)
    add(path, rows(500, seed=2))
    with closing(postgres.connect()) as other:
        other.execute("BEGIN; LOCK gateway.usage_daily")
        async with shipping(path, postgres) as one:
            batch = asyncio.create_task(one.turn())
            await postgres.until("SELECT 1 FROM pg_locks WHERE NOT granted")
            postgres.kill()
            assert not await batch
            assert (one.failures, one.waiting.calls) == (1, 500)
    postgres.start()
    await once(path, postgres)
    assert calls_there(postgres) == 510
    assert sums_there(postgres) == sums_here(path)
    assert len(lines) == 1
    assert lines[0].startswith("500 calls wait to be shipped: ")


async def test_the_database_is_frozen_and_continues(
    path: Path, postgres: Server, lines: list[str]
) -> None:
    prepared(path, rows(200))
    async with shipping(path, postgres) as one:
        await one.turn()
        add(path, rows(50, seed=2))
        postgres.signal(signal.SIGSTOP)
        try:
            await one.turn(0.2)
        finally:
            postgres.signal(signal.SIGCONT)
        assert lines == ["50 calls wait to be shipped: it does not answer in time"]
    await once(path, postgres)
    assert sums_there(postgres) == sums_here(path)


async def test_an_outage_is_logged_once_a_minute_and_retried_less_often(
    path: Path, postgres: Server, lines: list[str]
) -> None:
    prepared(path, rows(300))
    now = 1_000.0
    database = Database(postgres.url(), lambda: None, 90_000)
    tries: list[float] = []
    connect = database.connect

    async def counted() -> None:
        tries.append(now)
        await connect()

    database.connect = counted  # type: ignore[method-assign]
    one = Shipping(path, database, clock=lambda: now, jitter=lambda: 1.0)
    postgres.stop()
    while now < 1_000 + 2 * SAY_S:
        await one.turn()
        now += 1
    postgres.start()
    assert [after - before for before, after in pairwise(tries)] == [
        1, 2, 4, 8, 16, 30, 30,
    ]  # fmt: skip
    assert len(lines) == 2
    now += 60
    await one.turn()
    await one.aclose()
    assert lines[-1] == "PostgreSQL takes calls again; 0 wait"
    assert sums_there(postgres) == sums_here(path)


async def test_a_wrong_password_is_reported_without_the_password(
    path: Path, postgres: Server, lines: list[str]
) -> None:
    prepared(path, rows(5))
    postgres.rows(f"DROP ROLE IF EXISTS {LOCKED}")
    postgres.rows(f"CREATE ROLE {LOCKED} SUPERUSER LOGIN PASSWORD 'right-canary'")
    passwords: list[str | None] = [None, "wrong-canary", "right-canary"]
    for password in passwords:
        database = Database(postgres.url(LOCKED), lambda known=password: known, 1)  # type: ignore[misc]
        one = Shipping(path, database)
        await one.turn()
        await one.aclose()
    assert calls_there(postgres) == 5
    assert len(lines) == 2
    assert all("gateway credentials set ledger_postgres" in line for line in lines)
    assert "canary" not in "".join(lines)


async def test_a_role_without_rights(path: Path, postgres: Server, lines: list[str]) -> None:
    """At first without any; then with those of a writer, while an owner makes the partitions."""
    prepared(path, rows(5))
    postgres.rows("DROP ROLE IF EXISTS writer")
    postgres.rows("CREATE ROLE writer LOGIN")
    await once(path, postgres, "writer")
    assert "permission denied" in lines[0]
    assert "make the role the owner of the schema gateway" in lines[0]
    await once(prepared(path.with_name("owner.db"), rows(5, seed=2)), postgres)
    postgres.rows("GRANT USAGE ON SCHEMA gateway TO writer")
    postgres.rows("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA gateway TO writer")
    await once(path, postgres, "writer")
    assert calls_there(postgres) == 10
    postgres.rows("DROP OWNED BY writer")
    postgres.rows("DROP ROLE writer")


async def test_a_full_disk(path: Path, postgres: Server, lines: list[str]) -> None:
    await once(prepared(path, rows(5)), postgres)
    postgres.rows(
        "CREATE FUNCTION gateway.is_full() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'no space left' USING ERRCODE = 'disk_full'; END $$"
    )
    postgres.rows(
        "CREATE TRIGGER is_full BEFORE INSERT ON gateway.calls FOR EACH ROW"
        " EXECUTE FUNCTION gateway.is_full()"
    )
    add(path, rows(20, seed=2))
    assert (await once(path, postgres)).waiting.calls == 20
    assert "make room on PostgreSQL's disk" in lines[0]
    postgres.rows("DROP TRIGGER is_full ON gateway.calls")
    await once(path, postgres)
    assert sums_there(postgres) == sums_here(path)


async def test_bad_rows_are_set_aside_and_the_others_are_shipped(
    path: Path, postgres: Server, lines: list[str]
) -> None:
    await once(prepared(path, rows(5)), postgres)
    postgres.rows("ALTER TABLE gateway.calls ADD CHECK (agent <> 'bad') NOT VALID")
    add(path, rows(120, seed=2))
    add(path, rows(2, seed=3, agent="bad"))
    add(path, rows(120, seed=4))
    one = await once(path, postgres)
    assert (one.waiting.calls, one.given_up) == (0, 2)
    assert calls_there(postgres) == 245
    assert query(path, "SELECT number FROM set_aside") == [(126,), (127,)]
    assert len(lines) == 1
    assert lines[0].startswith("2 calls are set aside")


async def test_a_damaged_byte_holds_nothing_up(path: Path, postgres: Server) -> None:
    prepared(path, rows(5))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE calls SET finish = CAST(x'ff61' AS TEXT) WHERE number = 2")
        database.execute("UPDATE calls SET model_id = hex(randomblob(9000)) WHERE number = 4")
    one = await once(path, postgres)
    assert (one.shipped, one.given_up, one.waiting.calls) == (4, 1, 0)
    assert postgres.rows("SELECT finish FROM gateway.calls WHERE finish <> 'stop'") == [
        ("\ufffda",)
    ]


async def test_where_every_row_is_refused_none_is_set_aside(path: Path, postgres: Server) -> None:
    await once(prepared(path, rows(5)), postgres)
    postgres.rows("ALTER TABLE gateway.calls ADD CONSTRAINT strict CHECK (false) NOT VALID")
    add(path, rows(60, seed=2))
    one = await once(path, postgres)
    assert (one.waiting.calls, one.given_up, one.failures) == (60, 0, 1)
    postgres.rows("ALTER TABLE gateway.calls DROP CONSTRAINT strict")
    await once(path, postgres)
    assert sums_there(postgres) == sums_here(path)


async def test_months_get_partitions_and_old_ones_are_dropped(path: Path, postgres: Server) -> None:
    day = 86_400
    made = [time.time() - age * day for age in (0, 100, 400)]
    prepared(path, [row for at in made for row in rows(3, at)])

    async def ship(days: int, where: Path = path) -> list[str]:
        async with shipping(where, postgres, days=days) as one:
            await one.turn()
        found = postgres.rows(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'gateway.calls'::regclass ORDER BY 1"
        )
        return [name for (name,) in found]

    before = await ship(days=900)
    assert len(before) == 4, "this month, the next one, and two before"
    assert before == sorted(before)
    short = prepared(path.with_name("short.db"), rows(1, made[0]))
    assert await ship(10, short) == before, "the longest retention counts"
    assert await ship(days=200) == before, "which is known with the next calls"
    add(path, rows(1, made[0], seed=9))
    await ship(days=200)
    assert await ship(days=200) == before[1:]
    assert calls_there(postgres) == 8
    assert sums_there(postgres)[0] == 11, "sums stay"


async def test_a_partition_that_is_dropped_meanwhile_is_made_again(
    path: Path, postgres: Server
) -> None:
    prepared(path, rows(3))
    async with shipping(path, postgres) as one:
        await one.turn()
        postgres.rows("DROP TABLE gateway.calls_2027_01")
        add(path, rows(3, seed=2))
        await one.turn()
    assert (calls_there(postgres), one.given_up) == (3, 0)


async def test_two_releases_at_once(path: Path, postgres: Server, lines: list[str]) -> None:
    await once(prepared(path, rows(5)), postgres)
    postgres.rows("ALTER TABLE gateway.calls ADD COLUMN later text")
    postgres.rows("INSERT INTO gateway.release VALUES (%s, %s)", tables.VERSION + 1, tables.LEAST)
    add(path, rows(5, seed=2))
    assert (await once(path, postgres)).shipped == 5
    postgres.rows("UPDATE gateway.release SET least = version")
    add(path, rows(5, seed=3))
    assert (await once(path, postgres)).waiting.calls == 5
    assert "newer release" in lines[-1]


async def test_a_slow_server_delays_neither_the_file_nor_the_end(
    path: Path, postgres: Server
) -> None:
    await once(prepared(path, rows(5)), postgres)
    ledger = Ledger(path, 90_000, lambda: WALL, waiting_bytes_max=1)
    ledger.start()
    one = Shipping(path, Database(postgres.url(), lambda: None, 90_000))
    thread = Shipper(one, lambda: WALL + 7)
    with closing(postgres.connect()) as other:
        other.execute("BEGIN; LOCK gateway.usage_daily")
        add(path, rows(5, seed=2, at=WALL, seconds=0.0))
        thread.start()
        await postgres.until("SELECT 1 FROM pg_locks WHERE NOT granted")
        ledger.record(answered("req_now"), 200, 2.0)
        ledger.close()
        assert query(path, "SELECT count(*) FROM calls WHERE id = 'req_now'") == [(1,)]
        found = {each.name: each.samples[0].value for each in thread.collect()}
        assert found["gateway_ledger_unshipped_rows"] == 5
        assert 6 < found["gateway_ledger_ship_lag_seconds"] < 7.01
    await asyncio.to_thread(thread.close)
    # a stop ships what was recorded last
    await postgres.until("SELECT 1 FROM gateway.usage_daily HAVING sum(calls) = 11")


# --- what waits, and the age of calls ------------------------------------------------------------


def cleaned(path: Path, days: int, waiting_bytes_max: int | None) -> list[tuple[int]]:
    """The numbers that are left after a ledger has started on this file."""
    ledger = Ledger(path, days, lambda: WALL, waiting_bytes_max=waiting_bytes_max)
    ledger.start()
    ledger.record(answered("new"), 200, 2.0)
    ledger.close()
    return query(path, "SELECT number FROM calls WHERE id <> 'new' ORDER BY number")


async def test_what_was_not_shipped_is_kept_beyond_its_age(path: Path, postgres: Server) -> None:
    await once(prepared(path, rows(20, WALL - 5 * 86_400)), postgres)
    add(path, rows(10, WALL - 5 * 86_400, seed=2))
    assert cleaned(path, 1, 1_000_000) == [(number,) for number in range(21, 31)]
    await once(path, postgres)
    assert cleaned(path, 1, 1_000_000) == []


async def test_the_oldest_rows_are_dropped_where_too_many_wait(
    path: Path, lines: list[str]
) -> None:
    prepared(path, rows(1_000, WALL - 5 * 86_400))
    [(taken,)] = query(
        path, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    )
    left = cleaned(path, 1, taken // 2)
    assert 350 < len(left) < 650
    assert left[0] == (1,), "the first row is the latest here"
    assert query(path, "SELECT given_up FROM shipping") == [(1_000 - len(left),)]
    assert "ledger.waitingMb" in lines[0]


async def test_without_a_url_age_alone_counts(path: Path) -> None:
    prepared(path, rows(20, WALL - 5 * 86_400))
    assert cleaned(path, 1, None) == []


async def test_a_file_that_comes_to_another_machine_gets_another_name(path: Path) -> None:
    prepared(path)
    [(before,)] = query(path, "SELECT gateway FROM shipping")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE shipping SET machine = 'another', shipped = 5")
    prepared(path)
    [(after, shipped)] = query(path, "SELECT gateway, shipped FROM shipping")
    assert after != before
    assert shipped == 5
    prepared(path)
    assert query(path, "SELECT gateway FROM shipping") == [(after,)]
