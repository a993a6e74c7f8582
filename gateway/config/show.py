"""The configuration in force, as plain data and as TOML: every value with the place it comes from,
and no secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.config.check import shown
from gateway.config.files import Files
from gateway.config.load import Config
from gateway.redact import HIDDEN
from gateway.types import Model

DEFAULT: Final = "default"
_COLUMN: Final = 44
"""Where the origins begin, if the line is short enough."""

Values = dict[str, Any]


def effective(config: Config) -> Values:
    """Every table of `config` under its camelCase keys, what is unset left out, secrets replaced by
    `***`."""
    values: Values = msgspec.to_builtins(config.root)
    accounts = config.entries
    for name, entry in values["models"].items():
        if name in accounts:
            entry |= _account(accounts[name])
        entry["headers"] = dict.fromkeys(entry["headers"], HIDDEN)
        entry["options"] = _redacted(entry["options"])
        if entry["proxy"]:
            entry["proxy"] = shown((), entry["proxy"])[1:-1]
    values["ledger"]["path"] = config.ledger.path
    values["traces"]["headers"] = dict.fromkeys(values["traces"]["headers"], HIDDEN)
    values["traces"]["endpoint"] = _without_query(values["traces"]["endpoint"])
    return {name: _stated(table) for name, table in values.items()}


def _account(models: Sequence[Model]) -> Values:
    """Where the models of one entry are asked, and with which credential or pool of them."""
    credentials = [model.credential for model in models]
    stated = credentials if len(credentials) > 1 else credentials[0]
    return {"baseUrl": models[0].base_url, "credential": stated}


def _without_query(url: str) -> str:
    """A query may hold a key."""
    address, mark, query = url.partition("?")
    return f"{address}?{HIDDEN}" if mark and query else url


def origins(values: Values, files: Files | None) -> dict[str, str]:
    """Dotted key → `file:line`, or `default`."""
    return {_dotted(path): _origin(path, files) for path in _paths(values)}


def toml(values: Values, came_from: Mapping[str, str]) -> str:
    """`values` as a TOML text, each line with its origin as a comment."""
    return "\n".join(_lines(values, (), came_from)).strip("\n") + "\n"


def _origin(path: tuple[str, ...], files: Files | None) -> str:
    said = files.says(path) if files else None
    if said is None:
        return DEFAULT
    file, line = said
    return f"{_near(file)}:{line}" if line else _near(file)


def _near(file: Path) -> str:
    """Short, but distinct from the same name in another agent's folder."""
    return str(Path(*file.parts[-2:])) if file.parent.parent.name == "agents" else file.name


def _stated(table: Any) -> Any:
    if not isinstance(table, dict):
        return table
    stated = {key: _stated(value) for key, value in table.items()}
    return {key: value for key, value in stated.items() if value is not None and value != {}}


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _redacted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_redacted(inner) for inner in value]
    return HIDDEN if isinstance(value, str) and HIDDEN in shown((), value) else value


def _paths(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _paths(value, (*above, key))
        else:
            yield (*above, key)


def _lines(
    table: Mapping[str, Any], path: tuple[str, ...], came_from: Mapping[str, str]
) -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    if plain:
        yield f"\n[{_dotted(path)}]"
    for key, value in plain.items():
        line = f"{_quoted(key)} = {literal(value)}"
        yield f"{line:<{_COLUMN}}  # {came_from[_dotted((*path, key))]}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _lines(value, (*path, key), came_from)


def literal(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, list):
        return f"[{', '.join(literal(item) for item in value)}]"
    if isinstance(value, Mapping):
        return (
            f"{{ {', '.join(f'{_quoted(key)} = {literal(item)}' for key, item in value.items())} }}"
        )
    if isinstance(value, bool | int | float | str):
        return json.dumps(value, ensure_ascii=False)
    return str(value)  # a date, the only other type that TOML has


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(_quoted(step) for step in path)


def _quoted(key: str) -> str:
    bare = key.replace("-", "").replace("_", "")
    return key if bare.isalnum() and bare.isascii() else json.dumps(key, ensure_ascii=False)
