"""The clients' keys for us: random, shown once, kept as hashes.

A key has 256 random bits, so one round of SHA-256 is as good as any: there is no dictionary to try.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from gateway.credentials import write_private
from gateway.types import Client

PREFIX: Final = "gw-"
FILE: Final = ".config/gateway/keys.json"
_LOOK_EVERY_S: Final = 1.0


class Entry(msgspec.Struct, frozen=True):
    """One key, as it is kept."""

    name: str
    hash: str
    """Hexadecimal SHA-256 of the key."""
    created: str
    agents: list[str] | None = None
    """The agents it may use; None for all."""
    expires: str | None = None
    """ISO 8601."""

    def is_expired(self, now: datetime) -> bool:
        return self.expires is not None and datetime.fromisoformat(self.expires) <= now


class KeysError(Exception):
    """A keys file that cannot be used, or a name that does not fit; the message has the cure."""


class Keys:
    """The keys of a file; a change is noticed within a second, without a restart."""

    def __init__(self, path: Path, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.path = path
        self._clock = clock
        self._wall = wall
        self._looked_at = float("-inf")
        self._mark: tuple[int, int, int] | None = None
        self._entries: dict[str, Entry] = {}

    def __repr__(self) -> str:
        return f"<Keys {len(self._entries)} in {self.path}>"

    def any(self) -> bool:
        """Whether there are keys at all. A file that was emptied still counts: revoking the last key opens nothing."""
        self._look()
        return self._mark is not None

    def lookup(self, key: str) -> Client | None:
        """The client a key belongs to; None for an unknown, expired or revoked one."""
        self._look()
        presented = _hash(key)
        entry = self._entries.get(presented)
        if entry is None or not hmac.compare_digest(entry.hash, presented):
            return None
        if entry.is_expired(datetime.fromtimestamp(self._wall(), UTC)):
            return None
        return Client(entry.name, frozenset(entry.agents) if entry.agents is not None else None)

    def entries(self) -> list[Entry]:
        self._look()
        return list(self._entries.values())

    def add(self, name: str, agents: Iterable[str] | None = None, expires: datetime | None = None) -> str:
        """Makes a key and returns it, once. Raises `KeysError` for a name that is taken."""
        if any(entry.name == name for entry in self.entries()):
            raise KeysError(f"there is a key {name!r} already: remove it with `gateway keys rm {name}` first")
        key = PREFIX + secrets.token_urlsafe(32)
        entry = Entry(
            name=name,
            hash=_hash(key),
            created=datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="seconds"),
            agents=sorted(agents) if agents else None,
            expires=expires.astimezone(UTC).isoformat(timespec="seconds") if expires else None,
        )
        self._write([*self.entries(), entry])
        return key

    def remove(self, name: str) -> None:
        """Revokes a key. Raises `KeysError` when there is none."""
        left = [entry for entry in self.entries() if entry.name != name]
        if len(left) == len(self._entries):
            raise KeysError(f"there is no key {name!r}")
        self._write(left)

    def _write(self, entries: list[Entry]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self.path, msgspec.json.format(msgspec.json.encode(entries)).decode() + "\n")
        self._looked_at = float("-inf")

    def _look(self) -> None:
        """Reads the file if it has changed; looks at most once per second."""
        now = self._clock()
        if now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        try:
            status = os.stat(self.path)  # noqa: PTH116 -- on the path of every call
        except FileNotFoundError:
            self._mark, self._entries = None, {}
            return
        mark = (status.st_mtime_ns, status.st_size, status.st_ino)
        if mark == self._mark:
            return
        try:
            entries = msgspec.json.decode(self.path.read_bytes(), type=list[Entry])
        except (OSError, msgspec.DecodeError) as error:
            raise KeysError(f"{self.path}: {error}. Mend it, or remove it and add the keys anew.") from error
        self._mark, self._entries = mark, {entry.hash: entry for entry in entries}


def at_home(env: Mapping[str, str], home: Path, clock: Callable[[], float], wall: Callable[[], float]) -> Keys:
    """The keys in their usual place: `$GATEWAY_KEYS`, or the user's configuration folder."""
    stated = env.get("GATEWAY_KEYS")
    return Keys(Path(stated).expanduser() if stated else home / FILE, clock, wall)


def _hash(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
