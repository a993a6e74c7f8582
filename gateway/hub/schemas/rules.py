"""The part of JSON Schema that one provider takes, as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple

Node = dict[str, Any]
Rewrite = Callable[[Node], tuple[str, ...]]
"""Changes one schema in place, its parts not yet translated; returns the keywords whose meaning
it could not keep."""


class Action(Enum):
    KEEP = "keep"
    WORDS = "words"
    SILENT = "silent"


class Fate(NamedTuple):
    """The treatment of one keyword."""

    action: Action
    reason: str = ""


KEPT: Final = Fate(Action.KEEP)


def words(reason: str) -> Fate:
    """It moves into the description; the client is informed where it changes which values are
    valid."""
    return Fate(Action.WORDS, reason)


def silent(reason: str) -> Fate:
    """It says nothing to this provider's models."""
    return Fate(Action.SILENT, reason)


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """A provider's table."""

    keywords: Mapping[str, Fate] = field(default_factory=dict)
    other: Fate = KEPT
    """The fate of keywords that the table does not name."""
    refused_on_top: frozenset[str] = frozenset()
    """Keywords refused at the top level of a tool's parameters; objects among them are merged."""
    merges_all_of: bool = False
    """Knows no `allOf`; where it joins objects, or holds one schema, they are merged."""
    rewrites: tuple[Rewrite, ...] = ()
    """Applied to every schema in this order, after older drafts have been modernised."""
    values: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    """Keyword → whether it takes a value; another value moves into the description."""
    names: re.Pattern[str] | None = None
    """The permitted names of properties; one of another name is left out. None for anything."""
    names_on_top_only: bool = False
    needs_properties: bool = False
    """Refuses an object without `properties`."""
    refuses_empty_properties: bool = False
    """Refuses `properties` of nothing, where it takes an object without them."""
    needs_items: bool = False
    """Refuses an array without `items`."""
    closed: bool = False
    """Refuses an object without `additionalProperties: false`."""
    lone_refs: bool = False
    """Refuses further keywords beside `$ref`."""
    depth_max: int = 32
    """Schemas inside schemas, the outermost included; of what is deeper, its type alone is sent."""

    def fate(self, keyword: str) -> Fate:
        return self.keywords.get(keyword, self.other)
