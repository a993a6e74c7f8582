"""The files that come with the program for people to copy: the example configuration, which is the
manual of every key, and the systemd units.

Belongs here: text that `gateway init` writes out. Does not belong here: code, and anything that the
gateway itself reads while it serves.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

EXAMPLE: Final = "config.toml.example"
UNITS: Final = ("systemd/gateway.service", "systemd/gateway.socket", "systemd/user/gateway.service")


def text(name: str) -> str:
    """The text of one of the files above."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
