"""Sessions of the web page: random tokens, kept as hashes beside the client keys.

A session ends after twelve hours, with the key that began it, or when the viewer signs out. The
file lets all workers of a gateway know a session, and lets it survive a restart. Where the file
cannot be written, sessions stay in the memory of one process.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from gateway.inbound.keys import Entry, Keys, hash_of
from gateway.private_files import write_private

logger = logging.getLogger("gateway.inbound")

SESSION_S: Final = 12 * 3600
SESSIONS_MAX: Final = 64
"""Any further one ends the oldest."""
FILE: Final = "sessions.json"


class Session(msgspec.Struct, frozen=True):
    """One viewer who is signed in."""

    hash: str
    """Of the token."""
    key: str
    """Hash of the client key that began the session."""
    until: float
    """Unix time."""


class Sessions:
    """The sessions of a gateway. `wall` is Unix time in seconds."""

    def __init__(self, keys: Keys, wall: Callable[[], float]) -> None:
        self._keys = keys
        self._wall = wall
        self._path: Final[Path] = keys.path.with_name(FILE)
        self._mark: tuple[int, int] | None = None
        self._sessions: dict[str, Session] = {}
        """By the hash of the token, oldest first."""

    def __repr__(self) -> str:
        return f"<Sessions {len(self._sessions)}>"

    def begin(self, key: str) -> str | None:
        """A new session's token; None for a key that is not an admin key."""
        entry = self._admin(hash_of(key))
        if entry is None:
            return None
        token = secrets.token_urlsafe(32)
        self._read()
        known = list(self._sessions.values())[1 - SESSIONS_MAX :]
        self._replace([*known, Session(hash_of(token), entry.hash, self._wall() + SESSION_S)])
        return token

    def is_open(self, token: str) -> bool:
        """Whether this is the token of a session whose key is still valid."""
        self._read()
        session = self._sessions.get(hash_of(token))
        if session is None or session.until <= self._wall():
            return False
        return self._admin(session.key) is not None

    def end(self, tokens: Iterable[str]) -> None:
        """Signs out."""
        self._read()
        ended = {hash_of(token) for token in tokens} & self._sessions.keys()
        if ended:
            self._replace([each for each in self._sessions.values() if each.hash not in ended])

    def _admin(self, key_hash: str) -> Entry | None:
        entry = self._keys.entry(key_hash)
        return entry if entry is not None and entry.admin else None

    def _replace(self, sessions: list[Session]) -> None:
        now = self._wall()
        self._sessions = {each.hash: each for each in sessions if each.until > now}
        try:
            write_private(self._path, msgspec.json.encode(list(self._sessions.values())).decode())
            self._mark = self._now()
        except OSError as error:
            message = "%s cannot be written (%s): sessions end with the process"
            logger.warning(message, self._path, error.strerror)

    def _now(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_ino

    def _read(self) -> None:
        """Reads the file if another process has changed it."""
        try:
            mark = self._now()
            if mark == self._mark:
                return
            sessions = msgspec.json.decode(self._path.read_bytes(), type=list[Session])
        except (OSError, msgspec.DecodeError):
            return
        self._mark = mark
        self._sessions = {each.hash: each for each in sessions}
