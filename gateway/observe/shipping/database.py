"""The ledger in PostgreSQL: one connection, which makes the tables and takes batches of calls.

Needs psycopg 3 (the extra `postgres`), so only what is used with `[ledger] url` imports it. It runs
on an event loop, so that a deadline can end a query of a server that is frozen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date, datetime
from socket import SHUT_RDWR, socket
from typing import Any, Final, cast

import psycopg
from psycopg import conninfo, errors

from gateway import __version__
from gateway.observe.shipping import tables
from gateway.observe.shipping.outbox import Batch

LOCK: Final = 0x67617465776179
"""The advisory lock under which tables and partitions are made: `gateway` in ASCII."""
LOCK_MS: Final = 2_000
"""How long a change of the tables waits for the queries of others."""
DEFAULTS: Final = {
    "application_name": "local-agent-gateway",
    "client_encoding": "UTF8",
    "connect_timeout": "5",
    "target_session_attrs": "read-write",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""What the URL does not state, in libpq's words."""


class NoPassword(Exception):
    """The password cannot be read; the message says why."""


Password = Callable[[], str | None]
"""The password as it is now; None where PostgreSQL asks for none. Raises `NoPassword`."""


class Newer(Exception):
    """The tables belong to a newer release, which this one must not write into."""


def connection_values(url: str, password: str | None) -> dict[str, Any]:
    """The parameters of a connection. Raises `psycopg.Error` for a URL that libpq refuses."""
    values = {**DEFAULTS, **conninfo.conninfo_to_dict(url)}
    return {**values, "password": password} if password is not None else values


class Database:
    """Takes batches of calls. `days` is the retention of this gateway."""

    def __init__(self, url: str, password: Password, days: int) -> None:
        self._url = url
        self._password = password
        self._days = days
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None
        self._months: set[str] = set()
        """Months that have a partition."""

    async def connect(self) -> None:
        """Connects, and makes the tables where there are none. Raises `psycopg.Error`,
        `Newer`, `NoPassword`."""
        if self._connection is not None and not self._connection.closed:
            return
        values = connection_values(self._url, self._password())
        self._months.clear()
        # a pooler may give each transaction another session, which knows no prepared statements
        self._connection = await psycopg.AsyncConnection.connect(
            **values, autocommit=True, prepare_threshold=None
        )
        await self._make_tables()

    def abort(self) -> None:
        """Cuts the connection, so that whatever waits for it fails now.

        psycopg's own way to cancel a query waits for the server to confirm it.
        """
        if self._connection is not None and not self._connection.closed:
            with suppress(OSError), socket(fileno=os.dup(self._connection.fileno())) as ours:
                ours.shutdown(SHUT_RDWR)

    async def close(self) -> None:
        """Ends the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    @property
    def _open(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        assert self._connection is not None
        return self._connection

    async def _value(self, query: str, values: dict[str, Any] | None = None) -> Any:
        row = await (await self._open.execute(cast(Any, query), values)).fetchone()
        return row[0] if row is not None else None

    async def _run(self, statements: Iterable[str]) -> None:
        for statement in statements:
            await self._open.execute(cast(Any, statement))

    async def _make_tables(self) -> None:
        if not await self._value(tables.EXISTS):
            async with self._open.transaction():
                await self._lock()
                if not await self._value(tables.EXISTS):
                    await self._create_tables()
        least = await self._value("SELECT max(least) FROM gateway.release")
        if least > tables.VERSION:
            raise Newer(
                "the tables in PostgreSQL belong to a newer release of the gateway;"
                " calls wait until this one is updated"
            )

    async def _create_tables(self) -> None:
        if not await self._value(tables.SCHEMA_EXISTS):
            await self._run([tables.SCHEMA])
        await self._run(tables.CREATE)

    async def _lock(self) -> None:
        await self._run(
            [f"SET LOCAL lock_timeout = {LOCK_MS}", f"SELECT pg_advisory_xact_lock({LOCK})"]
        )

    async def ship(self, gateway: str, batch: Batch) -> int:
        """Adds the calls of a batch that are new, and returns how many these are. Either all of it
        is in PostgreSQL then, or nothing. Raises `psycopg.Error`."""
        if not self._months >= batch.months:
            await self._make_partitions(batch.months)
        connection = self._open
        try:
            async with connection.transaction():
                # the role's default may be off, which can lose what was committed
                await self._run(["SET LOCAL synchronous_commit = on", tables.INCOMING])
                cursor = connection.cursor()
                async with cursor.copy(cast(Any, tables.COPY)) as copy:
                    await copy.write(batch.csv)
                if cursor.rowcount != batch.calls:
                    raise psycopg.DataError(f"{cursor.rowcount} of {batch.calls} calls arrived")
                new = await self._value(tables.SHIP, {"gateway": gateway})
                values = {"gateway": gateway, "version": __version__, "days": self._days}
                await connection.execute(cast(Any, tables.SEEN), {**values, "calls": new})
        except errors.CheckViolation:
            self._months.clear()  # a partition may have been dropped by now
            raise
        return int(new)

    async def _make_partitions(self, months: frozenset[str]) -> None:
        """Makes the partitions of these months that are missing."""
        self._months = await self._known()
        if self._months >= months:
            return
        async with self._open.transaction():
            await self._lock()
            for month in sorted(months - await self._known()):
                await self._make_partition(month)
        self._months |= months

    async def _make_partition(self, month: str) -> None:
        name, following = _name(month), _following(month)
        await self._run(
            each.format(name=name, month=month, following=following) for each in tables.PARTITION
        )

    async def _known(self) -> set[str]:
        rows = await (await self._open.execute(tables.PARTITIONS)).fetchall()
        return {row[0].removeprefix("calls_").replace("_", "-") for row in rows}

    async def keep_partitions(self) -> None:
        """Makes the partitions of this month and the next one, and drops those that no gateway
        keeps. Does nothing where another gateway does it now. Raises `psycopg.Error`."""
        async with self._open.transaction():
            await self._run([f"SET LOCAL lock_timeout = {LOCK_MS}"])
            if not await self._value(f"SELECT pg_try_advisory_xact_lock({LOCK})"):
                return
            now: datetime = await self._value("SELECT now() AT TIME ZONE 'UTC'")
            months = {f"{now:%Y-%m}", _following(f"{now:%Y-%m}")}
            known = await self._known()
            for month in sorted(months - known):
                await self._make_partition(month)
            oldest = await self._value(tables.OLDEST)
            old = sorted(month for month in known if oldest is not None and month < oldest)
            await self._run(f"DROP TABLE gateway.{_name(month)}" for month in old)
        self._months = (known | months) - set(old)


def _name(month: str) -> str:
    """`calls_2026_11` of `2026-11`."""
    return f"calls_{month.replace('-', '_')}"


def _following(month: str) -> str:
    """`2026-12` of `2026-11`."""
    first = date.fromisoformat(f"{month}-01")
    return f"{first.year + first.month // 12:04}-{first.month % 12 + 1:02}"
