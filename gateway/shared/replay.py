"""Remembers what clients drop: signatures and reasoning, by tool-call id; signatures of texts and
images, by these.

Most clients send back a tool call's id and arguments and nothing else, while some providers refuse,
or think worse, when their signature does not come back with it. Bounded, in memory, forgotten on
restart: losing an entry costs quality, never correctness, because every dialect does without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from gateway.shared.entries import BYTES_MAX, ENTRIES_MAX, Entries, Key
from gateway.types import Chat

ENTRY_BYTES_MAX: Final = 256 * 1024
ID_CHARS_MIN: Final = 8
"""A shorter id (`call_0`) does not identify one call among all: some servers number the calls of
each answer again."""

_KEYS: Final = ("reasoning_details", "reasoning_content")


CALL: Final = "call"
TEXT: Final = "text"
IMAGE: Final = "image"
"""The kinds of keys; their ids are tool-call ids, and digests of texts and of images' addresses."""


class Replay:
    """Reasoning and signatures that clients drop, by key. `on_kept` is called with each entry that
    is kept: (key, entry, size in bytes); `on_nothing` with the key of what has none."""

    def __init__(
        self,
        entries_max: int = ENTRIES_MAX,
        bytes_max: int = BYTES_MAX,
        on_kept: Callable[[Key, Any, int], None] = lambda key, entry, size: None,
        on_nothing: Callable[[Key], None] = lambda key: None,
    ) -> None:
        self._entries = Entries(entries_max, bytes_max)
        self._on_kept = on_kept
        self._on_nothing = on_nothing
        self._has_signed = False
        """Whether a text or an image was ever kept: without any, none is looked for."""

    def __repr__(self) -> str:
        return f"<Replay entries={len(self._entries)} bytes={self._entries.bytes}>"

    def put(self, owner: str, message: Mapping[str, Any], call: Mapping[str, Any]) -> None:
        """Keeps for the client `owner` what belongs to a tool call: the extras of its message, and
        its own."""
        self.put_all(owner, message, (call,))

    def put_all(
        self, owner: str, message: Mapping[str, Any], calls: Iterable[Mapping[str, Any]]
    ) -> None:
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
        self._keep((owner, CALL, call["id"]), entry, size)

    def put_message(self, owner: str, message: Mapping[str, Any]) -> None:
        """Keeps for the client `owner` the `extra_content` of a message's text and of its
        images."""
        text, extra = message.get("content"), message.get("extra_content")
        if isinstance(text, str) and text and extra:
            self._keep_signature((owner, TEXT, _digest(text)), extra)
        for image in message.get("images") or ():
            url = _url(image)
            if url and image.get("extra_content"):
                self._keep_signature((owner, IMAGE, _digest(url)), image["extra_content"])

    def _keep_signature(self, key: Key, extra: Any) -> None:
        self._keep(key, {"extra_content": extra}, len(repr(extra)))

    def _keep(self, key: Key, entry: dict[str, Any], size: int) -> None:
        if not entry or size > ENTRY_BYTES_MAX:
            # what an earlier call of the same id left belongs to another conversation
            self._entries.forget(key)
            self._on_nothing(key)
            return
        self.add(key, entry, size)
        self._on_kept(key, entry, size)

    def add(self, key: Key, entry: dict[str, Any], size: int = 0) -> None:
        """Takes over an entry that another process of this gateway keeps."""
        self._entries.put(key, entry, size or len(repr(entry)))
        self._has_signed = self._has_signed or key[1] != CALL

    def missing(self, owner: str, chat: Chat) -> list[Key]:
        """The keys of what `restore` would look for and does not find here."""
        wanted = (
            key
            for message in chat["messages"]
            if message.get("role") == "assistant"
            for key in _keys_of(owner, message)
        )
        return [key for key in dict.fromkeys(wanted) if key not in self._entries]

    def restore(self, owner: str, chat: Chat) -> Chat:
        """`chat`, sent by the client `owner`, with what its tool calls lost on the way; what it did
        send wins."""
        if not len(self._entries):
            return chat
        messages = [
            self._restored(owner, message) if message.get("tool_calls") else message
            for message in chat["messages"]
        ]
        if self._has_signed:
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
        return {**message, **self._get((owner, TEXT, _digest(text)))}

    def _signed_image(self, owner: str, image: Any) -> Any:
        url = _url(image)
        if not url or image.get("extra_content"):
            return image
        return {**image, **self._get((owner, IMAGE, _digest(url)))}

    def _restored(self, owner: str, message: Mapping[str, Any]) -> dict[str, Any]:
        restored = dict(message)
        calls = []
        for call in message["tool_calls"]:
            entry = self._get((owner, CALL, call["id"]))
            if "extra_content" in entry and "extra_content" not in call:
                call = {**call, "extra_content": entry["extra_content"]}
            calls.append(call)
            for key in _KEYS:
                if key in entry:
                    restored.setdefault(key, entry[key])
        restored["tool_calls"] = calls
        return restored

    def _get(self, key: Key) -> dict[str, Any]:
        return self._entries.get(key) or {}


def _keys_of(owner: str, message: Mapping[str, Any]) -> Iterator[Key]:
    """What may be kept of a message that a client sends back."""
    for call in message.get("tool_calls") or ():
        if "extra_content" not in call and "reasoning_details" not in message:
            yield (owner, CALL, str(call.get("id")))
    text = message.get("content")
    if isinstance(text, str) and text and "extra_content" not in message:
        yield (owner, TEXT, _digest(text))
    for image in message.get("images") or ():
        if url := _url(image):
            yield (owner, IMAGE, _digest(url))


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _url(image: Any) -> str:
    """The address of an item of `images`; empty where it has none."""
    inner = image.get("image_url") if isinstance(image, Mapping) else None
    url = inner.get("url") if isinstance(inner, Mapping) else None
    return url if isinstance(url, str) else ""
