"""Which files are read, and how they are merged; nothing here knows what a key means.

`config.toml` ← `gateway.toml` beside it ← `.env.toml` beside it ← `~/.action-llama/environments/<env>.toml`; tables are
merged, anything else is replaced. So an Action Llama project works untouched, and what is ours can stand apart from it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.config.check import Problem, line_of

NAME: Final = "config.toml"


@dataclass(slots=True)
class Source:
    """One file that was read."""

    path: Path
    text: str
    table: dict[str, Any]


@dataclass(slots=True)
class Files:
    """All files of one configuration, in the order in which they are merged."""

    root: Path
    """The folder of `config.toml`."""
    sources: list[Source] = field(default_factory=list)
    agents: dict[str, Source] = field(default_factory=dict)
    """`agents/<name>/config.toml` by name."""
    problems: list[Problem] = field(default_factory=list)

    def merged(self) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for source in self.sources:
            table = merge(table, source.table)
        return table

    def where(self, path: tuple[str, ...]) -> tuple[str, int | None]:
        """(file, line) of a dotted key: the last file that says it."""
        for source in reversed(self.sources):
            if _says(source.table, path) or (len(path) > 1 and _says(source.table, path[:-1])):
                return str(source.path), line_of(source.text, path)
        return str(self.sources[0].path if self.sources else self.root / NAME), None

    def paths(self) -> tuple[Path, ...]:
        """Every file whose change is a change of the configuration."""
        return tuple(source.path for source in (*self.sources, *self.agents.values()))


def discover(explicit: str | None, env: Mapping[str, str], cwd: Path, home: Path) -> Path | None:
    """The configuration file: `--config`, `$GATEWAY_CONFIG`, `./config.toml`, the user's, the system's; else None.

    One that was named is returned even if it does not exist, so that reading it says so.
    """
    named = explicit or env.get("GATEWAY_CONFIG")
    if named:
        path = Path(named).expanduser()
        return path / NAME if path.is_dir() else path
    places = (cwd / NAME, home / ".config/gateway" / NAME, Path("/etc/gateway") / NAME)
    return next((place for place in places if place.is_file()), None)


def read(path: Path, env: Mapping[str, str], home: Path) -> Files:
    """`path` and everything that belongs to it. What cannot be read becomes a problem, and the rest is still read."""
    files = Files(path.parent)
    _add(files, path, required=True)
    _add(files, path.parent / "gateway.toml")
    dotenv = _add(files, path.parent / ".env.toml")
    name = env.get("AL_ENV") or (dotenv.table.pop("environment", None) if dotenv else None)
    if dotenv:
        dotenv.table.pop("projectName", None)
    if isinstance(name, str):
        folder = Path(env.get("AL_ENVIRONMENTS_DIR") or home / ".action-llama/environments")
        _add(files, folder / f"{name}.toml", required=True)
    for folder in sorted((path.parent / "agents").glob("*/")):
        own = folder / NAME
        if own.is_file() and not folder.name.startswith(".") and folder.name != "node_modules":
            source = _read(own, files.problems)
            if source is not None:
                files.agents[folder.name] = source
    return files


def _add(files: Files, path: Path, *, required: bool = False) -> Source | None:
    if not path.is_file() and not required:
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
        problems.append(Problem(str(path), "", "there is no such file.", "Make one, or name another with --config."))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(str(path), "", f"cannot be read: {error}."))
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem(str(path), "", f"is no TOML: {error}."))
    return None


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `under`: tables are merged, anything else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _says(table: Any, path: tuple[str, ...]) -> bool:
    for step in path:
        if not isinstance(table, Mapping) or step not in table:
            return False
        table = table[step]
    return True
