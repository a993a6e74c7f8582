"""The clients' keys for us: random, shown once, kept as hashes.

A key has 256 random bits, so one round of SHA-256 is as good as any: there is no dictionary to try.

Rule 1: nothing that happens to the file opens the gate. Once there were keys, one is needed until
the process ends, also when the last was revoked or the file is gone; a file that cannot be read
leaves the keys as they were. Rule 2: a key is looked up without a read of the disk; the file is
looked at once per second, and read when it changed.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import msgspec

from gateway.private_files import write_private
from gateway.text.limits import Limit, LimitError, parse_all
from gateway.types import Client

logger = logging.getLogger("gateway.inbound")

PREFIX: Final = "gw-"
FILE: Final = ".config/gateway/keys.json"
_LOOK_EVERY_S: Final = 1.0
_RECALLED_MAX: Final = 1000
"""Headers that are recalled. A client spells its key in one way."""
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_NAME: Final = re.compile(r"\w[\w.@ -]{0,63}")


class Entry(msgspec.Struct, frozen=True):
    """One key, as it is kept."""

    name: str
    hash: str
    """Hexadecimal SHA-256 of the key."""
    created: _Instant
    agents: list[str] | None = None
    """The agents it may use; None for all."""
    expires: _Instant | None = None
    budget: list[str] = []
    """Such as `5 USD/day`."""
    rate: list[str] = []
    """Such as `30 calls/minute`."""

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Raises `LimitError`."""
        return parse_all(self.budget, self.rate, f"key {self.name}")

    admin: bool = False
    """Whether it opens the web page."""

    def is_expired(self, now: datetime) -> bool:
        return self.expires is not None and self.expires <= now


class KeysError(Exception):
    """A keys file that cannot be used, or a name that does not fit; the message has the cure."""


class Keys:
    """The keys of a file; a change is noticed within a second, without a restart.

    `clock` is monotonic and `wall` Unix time, both in seconds. Raises `KeysError` for a file that
    cannot be used: a broken file must not open the gateway to every client.
    """

    def __init__(self, path: Path, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.path = path
        self._clock = clock
        self._wall = wall
        self._looked_at = clock()
        self._mark: tuple[int, int, int] | None = None
        self._entries: dict[str, tuple[Entry, Client]] = {}
        self._recalled: dict[bytes, Client] = {}
        """Clients by the hash of the header that carries their key, so that it need not be taken
        apart again."""
        self._locked = False
        self._read()

    def __repr__(self) -> str:
        return f"<Keys {len(self._entries)} in {self.path}>"

    def any(self) -> bool:
        """Whether a key is needed. A file without keys counts: revoking the last one opens
        nothing."""
        if self._clock() - self._looked_at >= _LOOK_EVERY_S:
            self._look()
        return self._locked

    def recall(self, header: bytes) -> Client | None:
        """The client whose key a header is known to carry; None for any other header."""
        return self._recalled.get(sha256(header).digest())

    def remember(self, header: bytes, key: str) -> None:
        """Notes that a header carries a key, until the file changes. A key that expires is looked
        up each time."""
        entry = self.entry(hash_of(key))
        if entry is not None and entry.expires is None:
            if len(self._recalled) >= _RECALLED_MAX:
                self._recalled.clear()
            self._recalled[sha256(header).digest()] = self._entries[entry.hash][1]

    def lookup(self, key: str) -> Client | None:
        """The client a key belongs to; None for an unknown, expired or revoked one."""
        entry = self.entry(hash_of(key))
        return self._entries[entry.hash][1] if entry is not None else None

    def entry(self, presented: str) -> Entry | None:
        """The key with this hash; None for an unknown, expired or revoked one."""
        self._look()
        entry, _ = self._entries.get(presented, (None, None))
        if entry is None or not hmac.compare_digest(entry.hash, presented):
            return None
        if entry.expires is not None and entry.is_expired(
            datetime.fromtimestamp(self._wall(), UTC)
        ):
            return None
        return entry

    def entries(self) -> list[Entry]:
        """All keys, oldest first."""
        self._look()
        return [entry for entry, _ in self._entries.values()]

    def entries_now(self) -> list[Entry]:
        """As `entries`, of the file as it is at this moment. Raises `KeysError`."""
        self._read()
        return self.entries()

    def replace(self, entries: list[Entry]) -> None:
        """Writes the file, and uses it at once. Raises `KeysError`."""
        self._write(entries)

    def limits(self) -> list[Limit]:
        """The limits of all keys."""
        return [limit for _, client in self._entries.values() for limit in client.limits]

    def add(
        self,
        name: str,
        agents: Iterable[str] | None = None,
        expires: datetime | None = None,
        *,
        budget: Iterable[str] = (),
        rate: Iterable[str] = (),
        admin: bool = False,
    ) -> str:
        """Makes a key and returns it, once. Raises `KeysError` for a name that is taken or cannot
        be one, and for a limit that cannot be used."""
        if not _NAME.fullmatch(name):
            raise KeysError(
                f"{name!r} cannot be a key's name: use up to 64 letters, digits, spaces, and ._@-"
            )
        if any(entry.name == name for entry in self.entries()):
            raise KeysError(
                f"there is a key {name!r} already: remove it with `gateway keys rm {name}` first"
            )
        key = PREFIX + secrets.token_urlsafe(32)
        now = datetime.fromtimestamp(int(self._wall()), UTC)
        limited = sorted(agents) if agents else None
        entry = Entry(name, hash_of(key), now, limited, expires, list(budget), list(rate), admin)
        _client(entry)
        self._write([*self.entries(), entry])
        return key

    def remove(self, name: str) -> None:
        """Revokes a key. Raises `KeysError` when there is none."""
        revoked = self.named(name)
        self._write([entry for entry in self.entries() if entry not in revoked])

    def named(self, name: str) -> list[Entry]:
        """The keys of this name. Raises `KeysError` when there is none."""
        found = [entry for entry in self.entries() if entry.name == name]
        if not found:
            raise KeysError(f"there is no key {name!r}; `gateway keys ls` lists them")
        return found

    def _write(self, entries: list[Entry]) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(
                self.path, msgspec.json.format(msgspec.json.encode(entries)).decode() + "\n"
            )
        except OSError as error:
            raise KeysError(f"{self.path} cannot be written: {error.strerror}") from error
        self._read()

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        try:
            self._read()
        except KeysError as error:
            logger.error("%s The keys stay as they were.", error)

    def _read(self) -> None:
        """Reads the file if it has changed. Raises `KeysError`."""
        try:
            status = os.stat(self.path)  # noqa: PTH116 -- on the path of calls
            mark = (status.st_mtime_ns, status.st_size, status.st_ino)
            if mark == self._mark:
                return
            self._mark = mark
            entries = msgspec.json.decode(self.path.read_bytes(), type=list[Entry])
        except FileNotFoundError:
            self._mark, self._entries = None, {}
            self._recalled.clear()
            return
        except OSError as error:
            raise KeysError(f"{self.path} cannot be read: {error.strerror}.") from error
        except msgspec.DecodeError as error:
            raise KeysError(
                f"{self.path}: {error}. Fix it, or remove it and add the keys again."
            ) from error
        read = {entry.hash: (entry, _client(entry)) for entry in entries}
        self._locked = True
        self._entries = read
        self._recalled.clear()


def at_home(
    env: Mapping[str, str], home: Path, clock: Callable[[], float], wall: Callable[[], float]
) -> Keys:
    """The keys in their usual place: `$GATEWAY_KEYS`, or the user's configuration folder. Raises
    `KeysError`."""
    stated = env.get("GATEWAY_KEYS")
    return Keys(Path(stated).expanduser() if stated else home / FILE, clock, wall)


def _client(entry: Entry) -> Client:
    """Raises `KeysError` for a limit that cannot be used."""
    try:
        limits = entry.limits
    except LimitError as error:
        raise KeysError(f"key {entry.name!r}: {error}") from error
    return Client(entry.name, frozenset(entry.agents) if entry.agents is not None else None, limits)


def hash_of(key: str) -> str:
    """The form in which a key is kept."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
