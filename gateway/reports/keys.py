"""The clients' keys for this gateway, without the keys themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ClientKey:
    """One client key."""

    name: str
    agents: list[str] | None
    """The agents it may use; None for all."""
    created: str
    """ISO 8601, as is `expires`."""
    expires: str | None
    expired: bool


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """All client keys."""

    keys: list[ClientKey]
    needed: bool
    """Whether a client must present one. True once there has been a key, even if it was revoked."""


class Entry(Protocol):
    """A key as it is kept; see `inbound/keys.py`."""

    @property
    def name(self) -> str: ...
    @property
    def agents(self) -> list[str] | None: ...
    @property
    def created(self) -> datetime: ...
    @property
    def expires(self) -> datetime | None: ...

    def is_expired(self, now: datetime) -> bool: ...


def client_keys(entries: Iterable[Entry], *, needed: bool, now: datetime) -> ClientKeys:
    """The report of these keys."""
    return ClientKeys([_key(entry, now) for entry in entries], needed)


def _key(entry: Entry, now: datetime) -> ClientKey:
    expires = entry.expires.isoformat() if entry.expires else None
    created = entry.created.isoformat()
    return ClientKey(entry.name, entry.agents, created, expires, entry.is_expired(now))
