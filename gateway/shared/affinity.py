"""Which model a conversation stays with after a fallback. Pure.

A provider keeps a conversation's prompt in its cache, and charges less for what it reads there.
A conversation that moved to another model has its cache there, also once the first model has
recovered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from gateway.types import Model

CONVERSATIONS_MAX: Final = 10_000

Entry = tuple[tuple[str, ...], float]
"""(name and key of the model, time of expiry)."""


class Affinity:
    """Conversation → the model that serves it, and until when. The least recently used go first.

    All times are seconds of one monotonic clock.
    """

    def __init__(self, conversations_max: int = CONVERSATIONS_MAX) -> None:
        self.conversations: Final[OrderedDict[bytes, Entry]] = OrderedDict()
        """By the conversation's key. Empty as long as no call falls back."""
        self._conversations_max = conversations_max

    def __repr__(self) -> str:
        return f"<Affinity conversations={len(self.conversations)}>"

    def put(self, conversation: bytes, model: Model, until: float) -> None:
        """Notes that `model` serves the conversation; it stays there until `until`."""
        self.conversations[conversation] = (_key(model), until)
        self.conversations.move_to_end(conversation)
        if len(self.conversations) > self._conversations_max:
            self.conversations.popitem(last=False)

    def find(self, conversation: bytes, models: Sequence[Model], now: float) -> Model | None:
        """The one of `models` that the conversation stays with; None once the time is over."""
        key, until = self.conversations.get(conversation, ((), now))
        if until <= now:
            self.forget(conversation)
            return None
        return next((model for model in models if _key(model) == key), None)

    def forget(self, conversation: bytes) -> None:
        """The conversation goes by the operator's order again."""
        self.conversations.pop(conversation, None)


def first(model: Model, models: Sequence[Model]) -> tuple[Model, ...]:
    """`models` with `model` in front; the others keep their order."""
    return (model, *(other for other in models if other is not model))


def _key(model: Model) -> tuple[str, ...]:
    """Holds across a reload, which makes new models."""
    return (model.name, *model.key)
