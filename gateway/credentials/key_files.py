"""One key per file: reading it, and what can be wrong with it."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from gateway.credentials.key_form import mistake
from gateway.credentials.secret import CredentialError, Secret

FIELD: Final = "token"
"""The field of every provider key."""
KEY_BYTES_MAX: Final = 64 * 1024
"""No key is longer; a larger file was put there by mistake."""


def secret_in(path: str, status: os.stat_result, bytes_max: int) -> Secret:
    """The key in a file. Raises `CredentialError` with the mistake and its cure."""
    if not stat.S_ISREG(status.st_mode):
        raise CredentialError(f"{path} is not a file")
    if status.st_size > bytes_max:
        raise CredentialError(f"{path} is larger than any key")
    try:
        text = Path(path).read_text(encoding="utf-8-sig").strip()
    except OSError as error:
        raise CredentialError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise CredentialError(f"{path} holds no text") from None
    if not text:
        raise CredentialError(f"{path} is empty: write the key into it, or remove it")
    return Secret(text) if path.endswith(".json") else checked(text, path)


def checked(value: str, place: str) -> Secret:
    """`value` if it can be a key. Raises `CredentialError` with the mistake and its cure."""
    if not value:
        raise CredentialError(f"{place} is empty")
    wrong = mistake(value)
    if wrong is not None:
        raise CredentialError(f"{place} {wrong}")
    return Secret(value)


def token_files(folder: Path, types: Collection[str]) -> Iterator[Path]:
    """The files of a store. Raises `CredentialError` for a folder that cannot be read."""
    for type_ in sorted(_names(folder) & set(types)):
        for instance in sorted(_names(folder / type_)):
            if FIELD in _names(folder / type_ / instance):
                yield folder / type_ / instance / FIELD


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise CredentialError(f"{folder} cannot be read: {error.strerror}") from error


def flaw(path: Path) -> str:
    """Why a file is not a key, in a word or two: `empty`; nothing for one that is."""
    try:
        secret_in(os.fspath(path), path.stat(), KEY_BYTES_MAX)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except CredentialError as error:
        words = str(error).removeprefix(f"{path} ")
        return words.partition(":")[0].removeprefix("is ") if words.startswith("is ") else words
    return ""


def problem(path: Path) -> str:
    """As `flaw`; else who else may read the file."""
    if wrong := flaw(path):
        return wrong
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        return "others may read it: chmod 600"
    if stat.S_IMODE(path.parent.stat().st_mode) & 0o077:
        return "its folder is open to others: chmod 700"
    return ""
