"""Remembers what clients drop: signatures and reasoning, by tool-call id.

Most clients send back a tool call's id and arguments and nothing else, while some providers refuse, or think worse,
when their signature does not come back with it. Bounded, in memory, forgotten on restart: losing an entry costs
quality, never correctness, because every dialect does without.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from gateway.types import Chat

ENTRIES_MAX: Final = 10_000
ENTRY_BYTES_MAX: Final = 256 * 1024
BYTES_MAX: Final = 64 * 1024 * 1024
ID_CHARS_MIN: Final = 8
"""A shorter id (`call_0`) is no name for one call among all: some servers number the calls of each answer anew."""

Key = tuple[str, str]
"""(client, tool-call id): one client's reasoning must not find its way into another's conversation."""

_KEYS: Final = ("reasoning_details", "reasoning_content")


class Vault:
    """Entries by tool-call id; the least recently used go first."""

    def __init__(self, entries_max: int = ENTRIES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._entries: OrderedDict[Key, tuple[dict[str, Any], int]] = OrderedDict()
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<Vault entries={len(self._entries)} bytes={self._bytes}>"

    def put(self, owner: str, message: Mapping[str, Any], call: Mapping[str, Any]) -> None:
        """Keeps for the client `owner` what belongs to a tool call: the extras of its message, and its own."""
        if not isinstance(call["id"], str) or len(call["id"]) < ID_CHARS_MIN:
            return
        key = (owner, call["id"])
        entry = {key: message[key] for key in _KEYS if message.get(key)}
        if call.get("extra_content"):
            entry["extra_content"] = call["extra_content"]
        size = len(repr(entry)) if entry else 0
        self._forget(key)  # what an earlier call of the same id left belongs to another conversation
        if not entry or size > ENTRY_BYTES_MAX:
            return
        self._entries[key] = (entry, size)
        self._bytes += size
        while len(self._entries) > self._entries_max or self._bytes > self._bytes_max:
            self._forget(next(iter(self._entries)))

    def restore(self, owner: str, chat: Chat) -> Chat:
        """`chat`, sent by the client `owner`, with what its tool calls lost on the way; what it did send wins."""
        if not self._entries:
            return chat
        messages = [
            self._restored(owner, message) if message.get("tool_calls") else message for message in chat["messages"]
        ]
        return {**chat, "messages": messages}

    def _restored(self, owner: str, message: Mapping[str, Any]) -> dict[str, Any]:
        restored = dict(message)
        calls = []
        for call in message["tool_calls"]:
            entry = self._get((owner, call["id"]))
            if "extra_content" in entry and "extra_content" not in call:
                call = {**call, "extra_content": entry["extra_content"]}
            calls.append(call)
            for key in _KEYS:
                if key in entry:
                    restored.setdefault(key, entry[key])
        restored["tool_calls"] = calls
        return restored

    def _get(self, key: Key) -> dict[str, Any]:
        if key not in self._entries:
            return {}
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def _forget(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry[1]
