"""An upper bound for a call before its tokens are counted: those of its prompt and of its answer.

No tokenizer: four bytes count as a token, which is on the high side for most texts. Settlement
corrects it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.types import Chat, Chunk, Model

BYTES_PER_TOKEN: Final = 4
OUTPUT_TOKENS: Final = 1000
"""The answer's length where nothing is known of the model."""
MEDIA_BYTES: Final = 6000
"""What an image, a file or a sound counts at most: its base64 text says nothing about its
tokens."""
RECENT: Final = 200
"""Answers of a model that are remembered."""
RECENT_MIN: Final = 20
"""With fewer, they say little about the next one."""

_MEDIA_KEYS: Final = frozenset({"data", "file_data"})
_MAX_KEYS: Final = ("max_completion_tokens", "max_tokens")


def prompt_tokens(chat: Chat) -> int:
    """An estimate from the size of the request."""
    return _tokens(size(chat))


def answer_tokens(chat: Chat, recent: int | None) -> int:
    """An estimate of the answer: as long as recent ones were (`recent`), but not above the
    request's own limit."""
    tokens = OUTPUT_TOKENS if recent is None else recent
    for key in _MAX_KEYS:
        stated = chat.get(key)
        tokens = min(tokens, stated) if isinstance(stated, int) else tokens
    choices = chat.get("n")
    return tokens * choices if isinstance(choices, int) and choices > 1 else tokens


def delivered_bytes(chunks: Iterable[Chunk]) -> int:
    """The size of what chunks of a stream add to an answer."""
    return sum(size(choice["delta"]) for chunk in chunks for choice in chunk["choices"])


def delivered_tokens(bytes_: int) -> int:
    """The tokens of so much of an answer."""
    return _tokens(bytes_)


def size(value: Any) -> int:
    """Bytes of all texts and token ids in a JSON value; linear in its size, at any depth."""
    total, left = 0, [value]
    while left:
        item = left.pop()
        if isinstance(item, int):
            total += BYTES_PER_TOKEN  # in a list of token ids each is a token
        elif isinstance(item, str):
            total += min(len(item), MEDIA_BYTES) if item.startswith("data:") else _bytes(item)
        elif isinstance(item, Mapping):
            for key, inner in item.items():
                if key in _MEDIA_KEYS and isinstance(inner, str):
                    total += min(len(inner), MEDIA_BYTES)
                else:
                    left.append(inner)
        elif isinstance(item, list | tuple):
            left += item
    return total


class RecentAnswers:
    """How long the last answers of each model were."""

    def __init__(self) -> None:
        self._outputs: dict[str, deque[int]] = {}
        self._long: dict[str, int] = {}
        """Model → the 95th percentile, as far as it is computed."""

    def add(self, model: Model, tokens: int) -> None:
        self._outputs.setdefault(model.name, deque(maxlen=RECENT)).append(tokens)
        self._long.pop(model.name, None)

    def long(self, model: Model) -> int | None:
        """The 95th percentile; None while too few answers are known."""
        outputs = self._outputs.get(model.name, ())
        if len(outputs) < RECENT_MIN:
            return None
        if model.name not in self._long:
            self._long[model.name] = sorted(outputs)[len(outputs) * 95 // 100]
        return self._long[model.name]


def _tokens(bytes_: int) -> int:
    return -(-bytes_ // BYTES_PER_TOKEN)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
