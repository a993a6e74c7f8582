"""Reasoning in both directions: what a provider needs back travels sealed in `encrypted_content`.

The clients return that text unread, so it survives a restart of the gateway. What is inside names
its origin, and the dialect of the model that is asked next sends only what is its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from gateway.hub.sealed import seal, unseal

SEPARATOR: Final = "\n\n"
"""Between two texts of reasoning that become one."""


class Thought(NamedTuple):
    """A reasoning item, read."""

    text: str = ""
    details: tuple[dict[str, Any], ...] = ()
    """The hub's `reasoning_details`."""
    extras: Mapping[str, Any] = MappingProxyType({})
    """The id of a tool call → the `extra_content` that belongs to it."""
    extra: Mapping[str, Any] | None = None
    """The `extra_content` of the message itself."""


def decode_thought(item: Mapping[str, Any]) -> Thought:
    """A reasoning item of the input; what another provider encrypted is left out."""
    text = _text(item.get("content")) or _text(item.get("summary"))
    return unsealed(item.get("encrypted_content"))._replace(text=text)


def unsealed(text: Any) -> Thought:
    """The content of a text that `sealed` wrote; nothing for a text that is not this gateway's."""
    value = unseal(text)
    if not isinstance(value, Mapping):
        return Thought()
    details, extras, extra = (value.get(key) for key in ("details", "calls", "message"))
    kept = (
        tuple(item for item in details if isinstance(item, dict))
        if isinstance(details, list)
        else ()
    )
    extras = extras if isinstance(extras, Mapping) else {}
    return Thought("", kept, extras, extra if isinstance(extra, Mapping) else None)


def sealed(details: list[Any], extras: Mapping[str, Any], extra: Any = None) -> str:
    """The `encrypted_content` of a reasoning item: always present, since clients skip items without
    it."""
    own = {"message": extra} if extra else {}
    return seal({"details": details, "calls": extras, **own})


def seal_summary(text: str) -> str:
    """The `encrypted_content` of a compaction item."""
    return seal({"summary": text})


def summary_in(text: Any) -> str | None:
    """The summary that `seal_summary` wrote; None for a text that is not this gateway's."""
    value = unseal(text)
    found = value.get("summary") if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else None


def _text(pieces: Any) -> str:
    if isinstance(pieces, str):
        return pieces
    listed = pieces if isinstance(pieces, list) else ()
    texts = [piece.get("text") for piece in listed if isinstance(piece, Mapping)]
    return SEPARATOR.join(text for text in texts if isinstance(text, str) and text)
