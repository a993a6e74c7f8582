"""What clients drop, kept for the other members: the port between `shared/replay.py` and the
engine.

An entry is sent when it is kept, and asked for when a client sends back a tool call or an image
without it and this process does not know it. Losing one costs quality, never correctness: nothing
is kept for an engine that is away, and an answer that is late is none.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from gateway.shared.engine import Command, Keep, Recall
from gateway.shared.entries import Entries, Key
from gateway.shared.port import Pending
from gateway.shared.redis import messages
from gateway.shared.redis.health import Health
from gateway.shared.replay import TEXT

log = logging.getLogger("gateway.cluster")

ENTRY_BYTES_MAX: Final = 64 * 1024
"""A larger entry is not shared: it would hold up the commands behind it."""
KEYS_MAX: Final = 256
"""So many entries are asked for at once, those of the latest messages."""
MISSES_MAX: Final = 2
"""An entry that so many questions have not found is not asked for again. One is not enough: the
entry of an answer that has just ended may still be on its way."""
ABSENT_MAX: Final = 10_000


class Port(Protocol):
    """What the vault needs of a member."""

    @property
    def health(self) -> Health: ...

    def ask(self, command: Command) -> Any | Pending: ...

    def tell(self, command: Command) -> None: ...


class Vault:
    """Keeps entries for the other members, and recalls theirs."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._misses = Entries(ABSENT_MAX)
        """Key → how many questions have not found it."""

    def __repr__(self) -> str:
        return f"<Vault absent={len(self._misses)}>"

    def keep(self, key: Key, entry: Any, size: int) -> None:
        """Sends an entry to the engine. What is not plain data stays here."""
        self._misses.forget(key)
        if not self._port.health.is_up:
            return
        try:
            packed = messages.pack(entry)
        except (TypeError, ValueError, OverflowError):
            log.debug("an entry cannot be shared")
            return
        if len(packed) <= ENTRY_BYTES_MAX:
            self._port.tell(Keep(key, packed, len(packed)))

    def keep_nothing(self, key: Key) -> None:
        """There is nothing to keep for this key, and so nothing to ask for."""
        self._misses.put(key, MISSES_MAX, 1)

    async def recall(self, keys: Sequence[Key]) -> list[tuple[Key, Any]]:
        """The entries that other members have kept under these keys, which are in the order of the
        conversation. One question at most, or none where only texts lack their signature."""
        wanted = [key for key in reversed(keys) if (self._misses.get(key) or 0) < MISSES_MAX]
        del wanted[KEYS_MAX:]
        if all(kind == TEXT for _, kind, _ in wanted):
            return []
        answer = self._port.ask(Recall(wanted))
        if isinstance(answer, Pending):
            answer = await answer.answer
        found = []
        for key, packed in zip(wanted, answer or (), strict=False):  # the engine may stop earlier
            entry = _read(packed)
            if entry is None:
                self._misses.put(key, (self._misses.get(key) or 0) + 1, 1)
            else:
                found.append((key, entry))
        return found


def _read(packed: bytes | None) -> dict[str, Any] | None:
    """None for what does not have the form of an entry: another release may have kept it."""
    try:
        found = messages.unpack(packed) if packed is not None else None
    except (msgspec.MsgspecError, ValueError):
        return None
    return found if isinstance(found, dict) else None
