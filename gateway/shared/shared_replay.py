"""Replay that other processes take part in: the workers of this gateway, and other gateways."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from gateway.shared.entries import Key
from gateway.shared.replay import Replay
from gateway.types import Chat

Fetch = Callable[[str, Chat], Awaitable[None]]


class Others(Protocol):
    """Other processes, which keep what each of them stores."""

    def keep(self, key: Key, entry: Any, size: int) -> None: ...

    def keep_nothing(self, key: Key) -> None:
        """There is nothing to keep for this key."""
        ...

    async def recall(self, keys: list[Key]) -> list[tuple[Key, Any]]:
        """What they have kept under these keys. The wait is bounded; an entry that does not come
        in time is missing."""
        ...


class SharedReplay:
    """The replay of this process, and what it shares. `others` are in the order in which they are
    asked; those that are None are not there."""

    def __init__(self, *others: Others | None) -> None:
        self._others = tuple(each for each in others if each is not None)
        self.replay = Replay(on_kept=self._keep, on_nothing=self._keep_nothing)
        if not self._others:
            self.replay = Replay()

    def __repr__(self) -> str:
        return f"<SharedReplay {self.replay!r} others={len(self._others)}>"

    @property
    def fetch(self) -> Fetch | None:
        """Brings what the others keep of a client's chat into `replay`; None without others."""
        return self._fetch if self._others else None

    def _keep(self, key: Key, entry: Any, size: int) -> None:
        for each in self._others:
            each.keep(key, entry, size)

    def _keep_nothing(self, key: Key) -> None:
        for each in self._others:
            each.keep_nothing(key)

    async def _fetch(self, owner: str, chat: Chat) -> None:
        for each in self._others:
            missing = self.replay.missing(owner, chat)
            if not missing:
                return
            for key, entry in await each.recall(missing):
                self.replay.add(key, entry)
