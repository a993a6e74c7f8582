"""Checks a table against its schema and finds everything that is wrong with it, not just the first
thing.

msgspec stops at the first error; an operator wants all of them at once, each with the nearest valid
key or value. So the tables are walked here, and msgspec judges one value at a time. A value is
shown only by `shown`, because it may be a provider's key in the wrong place.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from gateway.config.schema import Table
from gateway.redact import HIDDEN, redact

Severity = Literal["error", "warning"]

SHOWN_CHARS_MAX: Final = 80
CLOSE: Final = 0.75
"""Likeness from which a name is a slip of the pen, not another name."""

_SECRET_KEY: Final = re.compile(
    r"^headers$|^options$|^token$|^key$|api_?key|secret|password|authorization", re.IGNORECASE
)
_USER_INFO: Final = re.compile(r"//[^/@\s]+@")
_RUN: Final = re.compile(r"[A-Za-z0-9]{16,}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, for an operator: where, what, and the cure."""

    file: str
    key: str
    """Dotted: `models.sonnet.provider`; empty for the file itself."""
    message: str
    cure: str = ""
    line: int | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        cure = f" {self.cure}" if self.cure else ""
        return f"{place}:{key} {self.message}{cure}".removeprefix(":").lstrip()


@dataclass(frozen=True, slots=True)
class Flaw:
    """A problem whose file is not known yet."""

    path: tuple[str, ...]
    message: str
    cure: str = ""
    severity: Severity = "error"


def flaws(table: Any, schema: type[Table], path: tuple[str, ...] = ()) -> Iterator[Flaw]:
    """Everything in `table` that `schema` does not allow."""
    if not isinstance(table, Mapping):
        yield Flaw(
            path,
            f"{shown(path, table)} must be a table.",
            f"Write [{'.'.join(path)}] and its keys below.",
        )
        return
    hints = get_type_hints(schema, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(schema)}
    for key, value in table.items():
        if key not in fields:
            yield _no_such_key((*path, key), tuple(fields))
        else:
            yield from _value_flaws(value, hints[fields[key].name], (*path, key))
    for key, info in fields.items():
        if info.required and key not in table:
            yield Flaw((*path, key), "is missing.", f"Add {key} = …")


def _no_such_key(path: tuple[str, ...], known: Sequence[str]) -> Flaw:
    if path[0] == "models" and _SECRET_KEY.search(path[-1]):
        return Flaw(
            path,
            "keys are not kept in this file.",
            "Store it with `gateway credentials set`, and remove it here.",
        )
    return Flaw(path, "there is no such key.", did_you_mean(path[-1], known))


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
        finite = not isinstance(value, float) or math.isfinite(value)
    except msgspec.ValidationError:
        finite = False
    if not finite:
        yield Flaw(path, f"{shown(path, value)} is not {wanted(kind)}.", _cure(path, value, kind))


def _table_of(kind: Any) -> type[Table] | None:
    """The table class that a type names, `Table | None` included."""
    for option in _options(kind):
        if isinstance(option, type) and issubclass(option, Table):
            return option
    return None


def _options(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _choices(kind: Any) -> tuple[str, ...]:
    return tuple(
        str(choice)
        for option in _options(kind)
        if get_origin(option) is Literal
        for choice in get_args(option)
    )


def _cure(path: tuple[str, ...], value: Any, kind: Any) -> str:
    if isinstance(value, str) and (choices := _choices(kind)):
        return did_you_mean(value, choices, list_all=False)
    if isinstance(value, str) and re.fullmatch(r"true|false|-?\d+(\.\d+)?", value):
        return f"Write it without quotes: {path[-1]} = {value}"
    if isinstance(value, str) and wanted(kind).startswith("a list"):
        return f"Write it as a list: {path[-1]} = [{shown(path, value)}]"
    return ""


def wanted(kind: Any) -> str:
    """A type in an operator's words: `a whole number from 1 to 65535`."""
    return _in_words(msgspec.inspect.type_info(kind))


def _in_words(info: msgspec.inspect.Type) -> str:
    match info:
        case msgspec.inspect.UnionType(types=options):
            return " or ".join(
                _in_words(one) for one in options if not isinstance(one, msgspec.inspect.NoneType)
            )
        case msgspec.inspect.LiteralType(values=values):
            return f"one of {', '.join(str(value) for value in values)}"
        case msgspec.inspect.IntType():
            return f"a whole number{_range(info)}"
        case msgspec.inspect.FloatType():
            return f"a number{_range(info)}"
        case msgspec.inspect.ListType(item_type=item):
            return f"a list of {_in_words(item).removeprefix('a ')}s"
        case msgspec.inspect.DictType():
            return (
                "a table of texts"
                if isinstance(info.value_type, msgspec.inspect.StrType)
                else "a table"
            )
        case msgspec.inspect.BoolType():
            return "true or false"
    return "a text"


def _range(info: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    low = (
        f"above {info.gt:g}"
        if info.gt is not None
        else f"from {info.ge:g}"
        if info.ge is not None
        else ""
    )
    high = f" to {info.le:.0f}" if info.le is not None else " up" if info.ge is not None else ""
    return f" {low}{high}".rstrip()


def did_you_mean(wrong: str, known: Sequence[str], *, list_all: bool = True) -> str:
    """The cure for a name that does not exist."""
    folded = {name.casefold(): name for name in known}
    near = get_close_matches(wrong.casefold(), folded, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {folded[near[0]]!r}?"
    return f"Known are: {', '.join(sorted(known))}." if known and list_all else ""


def shown(path: Sequence[str], value: Any) -> str:
    """A value as an error may show it: never one that may hold a secret."""
    if isinstance(value, str) and any(_SECRET_KEY.search(step) for step in path):
        return HIDDEN
    if isinstance(value, Mapping):
        return "a table"
    text = _USER_INFO.sub(
        f"//{HIDDEN}@", redact(f'"{value}"' if isinstance(value, str) else _toml(value))
    )
    text = _RUN.sub(lambda run: HIDDEN if _looks_random(run[0]) else run[0], text)
    return text if len(text) <= SHOWN_CHARS_MAX else text[: SHOWN_CHARS_MAX - 1] + "…"


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _looks_random(run: str) -> bool:
    """A long run of letters and digits mixed is neither a word nor a date."""
    return any(char.isdigit() for char in run) and any(char.isalpha() for char in run)
