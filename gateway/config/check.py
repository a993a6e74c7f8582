"""Checks a table against its schema and finds everything that is wrong with it, not just the first thing.

msgspec stops at the first error; an operator wants all of them at once, each with the nearest valid key or value. So the
tables are walked here, and msgspec judges one value at a time.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from gateway.config.schema import Table
from gateway.scrub import HIDDEN, scrub

_SECRET_KEYS: Final = re.compile(r"headers|options|key|token|secret|password|authorization", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, for an operator: where, what, and the cure."""

    file: str
    key: str
    """Dotted: `models.sonnet.provider`; empty for the file itself."""
    message: str
    cure: str = ""
    line: int | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        cure = f" {self.cure}" if self.cure else ""
        return f"{place}:{key} {self.message}{cure}"


@dataclass(frozen=True, slots=True)
class Flaw:
    """A problem before anybody knows which file it stands in."""

    path: tuple[str, ...]
    message: str
    cure: str = ""


def flaws(table: Any, schema: type[Table], path: tuple[str, ...] = ()) -> Iterator[Flaw]:
    """Everything in `table` that `schema` does not allow."""
    if not isinstance(table, Mapping):
        yield Flaw(path, f"{shown(path, table)} is no table.")
        return
    hints = get_type_hints(schema, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(schema)}
    for key, value in table.items():
        if key not in fields:
            yield Flaw((*path, key), "there is no such key.", did_you_mean(key, tuple(fields)))
        else:
            yield from _value_flaws(value, hints[fields[key].name], (*path, key))
    for key, info in fields.items():
        if info.required and key not in table:
            yield Flaw((*path, key), "is missing.", f"Add {key} = …")


def _value_flaws(value: Any, kind: Any, path: tuple[str, ...]) -> Iterator[Flaw]:
    inner = _table_of(kind)
    if inner is not None:
        yield from flaws(value, inner, path)
        return
    if get_origin(kind) is dict and isinstance(value, Mapping):
        named = _table_of(get_args(kind)[1])
        if named is not None:
            for name, table in value.items():
                yield from flaws(table, named, (*path, name))
            return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        yield Flaw(path, f"{shown(path, value)} is not allowed: {_plain(error)}.", _nearest_choice(value, kind))


def _table_of(kind: Any) -> type[Table] | None:
    """The table a type stands for, `Table | None` included."""
    for option in get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,):
        if isinstance(option, type) and issubclass(option, Table):
            return option
    return None


def _choices(kind: Any) -> tuple[str, ...]:
    if get_origin(kind) is Literal:
        return tuple(str(choice) for choice in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(choice for option in get_args(kind) for choice in _choices(option))
    return ()


def _nearest_choice(value: Any, kind: Any) -> str:
    choices = _choices(kind)
    return did_you_mean(str(value), choices) if choices else ""


def _plain(error: msgspec.ValidationError) -> str:
    return str(error).replace("`", "").split(" - at")[0].rstrip(".")


def did_you_mean(wrong: str, known: Sequence[str]) -> str:
    """The cure for a name that does not exist."""
    near = get_close_matches(wrong, known, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known are: {', '.join(sorted(known))}." if known else ""


def shown(path: tuple[str, ...], value: Any) -> str:
    """A value as an error may show it: never one that may hold a secret."""
    if any(_SECRET_KEYS.search(step) for step in path):
        return HIDDEN
    return scrub(repr(value))[:80]


def line_of(text: str, path: Sequence[str]) -> int | None:
    """The line of a TOML text where a dotted key stands, or that of the table it belongs to.

    A scanner for people's sake: it knows headers and plain keys, and gives up on anything cleverer.
    """
    found: tuple[int, int] | None = None
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            table = tuple(_keys(stripped.strip("[] \t").split("]")[0]))
            here = table
        elif "=" in stripped and not stripped.startswith("#"):
            here = table + tuple(_keys(stripped.split("=", 1)[0]))
        else:
            continue
        depth = len(here) if tuple(path[: len(here)]) == here else 0
        if depth and (found is None or depth > found[0]):
            found = (depth, number)
    return found[1] if found else None


def _keys(dotted: str) -> list[str]:
    return [bare or quoted for quoted, bare in re.findall(r'"([^"]*)"|([\w-]+)', dotted)]
