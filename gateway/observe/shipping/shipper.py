"""The thread that ships the ledger's calls to PostgreSQL, a batch at a time.

Whatever PostgreSQL does (refuses, hangs, is full), calls wait in the ledger's file, and neither the
calls themselves nor the thread that writes the file wait for it. Of several processes with one
file, the one that holds a lock beside the file ships.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, TextIO

import psycopg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from psycopg import errors

from gateway.observe.shipping.database import Newer, NoPassword
from gateway.observe.shipping.outbox import Batch, Outbox, Waiting, opened
from gateway.observe.shipping.reasons import reason

log = logging.getLogger("gateway.ledger")

EVERY_S: Final = 2.0
"""How often it looks for calls to ship."""
CALLS_MAX: Final = 5_000
"""Calls of one batch."""
FULL_S: Final = 0.1
"""The pause after a full batch: a long outage is made up for without taking the whole processor."""
LIMIT_S: Final = 60.0
"""A batch that takes longer is given up and tried again."""
CLOSE_S: Final = 3.0
"""What a stop of the process gives PostgreSQL for the last calls."""
JOIN_S: Final = 4.0
BACKOFF_S: Final = 1.0
BACKOFF_MAX_S: Final = 30.0
SAY_S: Final = 60.0
"""How often the log says that calls wait."""
KEEP_S: Final = 3600.0
"""How often the partitions are looked after."""
REFUSED_MAX: Final = 20
"""So many calls that are refused, and none that is taken: it is not the calls."""

_REFUSALS: Final = (errors.DataError, errors.IntegrityError, errors.ProgramLimitExceeded)
"""What PostgreSQL says of a row that it cannot take."""
_FAILURES: Final = (psycopg.Error, Newer, NoPassword, sqlite3.Error, OSError, ValueError)


class Destination(Protocol):
    """Takes batches of calls: `database.Database`."""

    async def connect(self) -> None: ...
    async def keep_partitions(self) -> None: ...
    async def ship(self, gateway: str, batch: Batch) -> int: ...
    def abort(self) -> None: ...
    async def close(self) -> None: ...


class Shipping:
    """Ships the calls of the ledger at `path`, one batch a turn. `clock` is monotonic, in seconds;
    `jitter` is between 0 and 1."""

    def __init__(
        self,
        path: Path,
        database: Destination,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.shipped = 0
        """Calls that were added to PostgreSQL."""
        self.waiting = Waiting(0, None)
        """As of the last turn."""
        self.given_up = 0
        """Calls that never reach PostgreSQL."""
        self.failures = 0
        """Turns that failed since the last one that did not."""
        self._path = path
        self._database = database
        self._clock = clock
        self._jitter = jitter
        self._lock: TextIO | None = None
        self._due_at = self._said_at = self._kept_at = float("-inf")

    async def turn(self, limit_s: float = LIMIT_S) -> bool:
        """Ships a batch, if it is time to. Returns whether there is more. Raises nothing that
        PostgreSQL or the file may cause."""
        try:
            if not self._path.exists() or not self._is_ours():
                return False
            with opened(self._path) as outbox:
                return outbox is not None and await self._look(outbox, limit_s)
        except _FAILURES as error:  # of the file: PostgreSQL's end in `_look`
            await self._failed(error)
            return False

    async def aclose(self) -> None:
        """Ends the connection, and gives the file to another process."""
        with suppress(psycopg.Error, OSError):
            await self._database.close()
        if self._lock is not None:
            self._lock.close()

    def _is_ours(self) -> bool:
        """Whether this process ships the file. The lock ends with the process."""
        if self._lock is None:
            file = self._path.with_name(f"{self._path.name}-shipping").open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            self._lock = file
        return True

    async def _look(self, outbox: Outbox, limit_s: float) -> bool:
        self._count(outbox)
        if self._clock() < self._due_at:
            return False
        try:
            is_full = await self._within(limit_s, outbox)
        except _FAILURES as error:
            await self._failed(error)
            return False
        finally:
            self._count(outbox)
        self._succeeded()
        return is_full

    async def _within(self, limit_s: float, outbox: Outbox) -> bool:
        """Ships a batch. Raises `TimeoutError` if that takes too long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + limit_s
        timer = loop.call_at(until, self._database.abort)
        try:
            await self._keep()
            return await self._ship(outbox)
        except psycopg.Error as error:
            if loop.time() >= until:
                raise TimeoutError from error
            raise
        finally:
            timer.cancel()

    def _count(self, outbox: Outbox) -> None:
        self.waiting, self.given_up = outbox.waiting(), outbox.given_up()

    async def _keep(self) -> None:
        """Looks after the partitions, seldom; also while there are no calls."""
        if self._clock() - self._kept_at < KEEP_S:
            return
        await self._database.connect()
        try:
            await self._database.keep_partitions()
        except (errors.InsufficientPrivilege, errors.LockNotAvailable) as error:
            log.warning("the partitions of PostgreSQL are as they were: %s", reason(error))
        self._kept_at = self._clock()

    async def _ship(self, outbox: Outbox) -> bool:
        after = outbox.shipped()
        batch = outbox.batch(after, CALLS_MAX)
        if batch is None:
            return False
        await self._database.connect()
        try:
            self.shipped += await self._database.ship(outbox.gateway, batch)
        except _REFUSALS:
            await self._sift(outbox, after, batch.last)
        outbox.remember(batch.last)
        return batch.is_full

    async def _sift(self, outbox: Outbox, after: int, last: int) -> None:
        """Ships the calls between these numbers but for those that PostgreSQL refuses alone, and
        sets these aside. Raises the refusal if it takes none: then it is not the calls."""
        taken, refused = 0, dict[int, str]()
        parts = [(after, last)]
        while parts:
            after, last = parts.pop()
            batch = outbox.batch(after, CALLS_MAX, last)
            if batch is None:
                continue
            try:
                self.shipped += await self._database.ship(outbox.gateway, batch)
                taken += batch.calls
            except _REFUSALS as error:
                if batch.calls > 1:
                    half = outbox.batch(after, batch.calls // 2, last)
                    assert half is not None
                    parts += [(half.last, last), (after, half.last)]
                    continue
                refused[batch.last] = reason(error)
                if not taken and (not parts or len(refused) == REFUSED_MAX):
                    raise
        for number, why in refused.items():
            outbox.set_aside(number, why)
        if refused:
            first = min(refused)
            words = "%d calls are set aside, PostgreSQL refuses them. The first has number %d: %s"
            log.error(words, len(refused), first, refused[first])

    async def _failed(self, error: Exception) -> None:
        with suppress(psycopg.Error, OSError):
            await self._database.close()
        now = self._clock()
        pause_s = min(BACKOFF_S * 2**self.failures, BACKOFF_MAX_S)
        self.failures = min(self.failures + 1, 16)
        self._due_at = now + pause_s * (0.5 + self._jitter() / 2)
        if now - self._said_at >= SAY_S:
            self._said_at = now
            log.warning("%d calls wait to be shipped: %s", self.waiting.calls, reason(error))

    def _succeeded(self) -> None:
        if self.failures:
            self.failures = 0
            self._said_at = float("-inf")
            log.info("PostgreSQL takes calls again; %d wait", self.waiting.calls)


class Shipper(Collector):
    """The thread in which a `Shipping` takes its turns; as a metric, says how far behind it is.
    `wall` is Unix time in seconds."""

    def __init__(self, shipping: Shipping, wall: Callable[[], float] = time.time) -> None:
        self._shipping = shipping
        self._wall = wall
        self._closing = threading.Event()
        self._wake: Callable[[], object] = self._closing.set
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to ship."""
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ships what was recorded last, if PostgreSQL takes it at once, and ends the thread."""
        self._closing.set()
        with suppress(RuntimeError):  # the thread has ended
            self._wake()
        if self._thread is not None:
            self._thread.join(JOIN_S)
            self._thread = None

    def _run(self) -> None:
        asyncio.run(self._turns())

    async def _turns(self) -> None:
        shipping, woken, loop = self._shipping, asyncio.Event(), asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(woken.set)
        while not self._closing.is_set():
            pause_s = FULL_S if await shipping.turn() else EVERY_S
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await woken.wait()
        until = loop.time() + CLOSE_S
        while not shipping.failures and loop.time() < until:
            if not await shipping.turn(until - loop.time()):
                break
        await shipping.aclose()

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        waiting, shipping = self._shipping.waiting, self._shipping
        lag_s = max(0.0, self._wall() - waiting.since) if waiting.since is not None else 0.0
        for name, words, value in (
            ("ship_lag_seconds", "The age of the oldest call that waits for PostgreSQL.", lag_s),
            ("unshipped_rows", "Calls that wait for PostgreSQL.", waiting.calls),
        ):
            yield GaugeMetricFamily(f"gateway_ledger_{name}", words, value=value)
        for name, words, value in (
            ("shipped", "Calls that were added to PostgreSQL.", shipping.shipped),
            ("given_up", "Calls that never reach PostgreSQL.", shipping.given_up),
        ):
            yield CounterMetricFamily(f"gateway_ledger_{name}", words, value=value)
