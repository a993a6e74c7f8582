"""A new configuration takes over without a restart, on SIGHUP and when a file changes: whole, or
not at all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

from gateway.config.load import Config, ConfigError, load
from gateway.process.systemd import Notifier

log = logging.getLogger("gateway.config")

FIXED: Final = (
    ("server", "host"), ("server", "port"), ("server", "workers"), ("log", "format"), ("log",
    "level"),
    ("ledger", "enabled"), ("ledger", "path"), ("ledger", "retentionDays"),
    ("ledger", "url"), ("ledger", "waitingMb"),
    ("cluster", "redis"), ("cluster", "name"), ("cluster", "waitMs"), ("cluster", "whenDown"),
    ("cluster", "gateways"), ("cluster", "tls"), ("cluster", "vault"),
    ("traces", "endpoint"), ("traces", "headers"), ("traces", "propagate"),
)  # fmt: skip
"""(table, key) of what needs a restart."""
LOOK_S: Final = 0.5


class Reloader:
    """Loads the configuration again and hands it to `swap`. `current` is what is in force."""

    def __init__(
        self,
        current: Callable[[], Config],
        swap: Callable[[Config], None],
        notifier: Notifier,
        env: Mapping[str, str],
        home: Path,
    ) -> None:
        self._current = current
        self._swap = swap
        self._notifier = notifier
        self._env = env
        self._home = home

    def reload(self) -> bool:
        """Returns whether the new configuration is in force; if not, the log says why and the old
        one stays."""
        old = self._current()
        if old.path is None:
            log.info("nothing to reload: there is no configuration file")
            return False
        self._notifier.reloading()
        try:
            return self._take_over(old, load(old.path, self._env, self._home))
        except ConfigError as error:
            log.error("the new configuration is refused and the old one stays in force:\n%s", error)
            return False
        except OSError as error:
            log.error("the configuration cannot be read and the old one stays in force: %s", error)
            return False
        finally:
            self._notifier.ready("serving")

    def _take_over(self, old: Config, new: Config) -> bool:
        before, after = msgspec.to_builtins(old.root), msgspec.to_builtins(new.root)
        for table, key in FIXED:
            if before[table][key] != after[table][key]:
                log.warning("%s.%s has changed and takes effect at the next restart", table, key)
        for problem in new.warnings:
            log.warning("%s", problem)
        self._swap(new)
        log.info("reloaded: %d agents, %d models", len(new.agents), len(new.entries))
        return True

    async def watch(self) -> None:
        """Reloads when a file of the configuration has changed, until cancelled.

        Looks once per `LOOK_S`, which costs less than a notification service and works on every
        file system. A change counts once the file is the same at two looks in a row: a file that is
        being written is not read half.
        """
        path = self._current().path
        if path is None:
            return
        loaded = seen = fingerprint(path, self._current().files)
        while True:
            await asyncio.sleep(LOOK_S)
            now = fingerprint(path, self._current().files)
            if now == seen and now != loaded:
                loaded = now
                self.reload()
            seen = now


def fingerprint(path: Path, read: Iterable[Path] = ()) -> frozenset[tuple[str, int, int, int]]:
    """(name, times of change, size) of every file that may belong to the configuration at `path`,
    and of those `read`, which may lie elsewhere. The second time is the one of the file's mode:
    what could not be read may be readable now.
    """
    folder = path.parent
    beside = (folder.glob("*.toml"), folder.glob(".env.toml"), folder.glob("agents/*/config.toml"))
    found = []
    for file in (path, *chain.from_iterable(beside), *read):
        try:
            stat = file.stat()
        except OSError:
            continue  # it went away between two looks, which is a change as well
        found.append((str(file), stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size))
    return frozenset(found)
