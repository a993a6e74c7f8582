"""Tables of the configuration that are made from the nouns in `types.py`, so that each key has one
definition: its name, its type, its default and its documentation.

A noun's `connect_s` is the key `connect_seconds` of a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

import msgspec


def key_of(name: str) -> str:
    """The field of a table that holds the field `name` of a noun."""
    return f"{name.removesuffix('_s')}_seconds" if name.endswith("_s") else name


def table(
    name: str,
    doc: str,
    base: type[msgspec.Struct],
    noun: type,
    kinds: Mapping[Any, Any],
    *,
    optional: bool = False,
) -> Any:
    """A struct with the fields of the dataclass `noun`.

    `kinds` has the narrower type of a field, by its name or by its type. With `optional`, every
    field may be unset and is None then. The struct's `NOUN` is the dataclass, whose docstrings
    document the fields.
    """
    hints = get_type_hints(noun)
    made: list[tuple[str, Any, Any]] = []
    for field in fields(noun):
        hint = hints[field.name]
        kind = kinds.get(field.name, kinds.get(hint, hint))
        kind, default = (kind | None, None) if optional else (kind, field.default)
        made.append((key_of(field.name), kind, default))
    return msgspec.defstruct(
        name,
        made,
        bases=(base,),
        frozen=True,
        module=base.__module__,
        namespace={"__doc__": doc, "NOUN": noun},
    )
