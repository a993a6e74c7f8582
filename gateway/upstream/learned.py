"""Facts from providers' answers, kept for the life of the process. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from gateway.failures import Failure
from gateway.redact import HIDDEN
from gateway.types import Model

KEYS_MAX: Final = 256
"""Signatures that are remembered, so that errors can be searched for the keys in them; renewed
sign-ins add up."""
KEY_CHARS_MIN: Final = 6
"""A shorter value is not a secret, and may be a word."""


class Learned:
    """Fields that models refuse, APIs on which they were found, and keys that must not appear in an
    error."""

    def __init__(self) -> None:
        self._refused: dict[tuple[str, ...], set[str]] = {}
        self._apis: dict[tuple[str, ...], str] = {}
        self._keys: dict[bytes, str] = {}

    def refused(self, model: Model) -> Collection[str]:
        """Paths of optional fields (`top_k`, `reasoning.summary`) that a model does not accept."""
        return self._refused.get(model.key, ())

    def refuse(self, model: Model, path: str) -> None:
        self._refused.setdefault(model.key, set()).add(path)

    def api(self, model: Model) -> str | None:
        """The API of two on which a model was found, where the rules sent it to the other."""
        return self._apis.get(model.key)

    def found_on(self, model: Model, api: str) -> None:
        self._apis[model.key] = api

    def note_keys(self, model: Model, signature: Iterable[tuple[bytes, bytes]]) -> None:
        """Remembers the keys in the headers that signed a request: an error message may quote
        them."""
        for name, value in signature:
            if value in self._keys or name.decode() == model.provider.beta_header:
                continue
            self._keys[value] = value.decode().rpartition(" ")[2]
            if len(self._keys) > KEYS_MAX:
                del self._keys[next(iter(self._keys))]

    def conceal(self, failure: Failure) -> Failure:
        """`failure` without the gateway's keys: providers quote what they refuse."""
        message = failure.message
        for key in self._keys.values():
            if len(key) >= KEY_CHARS_MIN:
                message = message.replace(key, HIDDEN)
        return failure if message == failure.message else failure.with_(message=message)
