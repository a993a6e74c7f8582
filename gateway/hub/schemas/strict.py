"""Whether a schema is one that a provider's strict mode compiles. Another costs a 400, so
`strict` is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.hub.schemas.rules import Node
from gateway.hub.schemas.vocabulary import LISTED, NAMED, ONE

_STATES_A_TYPE: Final = frozenset({"type", "anyOf", "oneOf", "allOf", "$ref", "enum", "const"})
_UNLIMITED: Final = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class StrictRules:
    """The schemas that the strict mode of one provider compiles."""

    keywords: frozenset[str]
    formats: frozenset[str]
    all_required: bool = True
    """Wants every property required."""
    recursion: bool = True
    min_items_max: int = _UNLIMITED
    depth_max: int = 10
    properties_max: int = 5000


def fits(schema: Node, rules: StrictRules) -> bool:
    """Whether `schema`, as the walker left it, is taken with `strict: true`."""
    if schema.get("type") != "object" or "anyOf" in schema:
        return False
    properties = 0
    for node, depth in nodes(schema):
        properties += len(node.get("properties", ()))
        if (
            depth > rules.depth_max
            or properties > rules.properties_max
            or not _compiles(node, rules)
        ):
            return False
    return rules.recursion or not is_circular(schema)


def optional_properties(schema: Node) -> int:
    """How many properties of `schema` are not required."""
    return sum(
        len(node.get("properties", {}).keys() - set(node.get("required", ())))
        for node, _ in nodes(schema)
    )


def nodes(schema: Node) -> Iterator[tuple[Node, int]]:
    """`schema` and every schema in it, each with its depth."""
    waiting: list[tuple[Any, int]] = [
        (schema, 1),
        *((inner, 1) for inner in schema.get("$defs", {}).values()),
    ]
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node, dict):
            yield node, depth
            waiting += [(inner, depth + 1) for inner in _inner(node)]


def _inner(node: Node) -> Iterator[Any]:
    for key, value in node.items():
        if key in NAMED:
            yield from value.values()
        elif key in LISTED:
            yield from value
        elif key in ONE:
            yield value


def _compiles(node: Node, rules: StrictRules) -> bool:
    if not node.keys() <= rules.keywords or not node.keys() & _STATES_A_TYPE:
        return False
    if "$ref" in node:
        return len(node) == 1
    if (
        node.get("format", "date") not in rules.formats
        or node.get("minItems", 0) > rules.min_items_max
    ):
        return False
    return _is_closed(node, rules)


def _is_closed(node: Node, rules: StrictRules) -> bool:
    kind: Any = node.get("type")
    if kind != "object" and "object" not in (kind if isinstance(kind, list) else ()):
        return True
    named = node.get("properties", {}).keys() == set(node.get("required", ()))
    return node.get("additionalProperties") is False and (named or not rules.all_required)


def is_circular(schema: Node) -> bool:
    """Whether following the references from some definition leads back to it."""
    refers = {f"#/$defs/{name}": _refs(found) for name, found in schema.get("$defs", {}).items()}
    done: set[str] = set()
    return any(_leads_back(name, refers, done) for name in refers)


def _refs(schema: Node) -> list[str]:
    return [node["$ref"] for node, _ in nodes(schema) if "$ref" in node]


def _leads_back(start: str, refers: Mapping[str, list[str]], done: set[str]) -> bool:
    """A walk in depth, every definition once: a definition on its own way is a circle."""
    way: list[tuple[str, Iterator[str]]] = (
        [(start, iter(refers[start]))] if start not in done else []
    )
    under_way = {start}
    while way:
        name, further = way[-1]
        following = next((ref for ref in further if ref not in done), None)
        if following is None:
            way.pop()
            under_way.discard(name)
            done.add(name)
        elif following in under_way:
            return True
        else:
            under_way.add(following)
            way.append((following, iter(refers.get(following, ()))))
    return False
