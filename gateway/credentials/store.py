"""The providers' keys: where they are, and in which order they are looked for.

`<type>/<instance>/<field>`, one plain text per file, as Action Llama keeps them. Sources, first
found wins: systemd's directory, `$AL_CREDENTIALS_PATH`, the store, the provider's usual environment
variable. A file that exists but is empty or cannot be read is an error, never skipped: silently
using another key is how bills arrive at the wrong address.

`find` is on the path of every call: one `stat` for each place up to the one that has the key, once
in `look_every_s`, and nothing else while that file is as it was.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.credentials import key_files
from gateway.credentials.key_form import mistake
from gateway.credentials.pi import read as pi
from gateway.credentials.secret import (
    CredentialError,
    CredentialExpired,
    CredentialMissing,
    Found,
    Secret,
)
from gateway.private_files import write_private
from gateway.providers import CREDENTIAL_TYPES, PROVIDERS
from gateway.types import Model

_SYSTEMD: Final = "CREDENTIALS_DIRECTORY"
_STAGED: Final = "AL_CREDENTIALS_PATH"
STORE: Final = ".action-llama/credentials"
PI_BYTES_MAX: Final = 1024 * 1024

LEDGER_PASSWORD: Final = "ledger_postgres"
"""The credential that is the password of `[ledger] url`."""

CLUSTER_PASSWORD: Final = "cluster_redis"
"""The credential that is the password of `[cluster] redis`."""
CLUSTER_SECRET: Final = "cluster_secret"
"""The credential with which the gateways of a cluster sign client keys for each other."""
OTHERS: Final = frozenset({CLUSTER_PASSWORD, CLUSTER_SECRET, LEDGER_PASSWORD})
"""Types of credentials that are not a provider's keys."""

_NAME: Final = re.compile(r"\w[\w.-]*", re.ASCII)
_IN_CONTAINER: Final = (".dockerenv", "run/.containerenv")
_Mark = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """A key in some place, for a list."""

    type: str
    instance: str
    source: str
    """`systemd`, `staged`, `store` or `environment`."""
    place: str
    """A path, or the name of a variable."""
    problem: str = ""
    """The flaw; empty where there is none."""
    used: bool = True
    """False when an earlier source has the same key."""


class Credentials:
    """Finds keys. A file is read again when it has changed, so a new key is soon used.

    `wall` is Unix time in seconds; `root` is where the marks of a container are looked for. `clock`
    is monotonic, in seconds, and a key's file is looked for once in `look_every_s`: a new one, or a
    changed one, is used that much later.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        home: Path,
        *,
        wall: Callable[[], float] = time.time,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
        look_every_s: float = 0.0,
    ) -> None:
        self._clock = clock
        self._look_every_s = look_every_s
        self._looked: dict[str, tuple[float, Secret | None]] = {}
        """Path of a key → (until when it is not looked at again, the key if there is one)."""
        self._env = env
        self._home = home
        self._wall = wall
        self._root = root
        self._read: dict[str, tuple[_Mark, Secret]] = {}
        self._places_of: dict[str, tuple[tuple[str, str], ...]] = {}
        self._of_env: dict[str, Secret | None] = {}
        self._known: dict[tuple[str, str], Found] = {}
        self._pi_text: Secret | None = None
        self._pi: Mapping[str, Any] = {}
        self._held: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def __repr__(self) -> str:
        return f"<Credentials store={str(self.store)!r} read={len(self._read)}>"

    @property
    def store(self) -> Path:
        """The folder in which `put` writes."""
        stated = self._env.get("AL_CREDENTIALS_DIR")
        return Path(stated).expanduser() if stated else self._home / STORE

    def find(self, model: Model) -> Found | None:
        """The key of `model`; None for a server that needs none and has none. Raises
        `CredentialError`."""
        if model.auth_type == "pi_auth":
            return self._of_pi(model.provider.name)
        places = self._places_of.get(model.credential)
        if places is None:
            places = self._places_of[model.credential] = tuple(
                self._places(*split(model.credential))
            )
        for source, path in places:
            secret = self._key(path)
            if secret is not None:
                return self._found(model, secret, source, path)
        return self._elsewhere(model, places)

    def _elsewhere(self, model: Model, places: Iterable[tuple[str, str]]) -> Found | None:
        """As `find`, of a key that is in none of its `places`."""
        for variable in self._variables(model):
            secret = self._variable(variable)
            if secret is not None:
                return self._found(model, secret, "environment", f"${variable}")
        if (
            model.provider.key_optional
            and model.credential == f"{model.provider.credential}:default"
        ):
            return None
        for _, path in places:
            self._looked.pop(path, None)  # a key that all calls lack is used as soon as it is there
        raise self._missing(model)

    def look_again(self) -> None:
        """Has the next `find` look at the files, however short ago that was."""
        self._looked.clear()

    def named(self, credential: str) -> Found | None:
        """The secret stored as `type` or `type:instance` for a server other than a provider's; None
        where there is none. Raises `CredentialError`."""
        for source, path in self._places(*split(credential)):
            secret = self._key(path)
            if secret is not None:
                return Found(secret, f"{source} {path}")
        return None

    def _found(self, model: Model, secret: Secret, source: str, place: str) -> Found:
        """The same object as long as it is the same secret, so that what is made of it can be
        kept."""
        key = (model.credential, model.auth_type)
        known = self._known.get(key)
        if known is None or known.secret is not secret:
            known = self._known[key] = Found(
                secret, f"{source} {place}", model.auth_type == "oauth_token"
            )
        return known

    def _variable(self, name: str) -> Secret | None:
        """An environment variable as a key; None where it is not set. Read once: a process's
        environment stays."""
        if name not in self._of_env:
            value = self._env.get(name, "").strip()
            self._of_env[name] = key_files.checked(value, f"${name}") if value else None
        return self._of_env[name]

    def _variables(self, model: Model) -> tuple[str, ...]:
        """The provider's own variables. They hold its default key, and never an OAuth token."""
        default = model.credential == f"{model.provider.credential}:default"
        return model.provider.env if default and model.auth_type == "api_key" else ()

    def _missing(self, model: Model) -> CredentialMissing:
        reference = short(*split(model.credential))
        variables = "".join(f", or set ${variable}" for variable in self._variables(model)[:1])
        return CredentialMissing(
            f"no key for {model.name}: store one with `gateway credentials set "
            f"{reference}`{variables}"
        )

    def _places(self, type_: str, instance: str) -> Iterator[tuple[str, str]]:
        """(source in words, file), in the order in which they are tried."""
        systemd, staged = map(self._env.get, (_SYSTEMD, _STAGED))
        if systemd:
            # systemd takes no colon in a credential's name, so an instance is set off with a dot.
            name = type_ if instance == "default" else f"{type_}.{instance}"
            yield "systemd", os.fspath(Path(systemd) / name)
        if staged:
            yield (
                "staged",
                os.fspath(Path(staged).expanduser() / type_ / instance / key_files.FIELD),
            )
        yield "store", os.fspath(self.store / type_ / instance / key_files.FIELD)

    def _key(self, path: str) -> Secret | None:
        """As `_file`, but looked for once in `look_every_s`."""
        now = self._clock()
        until, secret = self._looked.get(path, (now, None))
        if now >= until:
            secret = self._file(path)
            self._looked[path] = (now + self._look_every_s, secret)
        return secret

    def _file(self, path: str, bytes_max: int = key_files.KEY_BYTES_MAX) -> Secret | None:
        """The text of a file, read only if the file has changed; None when there is no file."""
        try:
            status = os.stat(path)  # noqa: PTH116 -- on the path of every call, and twice as fast
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise CredentialError(f"{path} cannot be read: {error.strerror}") from error
        mark = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._read.get(path)
        if known is not None and known[0] == mark:
            return known[1]
        secret = key_files.secret_in(path, status, bytes_max)
        self._read[path] = (mark, secret)
        return secret

    # --- the store --------------------------------------------------------------------------------

    def stored(self, types: Collection[str] = CREDENTIAL_TYPES) -> list[Stored]:
        """Every key of these types, from all places; of one that is in several places the first is
        used.

        Raises `CredentialError` for a folder that cannot be read.
        """
        listed: list[Stored] = []
        seen: set[tuple[str, str]] = set()
        for type_, instance, source, place, problem in sorted(
            self._everywhere(types), key=lambda row: row[:2]
        ):
            listed.append(
                Stored(type_, instance, source, place, problem, (type_, instance) not in seen)
            )
            seen.add((type_, instance))
        return listed

    def _everywhere(self, types: Collection[str]) -> Iterator[tuple[str, str, str, str, str]]:
        """(type, instance, source, place, problem), source by source."""
        systemd, staged = map(self._env.get, (_SYSTEMD, _STAGED))
        for path in sorted(Path(systemd).glob("*")) if systemd else ():
            type_, _, instance = path.name.partition(".")
            if type_ in types:
                yield type_, instance or "default", "systemd", str(path), key_files.flaw(path)
        folders = [("staged", Path(staged).expanduser())] if staged else []
        for source, folder in [*folders, ("store", self.store)]:
            for path in key_files.token_files(folder, types):
                yield path.parts[-3], path.parts[-2], source, str(path), key_files.problem(path)
        for provider in PROVIDERS.values():
            for variable in provider.env:
                value = self._env.get(variable, "").strip()
                if provider.credential in types and value:
                    yield (
                        provider.credential,
                        "default",
                        "environment",
                        f"${variable}",
                        mistake(value) or "",
                    )

    def put(self, type_: str, instance: str, value: str) -> Path:
        """Writes a key, folders 0700 and file 0600.

        Raises `CredentialError` for a bad name, for what is not a key, and for a place that cannot
        be written.
        """
        path = self._path(type_, instance)
        near = get_close_matches(type_, CREDENTIAL_TYPES, n=1, cutoff=0.8)
        if type_ not in CREDENTIAL_TYPES and near:
            raise CredentialError(
                f"{type_!r} is not a provider's key: did you mean {near[0]}, or {near[0]}:NAME?"
            )
        text = key_files.checked(value.strip("\ufeff \t\r\n"), "the key").reveal()
        try:
            for folder in (self.store.parent, self.store, path.parent.parent, path.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(path, text + "\n")
            self.look_again()
        except OSError as error:
            raise CredentialError(f"{path} cannot be written: {error.strerror}") from error
        return path

    def remove(self, type_: str, instance: str) -> Path:
        """Deletes a key. Raises `CredentialError` when there is none, or none that can be
        deleted."""
        path = self._path(type_, instance)
        try:
            path.unlink()
            self.look_again()
        except (FileNotFoundError, NotADirectoryError):
            raise CredentialMissing(
                f"there is no {short(type_, instance)} in {self.store}; "
                "`gateway credentials ls` lists the keys"
            ) from None
        except OSError as error:
            raise CredentialError(f"{path} cannot be removed: {error.strerror}") from error
        with suppress(OSError):  # one that still holds something stays
            path.parent.rmdir()
            path.parent.parent.rmdir()
        return path

    def _path(self, type_: str, instance: str) -> Path:
        for name in (type_, instance):
            if not _NAME.fullmatch(name):
                raise CredentialError(
                    f"{name!r} cannot be part of a key's name: use letters, digits, and ._-"
                )
        return self.store / type_ / instance / key_files.FIELD

    # --- pi's own file ----------------------------------------------------------------------------

    @property
    def pi_file(self) -> Path:
        """pi's `auth.json`, which need not exist."""
        folder = self._env.get("PI_CODING_AGENT_DIR")
        return (Path(folder).expanduser() if folder else self._home / ".pi/agent") / "auth.json"

    def pi_entry(self, provider: str) -> object:
        """The entry in force, as of the last `find`."""
        return self.in_force(provider, self._pi.get(provider))

    def in_force(self, provider: str, entry: object) -> object:
        """The entry in force where pi's file has `entry`: the entry itself, or its successor that
        could not be written."""
        replaces, successor = self._held.get(provider, (None, None))
        return (
            successor
            if replaces and isinstance(entry, dict) and entry.get("refresh") == replaces
            else entry
        )

    def hold(self, provider: str, replaces: str, entry: Mapping[str, Any]) -> None:
        """Keeps a renewed entry that could not be written, for as long as the file has the one that
        it replaces.

        `replaces` is the refresh token that was in force.
        """
        before, successor = self._held.get(provider, (replaces, entry))
        self._held[provider] = (before if successor.get("refresh") == replaces else replaces, entry)

    def _of_pi(self, provider: str) -> Found:
        """An entry of pi's `auth.json`. Raises `CredentialError` with the reason when it cannot be
        used."""
        if any((self._root / mark).exists() for mark in _IN_CONTAINER):
            raise CredentialError(
                "pi_auth does not work in a container: use api_key or oauth_token with a stored key"
            )
        path = self.pi_file
        text = self._file(os.fspath(path), PI_BYTES_MAX)
        if text is None:
            raise CredentialMissing(
                f"pi_auth: there is no {path}: sign in with pi first, or use api_key"
            )
        if text is not self._pi_text:
            self._pi_text, self._pi = text, self._parsed(text, path)
        try:
            key, bearer = pi.key_of(self.pi_entry(provider), self._env, self._wall())
        except pi.Expired as error:
            raise CredentialExpired(f"pi_auth for {provider}: {path} {error}") from error
        except pi.Unusable as error:
            raise CredentialError(f"pi_auth for {provider}: {path} {error}") from error
        return Found(
            key_files.checked(key, f"pi_auth: the key for {provider} in {path}"),
            f"pi {path}",
            bearer,
        )

    def _parsed(self, text: Secret, path: Path) -> Mapping[str, Any]:
        """pi writes the file in place, so it may be met half written: until it is whole the last
        good one holds."""
        try:
            entries = orjson.loads(text.reveal())
        except orjson.JSONDecodeError:
            entries = self._pi or None
        if not isinstance(entries, dict):
            raise CredentialError(
                f"pi_auth: {path} is not a JSON object; if pi is writing it, the next call works"
            )
        return entries


def split(credential: str) -> tuple[str, str]:
    """`type:instance` or `type` as (type, instance)."""
    type_, _, instance = credential.partition(":")
    return type_, instance or "default"


def short(type_: str, instance: str) -> str:
    """As a user writes it: without the instance when it is the default one."""
    return type_ if instance == "default" else f"{type_}:{instance}"
