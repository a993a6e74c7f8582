"""The keys that providers have refused, to notice when another one is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from gateway.credentials.secret import CredentialError, CredentialExpired, Secret
from gateway.credentials.store import Credentials
from gateway.types import Model

_Circuit = tuple[str, ...]
_Keys = list[Secret | str | None]


class RefusedKeys:
    """Circuits of credentials that opened, each with the keys that were refused, or the reasons why
    there were none.

    `models` gives all models in force.
    """

    def __init__(self, credentials: Credentials, models: Callable[[], Iterable[Model]]) -> None:
        self._credentials: Final = credentials
        self._models: Final = models
        self._refused: Final[dict[_Circuit, _Keys]] = {}

    def note(self, circuit_id: _Circuit) -> None:
        """The circuit of a credential has opened."""
        self._refused[circuit_id] = self._keys(circuit_id)

    def changed(self) -> list[_Circuit]:
        """The circuits whose keys are others than the refused ones, each once."""
        if self._refused:
            self._credentials.look_again()
        found = [id_ for id_, refused in self._refused.items() if self._keys(id_) != refused]
        for circuit_id in found:
            del self._refused[circuit_id]
        return found

    def _keys(self, circuit_id: _Circuit) -> _Keys:
        models = self._models()
        return [self._key(model) for model in models if model.key[: len(circuit_id)] == circuit_id]

    def _key(self, model: Model) -> Secret | str | None:
        try:
            found = self._credentials.find(model)
        except CredentialError as error:
            return str(error)
        return found.secret if found is not None else None


def has_key(credentials: Credentials, model: Model) -> bool:
    """Whether there is a key for `model`, or it needs none. An expired sign-in is one: the next
    call renews it."""
    try:
        credentials.find(model)
    except CredentialExpired:
        return True
    except CredentialError:
        return False
    return True
