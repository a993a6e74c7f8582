"""Answers that clients continue by id: bounded, in memory, each client's own.

Prompts stay off the disk: after a restart a client sends its whole input again. The least recently
used answers go first, and one that was not used for an hour goes too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from gateway.dialects.responses.inbound.history import (
    Stored,
    deleted,
    expand,
    input_items,
    kept,
    named_by,
    restored,
)
from gateway.hub.contracts import Request

BYTES_MAX: Final = 64 * 1024 * 1024
RESPONSE_BYTES_MAX: Final = 4 * 1024 * 1024
IDLE_S: Final = 3600.0
_ENTRY_BYTES: Final = 1024
"""The size of an entry besides its JSON, so that small ones are bounded too."""

Key = tuple[str, str]
"""(client, id): the answers of one client do not exist for another."""


class _Entry(NamedTuple):
    stored: Stored
    used_at_s: float

    @property
    def bytes(self) -> int:
        return self.stored.bytes + _ENTRY_BYTES


class Others(Protocol):
    """The other processes of this gateway, which keep what each of them stores."""

    def keep(self, key: tuple[str, str, str], entry: Any, size: int) -> None: ...

    async def recall(
        self, keys: list[tuple[str, str, str]]
    ) -> list[tuple[tuple[str, str, str], Any]]: ...


class ResponsesStore:
    """Stored answers by (client, response id). `clock` gives seconds that only grow."""

    def __init__(
        self,
        clock: Callable[[], float],
        bytes_max: int = BYTES_MAX,
        idle_s: float = IDLE_S,
        others: Others | None = None,
    ) -> None:
        self._clock = clock
        self._others = others
        self._bytes_max = bytes_max
        self._idle_s = idle_s
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._holders: dict[Key, str] = {}
        """(client, item id) → the id of the latest response that holds the item."""
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<ResponsesStore entries={len(self._entries)} bytes={self._bytes}>"

    def put(self, client: str, stored: Stored) -> None:
        """Keeps an answer; one that is too large is not kept."""
        self._expire()
        key = (client, stored.id)
        self._forget(key)
        if stored.bytes > RESPONSE_BYTES_MAX:
            return
        entry = self._entries[key] = _Entry(stored, self._clock())
        self._bytes += entry.bytes
        self._holders.update(dict.fromkeys(((client, id_) for id_ in stored.items), stored.id))
        while self._bytes > self._bytes_max:
            self._forget(next(iter(self._entries)))

    def get(self, client: str, id_: str) -> Stored | None:
        """The answer of that id, or the one that holds an item of that id."""
        self._expire()
        key = (client, id_)
        if key not in self._entries:
            key = (client, self._holders.get(key, ""))
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries[key] = entry._replace(used_at_s=self._clock())
        self._entries.move_to_end(key)
        return entry.stored

    def named_by(self, body: Mapping[str, Any]) -> Iterable[str]:
        """The ids that a request's body refers to."""
        return named_by(body)

    def expand(self, client: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A request's body with what it names by id put in place. Raises `Failed` for an unknown
        id."""
        return expand(body, self.finder(client))

    def keep(self, client: str, request: Request, response: Mapping[str, Any] | None) -> None:
        """Stores an answer, if the client wants that. `response` is None for one that is not
        whole."""
        stored = kept(request, response)
        if stored is None:
            return
        self.put(client, stored)
        if self._others is not None and stored.bytes <= RESPONSE_BYTES_MAX:
            self._others.keep(
                (client, "response", stored.id), [stored.response, list(stored.input)], stored.bytes
            )
            for id_ in stored.items:
                self._others.keep((client, "item", id_), stored.id, _ENTRY_BYTES)

    async def fetch(self, client: str, ids: Iterable[str]) -> None:
        """Brings responses, and those that hold items, from the other processes; they know the
        latest state."""
        if self._others is None:
            return
        wanted = list(dict.fromkeys(ids))
        held = await self._others.recall([(client, "item", id_) for id_ in wanted])
        wanted = list(dict.fromkeys([*wanted, *(id_ for _, id_ in held if id_)]))
        for id_ in wanted:
            self._forget((client, id_))
        for _, entry in await self._others.recall([(client, "response", id_) for id_ in wanted]):
            self.put(client, restored(*entry))

    def finder(self, client: str) -> Callable[[str], Stored | None]:
        """`get` for one client, as `history.expand` wants it."""
        return lambda id_: self.get(client, id_)

    def response(self, client: str, id_: str) -> Mapping[str, Any] | None:
        """The response object of that id; None for an id of another client."""
        stored = self.get(client, id_)
        return stored.response if stored is not None and stored.id == id_ else None

    def delete(self, client: str, id_: str) -> Mapping[str, Any] | None:
        """Forgets an answer and says so; None for an unknown id."""
        self._expire()
        known = (client, id_) in self._entries
        self._forget((client, id_))
        if known and self._others is not None:
            self._others.keep((client, "response", id_), None, 0)
        return deleted(id_) if known else None

    def input_items(self, client: str, id_: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """One page of an answer's input; None for an unknown id. Raises `Failed` for a query that
        is wrong."""
        stored = self.get(client, id_)
        return input_items(stored, query) if stored is not None and stored.id == id_ else None

    def _expire(self) -> None:
        """Entries are in the order of their use, so only the oldest are looked at."""
        limit_s = self._clock() - self._idle_s
        while self._entries and next(iter(self._entries.values())).used_at_s < limit_s:
            self._forget(next(iter(self._entries)))

    def _forget(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._bytes -= entry.bytes
        client, id_ = key
        for item_id in entry.stored.items:
            if self._holders.get((client, item_id)) == id_:
                del self._holders[client, item_id]
