"""A bounded store in memory: the least recently used entries go first. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

ENTRIES_MAX: Final = 10_000
BYTES_MAX: Final = 64 * 1024 * 1024

Key = tuple[str, str, str]
"""(client, kind, id): what one client said must not find its way into another's conversation."""


class Entries:
    """Plain data by key, with its size in bytes."""

    def __init__(self, entries_max: int = ENTRIES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._entries: OrderedDict[Key, tuple[Any, int]] = OrderedDict()
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self.bytes = 0
        """Of all entries."""

    def __repr__(self) -> str:
        return f"<Entries entries={len(self._entries)} bytes={self.bytes}>"

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def put(self, key: Key, entry: Any, size: int) -> None:
        """Keeps an entry in place of an earlier one of its key."""
        self.forget(key)
        self._entries[key] = (entry, size)
        self.bytes += size
        while len(self._entries) > self._entries_max or self.bytes > self._bytes_max:
            self.forget(next(iter(self._entries)))

    def get(self, key: Key) -> Any | None:
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found[0]

    def forget(self, key: Key) -> None:
        _, size = self._entries.pop(key, (None, 0))
        self.bytes -= size
