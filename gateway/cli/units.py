"""The systemd units of `gateway init --systemd`: the text for this installation, and the steps that
put them into service."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Final

from gateway import __version__
from gateway.cli.console import program
from gateway.providers import PROVIDERS
from gateway.share import EXAMPLE, UNITS, text

FOLDER: Final = "systemd"
"""Where the files are written if no `--path` is given."""
SERVICE, SOCKET, USER_SERVICE = (PurePath(name).relative_to("systemd") for name in UNITS)
EXAMPLE_NAME: Final = PurePath(EXAMPLE)

_PREFIX: Final = "/opt/gateway"
"""The installation that the unit in the package names."""
_KEY: Final = next(iter(PROVIDERS.values())).credential
"""The key that the steps store, as an example."""
_USER_PREFIX: Final = "%h/.local/share/gateway"
_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 -- compared only
"""Folders that the service cannot read: `ProtectHome=`, `PrivateTmp=`."""


def prefix() -> Path:
    """The virtual environment of this program."""
    return Path(sys.prefix).absolute()


def is_hidden(folder: Path) -> bool:
    """Whether the hardened service cannot read `folder`."""
    return any(folder.is_relative_to(hidden) for hidden in _HIDDEN)


def files(installed: Path) -> Mapping[PurePath, str]:
    """Relative path → text. The units start the program of `installed`, if they can read it."""
    system = Path(_PREFIX) if is_hidden(installed) else installed
    return {
        SERVICE: _moved(text(UNITS[0]), _PREFIX, str(system)),
        SOCKET: _moved(text(UNITS[1]), _PREFIX, str(system)),
        USER_SERVICE: _moved(text(UNITS[2]), _USER_PREFIX, str(installed)),
        EXAMPLE_NAME: text(EXAMPLE),
    }


def _moved(unit: str, old: str, new: str) -> str:
    """The unit with its paths under another folder. systemd expands `%` and splits at spaces."""
    escaped = new.replace("%", "%%").replace(" ", "\\x20")
    return unit.replace(old + "/", escaped + "/")


def steps(folder: Path, installed: Path) -> Iterator[str]:
    """What to type next, line by line."""
    units = "/etc/systemd/system"
    yield "As a service of this host:"
    if is_hidden(installed):
        yield f"  sudo python3 -m venv {_PREFIX}"
        yield f"  sudo {_PREFIX}/bin/pip install local-agent-gateway=={__version__}"
    yield f"  sudo install -D -m 0644 {folder / EXAMPLE_NAME} \\"
    yield "    /etc/gateway/config.toml"
    yield "  sudoedit /etc/gateway/config.toml                # your models and agents"
    yield "  sudo install -d -m 0700 /etc/gateway/credentials"
    yield "  # paste the key, then Ctrl-D:"
    yield f"  sudo sh -c 'umask 077; cat > /etc/gateway/credentials/{_KEY}'"
    yield f"  sudo install -m 0644 {folder / SERVICE} {folder / SOCKET} \\"
    yield f"    {units}"
    yield f"  sudoedit {units}/{SERVICE}     # one LoadCredential= per key"
    yield "  sudo systemctl daemon-reload"
    yield f"  sudo systemctl enable --now {SOCKET} {SERVICE}"
    yield ""
    yield "For one person, without root:"
    yield f"  {program()} init --path ~/.config/gateway/config.toml"
    yield f"  install -D -m 0644 {folder / USER_SERVICE} \\"
    yield f"    ~/.config/systemd/user/{USER_SERVICE.name}"
    yield "  systemctl --user daemon-reload"
    yield "  systemctl --user enable --now gateway"
