"""Remembers what clients drop: signatures and reasoning, by tool-call id; signatures of texts and images, by these.

Most clients send back a tool call's id and arguments and nothing else, while some providers refuse, or think worse,
when their signature does not come back with it. Bounded, in memory, forgotten on restart: losing an entry costs
quality, never correctness, because every dialect does without.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from gateway.types import Chat

ENTRIES_MAX: Final = 10_000
ENTRY_BYTES_MAX: Final = 256 * 1024
BYTES_MAX: Final = 64 * 1024 * 1024
ID_CHARS_MIN: Final = 8
"""A shorter id (`call_0`) is no name for one call among all: some servers number the calls of each answer anew."""

Key = tuple[str, str, str]
"""(client, `call`, `text` or `image`, tool-call id or digest): one client's reasoning must not find its way into
another's conversation."""

_KEYS: Final = ("reasoning_details", "reasoning_content")


class Vault:
    """Entries by tool-call id; the least recently used go first."""

    def __init__(self, entries_max: int = ENTRIES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._entries: OrderedDict[Key, tuple[dict[str, Any], int]] = OrderedDict()
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._signed = 0
        """Entries of texts and images: without any, none is looked for."""

    def __repr__(self) -> str:
        return f"<Vault entries={len(self._entries)} bytes={self._bytes}>"

    def put(self, owner: str, message: Mapping[str, Any], call: Mapping[str, Any]) -> None:
        """Keeps for the client `owner` what belongs to a tool call: the extras of its message, and its own."""
        self.put_all(owner, message, (call,))

    def put_all(self, owner: str, message: Mapping[str, Any], calls: Iterable[Mapping[str, Any]]) -> None:
        """The same for several calls of one message, whose extras are measured once."""
        shared = {key: message[key] for key in _KEYS if message.get(key)}
        size = len(repr(shared)) if shared else 0
        for call in calls:
            self._put(owner, shared, size, call)

    def _put(self, owner: str, shared: dict[str, Any], size: int, call: Mapping[str, Any]) -> None:
        if not isinstance(call["id"], str) or len(call["id"]) < ID_CHARS_MIN:
            return
        entry = dict(shared)
        if call.get("extra_content"):
            entry["extra_content"] = call["extra_content"]
            size += len(repr(entry["extra_content"]))
        self._keep((owner, "call", call["id"]), entry, size)

    def put_message(self, owner: str, message: Mapping[str, Any]) -> None:
        """Keeps for the client `owner` the `extra_content` of a message's text and of its images."""
        text, extra = message.get("content"), message.get("extra_content")
        if isinstance(text, str) and text and extra:
            self._keep_signature((owner, "text", _digest(text)), extra)
        for image in message.get("images") or ():
            url = _url(image)
            if url and image.get("extra_content"):
                self._keep_signature((owner, "image", _digest(url)), image["extra_content"])

    def _keep_signature(self, key: Key, extra: Any) -> None:
        self._keep(key, {"extra_content": extra}, len(repr(extra)))

    def _keep(self, key: Key, entry: dict[str, Any], size: int) -> None:
        self._forget(key)  # what an earlier call of the same id left belongs to another conversation
        if not entry or size > ENTRY_BYTES_MAX:
            return
        self._entries[key] = (entry, size)
        self._bytes += size
        self._signed += key[1] != "call"
        while len(self._entries) > self._entries_max or self._bytes > self._bytes_max:
            self._forget(next(iter(self._entries)))

    def restore(self, owner: str, chat: Chat) -> Chat:
        """`chat`, sent by the client `owner`, with what its tool calls lost on the way; what it did send wins."""
        if not self._entries:
            return chat
        messages = [
            self._restored(owner, message) if message.get("tool_calls") else message for message in chat["messages"]
        ]
        if self._signed:
            messages = [self._with_signatures(owner, message) for message in messages]
        return {**chat, "messages": messages}

    def _with_signatures(self, owner: str, message: dict[str, Any]) -> dict[str, Any]:
        """A message of the model with the signatures of its text and its images."""
        if message.get("role") != "assistant":
            return message
        images = message.get("images")
        if isinstance(images, list):
            message = {**message, "images": [self._signed_image(owner, image) for image in images]}
        text = message.get("content")
        if "extra_content" in message or not isinstance(text, str) or not text:
            return message
        return {**message, **self._get((owner, "text", _digest(text)))}

    def _signed_image(self, owner: str, image: Any) -> Any:
        url = _url(image)
        if not url or image.get("extra_content"):
            return image
        return {**image, **self._get((owner, "image", _digest(url)))}

    def _restored(self, owner: str, message: Mapping[str, Any]) -> dict[str, Any]:
        restored = dict(message)
        calls = []
        for call in message["tool_calls"]:
            entry = self._get((owner, "call", call["id"]))
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
            self._signed -= key[1] != "call"


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _url(image: Any) -> str:
    """The address of an item of `images`; empty where it has none."""
    inner = image.get("image_url") if isinstance(image, Mapping) else None
    url = inner.get("url") if isinstance(inner, Mapping) else None
    return url if isinstance(url, str) else ""
