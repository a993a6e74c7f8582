"""A secret that cannot be printed, where it was found, and what is wrong when there is none."""

from __future__ import annotations

import hmac
from dataclasses import dataclass


class CredentialError(Exception):
    """A key that cannot be used; the message names the place and the cure, never the key."""


class CredentialMissing(CredentialError):
    """There is no such key anywhere."""


class CredentialExpired(CredentialError):
    """A sign-in of pi's whose time is over. It can be renewed: see `credentials/pi/renew.py`."""


class Secret:
    """A string that does not print."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself; the only way to it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self._value.encode(), other._value.encode()
        )

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")


@dataclass(frozen=True, slots=True)
class Found:
    """A key and the place it came from, in words."""

    secret: Secret
    source: str
    bearer: bool = False
    """Whether it is an OAuth token, which goes where such tokens go, not where the provider's keys
    go."""
