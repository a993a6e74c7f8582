"""The providers' keys: where they lie, in which order they are looked for, and a wrapper that cannot be printed.

`<type>/<instance>/<field>`, one plain text per file, as Action Llama keeps them. Sources, first found wins: systemd's
directory, `$AL_CREDENTIALS_PATH`, the store, the provider's usual environment variable. A file that exists but is empty
is an error, never skipped: silently using another key is how bills arrive at the wrong address.
"""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.providers import CREDENTIAL_TYPES
from gateway.types import Model

FIELD: Final = "token"
"""The field of every provider key."""
STORE: Final = ".action-llama/credentials"

_CONTAINER_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))


class CredentialError(Exception):
    """A key that is missing or cannot be used; the message names the place and the cure, never the key."""


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
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class Found:
    """A key and the place it came from, in words."""

    secret: Secret
    source: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A key in the store, for a list."""

    type: str
    instance: str
    path: Path
    problem: str
    """What is wrong with it; empty when nothing is."""


class Credentials:
    """Finds keys. A file is read again when it has changed, so a new key is used for the next call."""

    def __init__(self, env: Mapping[str, str], home: Path) -> None:
        self._env = env
        self._home = home
        self._read: dict[str, tuple[tuple[int, int, int], Secret]] = {}

    @property
    def store(self) -> Path:
        """The folder in which `set` writes."""
        stated = self._env.get("AL_CREDENTIALS_DIR")
        return Path(stated).expanduser() if stated else self._home / STORE

    def find(self, model: Model) -> Found | None:
        """The key of `model`; None for a server that needs none and has none. Raises `CredentialError`."""
        if model.auth_type == "pi_auth":
            return self._of_pi(model.provider.name)
        type_, _, instance = model.credential.partition(":")
        for source, path in self._places(type_, instance):
            secret = self._file(path)
            if secret is not None:
                return Found(secret, f"{source} {path}")
        if instance == "default":
            for variable in model.provider.env:
                value = self._env.get(variable, "").strip()
                if value:
                    return Found(Secret(value), f"environment ${variable}")
        if model.provider.key_optional:
            return None
        variables = "".join(f" or set ${variable}" for variable in model.provider.env[:1] if instance == "default")
        raise CredentialError(
            f"no key for {model.name} ({model.credential}): store one with "
            f"`gateway credentials set {_reference(type_, instance)}`{variables}"
        )

    def stored(self) -> list[Stored]:
        """Every key in the store."""
        found = []
        for path in sorted(self.store.glob(f"*/*/{FIELD}")):
            type_, instance = path.parts[-3:-1]
            found.append(Stored(type_, instance, path, _problem(path)))
        return found

    def put(self, type_: str, instance: str, value: str) -> Path:
        """Writes a key, folders 0700 and file 0600. Raises `CredentialError` for an empty one and unknown types."""
        if not value.strip():
            raise CredentialError("an empty key was not stored")
        path = self._path(self.store, type_, instance)
        for folder in (self.store, path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, value.strip() + "\n")
        return path

    def remove(self, type_: str, instance: str) -> Path:
        """Deletes a key. Raises `CredentialError` when there is none."""
        path = self._path(self.store, type_, instance)
        if not path.is_file():
            raise CredentialError(f"there is no {_reference(type_, instance)} in {self.store}")
        path.unlink()
        for folder in (path.parent, path.parent.parent):
            if not any(folder.iterdir()):
                folder.rmdir()
        return path

    def _path(self, store: Path, type_: str, instance: str) -> Path:
        if type_ not in CREDENTIAL_TYPES:
            raise CredentialError(f"{type_!r} is no credential type; known are {', '.join(sorted(CREDENTIAL_TYPES))}")
        if not instance or "/" in instance or instance.startswith("."):
            raise CredentialError(f"{instance!r} cannot be the name of an instance")
        return store / type_ / instance / FIELD

    def _places(self, type_: str, instance: str) -> Iterator[tuple[str, Path]]:
        """(source in words, file), in the order in which they are tried."""
        systemd = self._env.get("CREDENTIALS_DIRECTORY")
        if systemd:
            yield "systemd", Path(systemd) / _reference(type_, instance)
        staged = self._env.get("AL_CREDENTIALS_PATH")
        if staged:
            yield "staged", Path(staged) / type_ / instance / FIELD
        yield "store", self.store / type_ / instance / FIELD

    def _file(self, path: Path) -> Secret | None:
        """The key in a file, read only if the file has changed; None when there is no file."""
        name = os.fspath(path)
        try:
            status = os.stat(name)  # noqa: PTH116 -- on the path of every call, and twice as fast
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise CredentialError(f"{path} cannot be read: {error.strerror}") from error
        mark = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._read.get(name)
        if known is not None and known[0] == mark:
            return known[1]
        try:
            value = path.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialError(f"{path} cannot be read: {error}") from error
        if not value:
            raise CredentialError(f"{path} is empty: write the key into it, or remove it")
        secret = Secret(value)
        self._read[name] = (mark, secret)
        return secret

    # --- pi's own file -----------------------------------------------------------------------------------------------

    def _of_pi(self, provider: str) -> Found:
        """An entry of pi's `auth.json`. Raises `CredentialError` with the reason when it cannot be used."""
        if any(mark.exists() for mark in _CONTAINER_MARKS):
            raise CredentialError("pi_auth does not work in a container: use api_key with a stored key")
        folder = self._env.get("PI_CODING_AGENT_DIR")
        path = (Path(folder).expanduser() if folder else self._home / ".pi/agent") / "auth.json"
        text = self._file(path)
        if text is None:
            raise CredentialError(f"pi_auth: there is no {path}: sign in with pi first, or use api_key")
        try:
            entry = orjson.loads(text.reveal()).get(provider)
        except (orjson.JSONDecodeError, AttributeError) as error:
            raise CredentialError(f"pi_auth: {path} is no JSON object; it may be half written, try again") from error
        if not isinstance(entry, dict):
            raise CredentialError(f"pi_auth: {path} has no entry for {provider}: sign in with pi, or use api_key")
        return Found(self._pi_secret(entry, path, provider), f"pi {path}")

    def _pi_secret(self, entry: Mapping[str, Any], path: Path, provider: str) -> Secret:
        if entry.get("type") == "api_key" and isinstance(entry.get("key"), str):
            key = entry["key"].strip()
            if key.startswith("!"):
                raise CredentialError(f"pi_auth: the key for {provider} in {path} is a command, which is not run here")
            return Secret(self._env.get(key) or key)
        raise CredentialError(f"pi_auth: the entry for {provider} in {path} is of a type that is not supported yet")


def _reference(type_: str, instance: str) -> str:
    return type_ if instance == "default" else f"{type_}:{instance}"


def _problem(path: Path) -> str:
    if not path.stat().st_size:
        return "empty"
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        return "readable by others: chmod 600"
    if stat.S_IMODE(path.parent.stat().st_mode) & 0o077:
        return "folder open to others: chmod 700"
    return ""


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
