"""What keeps the ledger's file from being written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.config.audit import Finding

_CURE: Final = "Give the gateway's user the right to write there, or set [ledger] path."


def examine(path: Path) -> Iterator[Finding]:
    """A finding of `gateway doctor` where this user, who need not be the gateway's, cannot write a
    ledger at the absolute `path`; the file and its folders need not exist."""
    # unlike a `Path`, this is False for what may not be looked at
    place = next(each for each in (path, *path.parents) if os.path.exists(each))  # noqa: PTH110
    if path.is_dir():
        message = f"{path} is a folder, and has to be a file."
    elif place != path and not place.is_dir():
        message = f"{path} cannot be made: {place} is not a folder."
    elif not os.access(place, os.W_OK | (os.X_OK if place.is_dir() else 0)):
        message = f"{place} cannot be written by this user, so calls would not be recorded."
    else:
        return
    yield Finding("ledger", "warning", "file", message, _CURE)
