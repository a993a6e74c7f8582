"""The lock that pi takes on its files, so that the two do not write at the same time: a directory
beside the file.

Its form is that of npm's proper-lockfile. Whoever makes `<file>.lock` has the lock, sets its time
anew while it works, and removes it. One whose time has not moved for `STALE_S` was left behind by a
process that died.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

logger = logging.getLogger("gateway.upstream")

STALE_S: Final = 30.0
TOUCH_EVERY_S: Final = 3.0
"""Some of pi's own calls take a lock for stale after 10 seconds."""
PATIENCE_S: Final = 30.0
"""How long a lock under which somebody works is waited for."""
FIRST_PAUSE_S: Final = 0.1
PAUSE_MAX_S: Final = 1.0

Pause = Callable[[float], Awaitable[object]]


class LockBusy(Exception):
    """Somebody else has had the lock for longer than we can wait."""


class DirectoryLock:
    """`async with` it to hold the lock of `path`, which must have no symbolic link in it.

    `wall` is Unix time and `pause` sleeps, both in seconds. Entering raises `LockBusy`, and
    `OSError` where no lock can be made.
    """

    def __init__(self, path: Path, *, wall: Callable[[], float], pause: Pause) -> None:
        self._lock = path.with_name(f"{path.name}.lock")
        self._wall = wall
        self._pause = pause
        self._mark = 0
        self._is_ours = False

    async def __aenter__(self) -> None:
        pause_s, waited_s = FIRST_PAUSE_S, 0.0
        while not self._take():
            if waited_s >= PATIENCE_S:
                raise LockBusy(
                    f"{self._lock} is held by another process; if none works there, remove it"
                )
            await self._pause(pause_s)
            waited_s += pause_s
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
        self._keeper = asyncio.create_task(self._keep())

    async def __aexit__(self, *_: object) -> None:
        self._keeper.cancel()
        if self._is_ours:
            with suppress(OSError):
                self._lock.rmdir()

    def _take(self) -> bool:
        """Tries once, and moves a stale lock out of the way."""
        try:
            self._lock.mkdir()
        except FileExistsError:
            if not self._is_stale():
                return False
            logger.warning("%s was left behind by a process that died, and is removed", self._lock)
            with suppress(FileNotFoundError):
                self._lock.rmdir()
            return self._take()
        self._touch()
        self._is_ours = True
        return True

    def _is_stale(self) -> bool:
        with suppress(FileNotFoundError):
            return self._lock.stat().st_mtime < self._wall() - STALE_S
        return False

    def _touch(self) -> None:
        """Sets the lock's time, and remembers it as the file system keeps it."""
        now = self._wall()
        os.utime(self._lock, (now, now))
        self._mark = self._lock.stat().st_mtime_ns

    async def _keep(self) -> None:
        while self._is_ours:
            await self._pause(TOUCH_EVERY_S)
            try:
                self._is_ours = self._lock.stat().st_mtime_ns == self._mark
                if self._is_ours:
                    self._touch()
            except OSError:
                self._is_ours = False
        logger.warning(
            "%s was taken by another process while the gateway worked under it", self._lock
        )
