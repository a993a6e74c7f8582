"""Which files are read, and how they are merged; nothing here knows what a key means.

`agents/<name>/config.toml` ← `config.toml` ← `gateway.toml` beside it ← `.env.toml` beside it ←
`~/.action-llama/environments/<env>.toml`; tables are merged, anything else is replaced. So an
Action Llama project works untouched, and the gateway's own settings can be in a separate file.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.config.check import Problem
from gateway.config.positions import line_of
from gateway.redact import redact

NAME: Final = "config.toml"
OVERLAY: Final = "gateway.toml"
DOTENV: Final = ".env.toml"

_NOT_MERGED: Final = ("environment", "projectName")
"""Keys of `.env.toml` that are about that file itself."""
_FROM_ENVIRONMENT: Final = ("models", "agents")
"""All that is taken from an environment's file: its `[server]` is the host to deploy to, not the
address to listen on."""
_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)")


@dataclass(slots=True)
class Source:
    """One file that was read."""

    path: Path
    text: str
    table: dict[str, Any]
    under: tuple[str, ...] = ()
    """Where its keys belong: `("agents", name)` for the file of an agent."""

    def depth(self, path: tuple[str, ...]) -> int:
        """How many steps of `path` this file says."""
        if path[: len(self.under)] != self.under:
            return 0
        table: Any = self.table
        depth = len(self.under)
        for step in path[depth:]:
            if not isinstance(table, Mapping) or step not in table:
                break
            table, depth = table[step], depth + 1
        return depth


@dataclass(slots=True)
class Files:
    """All files of one configuration."""

    root: Path
    """The folder of `config.toml`."""
    sources: list[Source] = field(default_factory=list)
    """In the order in which they are merged, without those of agents."""
    agents: dict[str, Source] = field(default_factory=dict)
    """`agents/<name>/config.toml` by name."""
    problems: list[Problem] = field(default_factory=list)
    """Files that cannot be read or are no TOML."""

    def merged(self) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for source in self._all():
            inner = source.table
            for step in reversed(source.under):
                inner = {step: inner}
            table = merge(table, inner)
        return table

    def where(self, path: tuple[str, ...]) -> tuple[str, str, int | None]:
        """(file, key as it is there, line) of a dotted key: the last file that says it, or most of
        it."""
        best: Source | None = None
        deepest = 0
        for source in self._all():
            depth = source.depth(path)
            if depth >= max(deepest, len(source.under)):
                best, deepest = source, depth
        if best is None:
            return str(self.root / NAME), ".".join(path), None
        inner = path[len(best.under) :]
        return str(best.path), redact(".".join(inner)), line_of(best.text, inner)

    def says(self, path: tuple[str, ...]) -> tuple[Path, int | None] | None:
        """(file, line) of a dotted key that some file says; None for one that is left to its
        default."""
        for source in reversed(self._all()):
            if source.depth(path) == len(path):
                return source.path, line_of(source.text, path[len(source.under) :])
        return None

    def paths(self) -> tuple[Path, ...]:
        """Every file whose change is a change of the configuration."""
        return tuple(source.path for source in (*self.sources, *self.agents.values()))

    def _all(self) -> list[Source]:
        return [*self.agents.values(), *self.sources]


def discover(explicit: str | None, env: Mapping[str, str], cwd: Path, home: Path) -> Path | None:
    """The configuration file: `--config`, `$GATEWAY_CONFIG`, `./config.toml`, the user's, the
    system's; else None.

    One that was named is returned even if it does not exist, so that reading it says so.
    """
    named = explicit or env.get("GATEWAY_CONFIG")
    if named:
        path = path_of(named)
        return path / NAME if os.path.isdir(path) else path  # noqa: PTH112 -- Path's raises where access is denied
    return next((place for place in places(cwd, home) if is_there(place)), None)


def path_of(text: str | Path) -> Path:
    """A path as users write it, with `~`; the `~` of an unknown user stays as it is."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def is_there(path: Path) -> bool:
    """Whether the path exists, even as a loop of links or without permission: reading it then
    reports the reason.

    Otherwise the gateway would start the demo on a service's port, or drop an agent without a
    warning.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def places(cwd: Path, home: Path) -> tuple[Path, ...]:
    """Where a configuration is looked for when none is named."""
    return (cwd / NAME, home / ".config/gateway" / NAME, Path("/etc/gateway") / NAME)


def read(path: Path, env: Mapping[str, str], home: Path) -> Files:
    """`path` and everything that belongs to it. What cannot be read becomes a problem, and the rest
    is still read."""
    files = Files(path.parent)
    _add(files, path, required=True)
    if not os.access(files.root, os.X_OK):
        return files  # the files beside it are unreadable too, and one error says so
    if path.name != OVERLAY:
        _add(files, path.parent / OVERLAY)
    dotenv = _add(files, path.parent / DOTENV)
    name = env.get("AL_ENV") or (dotenv.table.get("environment") if dotenv else None)
    if dotenv:
        dotenv.table = {key: value for key, value in dotenv.table.items() if key not in _NOT_MERGED}
    if isinstance(name, str):
        folder = path_of(env.get("AL_ENVIRONMENTS_DIR") or home / ".action-llama/environments")
        environment = _add(files, folder / f"{name}.toml", required=True)
        if environment:
            environment.table = {
                key: environment.table[key] for key in _FROM_ENVIRONMENT if key in environment.table
            }
    _add_agents(files)
    return files


def _add_agents(files: Files) -> None:
    folder = files.root / "agents"
    try:
        names = sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        files.problems.append(Problem(str(folder), "", f"cannot be read: {error.strerror}."))
        return
    for name in names:
        path = folder / name / NAME
        if not name.startswith(".") and name != "node_modules" and is_there(path):
            source = _read(path, files.problems)
            if source is not None:
                source.under = ("agents", name)
                files.agents[name] = source


def _add(files: Files, path: Path, *, required: bool = False) -> Source | None:
    if not required and not is_there(path):
        return None
    source = _read(path, files.problems)
    if source is not None:
        files.sources.append(source)
    return source


def _read(path: Path, problems: list[Problem]) -> Source | None:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return Source(path, text, tomllib.loads(text))
    except FileNotFoundError:
        problems.append(
            Problem(
                str(path), "", "there is no such file.", "Make one, or name another with --config."
            )
        )
    except UnicodeDecodeError:
        problems.append(Problem(str(path), "", "is not UTF-8 text."))
    except OSError as error:
        problems.append(Problem(str(path), "", f"cannot be read: {error.strerror}."))
    except tomllib.TOMLDecodeError as error:
        line = _AT_LINE.search(str(error))
        message = f"is not TOML: {redact(_AT_LINE.sub('', str(error)))}."
        problems.append(Problem(str(path), "", message, line=int(line[1]) if line else None))
    return None


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` merged into `under`: tables are merged, anything else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = (
            merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
        )
    return merged
