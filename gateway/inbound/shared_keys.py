"""Client keys that the gateways of a cluster share.

Each is a record, signed with a secret that all hosts have: a program that can write to the engine
cannot make a key. A record says that a key exists, or that it was revoked; a revocation is never
undone, as a key is random and made once. So two hosts only ever add up what they know, in any
order. What is missing at one of them means nothing: an empty engine neither grants nor removes a
key.

The records are in a file beside the keys. The file of the keys is what the gateway reads; keys that
were added without a record stay this host's own.
"""

from __future__ import annotations

import fcntl
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.inbound.keys import Entry, Keys, KeysError
from gateway.private_files import write_private

SECRET_CHARS_MIN: Final = 16
KEPT_S: Final = 400 * 86_400
"""Afterwards a revocation is forgotten: by then every host knows it."""
_MAC_CHARS: Final = 64


class Record(msgspec.Struct, frozen=True):
    """One key, or its revocation."""

    hash: str
    at: int
    """Unix time of the change."""
    entry: Entry | None = None
    """None of a key that was revoked."""


class Signer:
    """Signs and reads records of one group of gateways."""

    def __init__(self, secret: str, group: str) -> None:
        """Raises `KeysError` for a secret that can be guessed."""
        if len(secret) < SECRET_CHARS_MIN:
            raise KeysError(
                f"the credential cluster_secret has less than {SECRET_CHARS_MIN} characters: "
                "store 32 random ones, the same on all hosts"
            )
        self._secret = secret.encode()
        self._group = group.encode()

    def __repr__(self) -> str:
        return "Signer(***)"

    def sign(self, record: Record) -> str:
        text = msgspec.json.encode(record).decode()
        return self._mac(text) + text

    def read(self, signed: str) -> Record | None:
        """None of what this secret has not signed."""
        mac, text = signed[:_MAC_CHARS], signed[_MAC_CHARS:]
        if not hmac.compare_digest(mac.encode(), self._mac(text).encode()):
            return None
        try:
            return msgspec.json.decode(text, type=Record)
        except msgspec.MsgspecError:
            return None

    def _mac(self, text: str) -> str:
        message = b"client key 1\0" + self._group + b"\0" + text.encode("utf-8", "replace")
        return hmac.digest(self._secret, message, "sha256").hex()


class Merged(NamedTuple):
    """What two sides know together."""

    known: dict[str, str]
    """Hash of a key → its signed record."""
    news: dict[str, str]
    """The part of it that the other side lacks."""
    refused: int
    """Records of the other side that were not signed with this secret."""


def merge(ours: Mapping[str, str], theirs: Mapping[str, str], signer: Signer, now: float) -> Merged:
    """Adds up both sides; a revocation wins. Pure."""
    known: dict[str, str] = {}
    news: dict[str, str] = {}
    refused = 0
    for key in {**ours, **theirs}:
        here, there = _read(ours, key, signer), _read(theirs, key, signer)
        refused += key in theirs and there is None
        best = min(
            (record for record in (here, there) if record is not None),
            key=lambda record: (record.entry is not None, record.at),
            default=None,
        )
        if best is None or (best.entry is None and best.at < now - KEPT_S):
            continue
        known[key] = ours[key] if best is here else theirs[key]
        if best is not there and (there is not None or key not in theirs):
            news[key] = known[key]
    return Merged(known, news, refused)


def _read(side: Mapping[str, str], key: str, signer: Signer) -> Record | None:
    record = signer.read(side[key]) if key in side else None
    return record if record is not None and record.hash == key else None


class SharedKeys:
    """The records of this host. `wall` is Unix time in seconds."""

    def __init__(self, keys: Keys, signer: Signer, wall: Callable[[], float]) -> None:
        self._keys = keys
        self._signer = signer
        self._wall = wall
        self.path: Final = path_beside(keys)

    def __repr__(self) -> str:
        return f"<SharedKeys {self.path}>"

    @property
    def mark(self) -> tuple[int, int] | None:
        """Changes with the file."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def share(self, name: str) -> None:
        """Makes records of the keys of this name. Raises `KeysError`."""
        entries = [entry for entry in self._keys.entries() if entry.name == name]
        self._note(Record(entry.hash, int(self._wall()), entry) for entry in entries)

    def revoke(self, name: str) -> None:
        """Revokes the keys of this name on all hosts. Raises `KeysError`."""
        revoked = self._keys.named(name)
        self._note(Record(entry.hash, int(self._wall())) for entry in revoked)
        self.apply({})

    def apply(self, theirs: Mapping[str, str]) -> Merged:
        """Adds what the other side knows, to the records and to the keys. Raises `KeysError`."""
        with _locked(self.path):
            before = records(self.path)
            merged = merge(before, theirs, self._signer, self._wall())
            if merged.known != before:
                self._write(merged.known)
            found = map(self._signer.read, merged.known.values())
            self._update([record for record in found if record is not None])
        return merged

    def _update(self, known: Iterable[Record]) -> None:
        """The file of the keys, if it has to change."""
        by_hash = {record.hash: record.entry for record in known}
        entries = self._keys.entries_now()
        left = [entry for entry in entries if by_hash.get(entry.hash, entry) is not None]
        here = {entry.hash for entry in entries}
        new = [entry for key, entry in by_hash.items() if entry is not None and key not in here]
        if new or len(left) < len(entries):
            self._keys.replace([*left, *new])

    def _note(self, changes: Iterable[Record]) -> None:
        with _locked(self.path):
            signed = {record.hash: self._signer.sign(record) for record in changes}
            self._write({**records(self.path), **signed})

    def _write(self, changed: Mapping[str, str]) -> None:
        try:
            write_private(self.path, msgspec.json.format(msgspec.json.encode(changed)).decode())
        except OSError as error:
            raise KeysError(f"{self.path} cannot be written: {error.strerror}") from error


def path_beside(keys: Keys) -> Path:
    """The file of the records."""
    return keys.path.with_name(f"{keys.path.stem}.cluster.json")


def records(path: Path) -> dict[str, str]:
    """Hash of a key → its signed record. Raises `KeysError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise KeysError(f"{path} cannot be read: {error}") from error


def has_record(keys: Keys, name: str) -> bool:
    """Whether a key of this name is shared. Raises `KeysError`."""
    known = records(path_beside(keys))
    return any(entry.name == name and entry.hash in known for entry in keys.entries())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process of this host at a time."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise KeysError(f"{path.parent} cannot be used: {error.strerror}") from error
