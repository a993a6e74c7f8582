"""Rewrites of one schema into other words of the same meaning.

The first ones read older drafts of JSON Schema and hold for every provider; the others are for the
providers whose table names them. All change the node they are given, which is the walker's own
copy; what is inside it is never changed.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.hub.schemas.rules import Node
from gateway.hub.schemas.vocabulary import OF_TYPE, TYPE_WORDS, TYPES, type_of

_BOUNDS: Final = (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1))
_MERGEABLE: Final = frozenset({"type", "properties", "required", "title", "description"})
_NOTHING: Final[tuple[str, ...]] = ()


# --- older drafts ---------------------------------------------------------------------------------


def modern_tuples(node: Node) -> tuple[str, ...]:
    """A list of `items` (until draft 2019-09) is `prefixItems`; `items: false` behind them is a
    length."""
    if isinstance(node.get("items"), list):
        listed = node.pop("items")
        if listed:
            node["prefixItems"] = listed
        if isinstance(node.get("additionalItems"), dict | bool):
            node["items"] = node["additionalItems"]
    node.pop("additionalItems", None)
    if isinstance(node.get("items"), bool) and node.pop("items") is False:
        length = len(node.get("prefixItems", ()))
        node["maxItems"] = min(length, node.get("maxItems", length))
    return _NOTHING


def modern_bounds(node: Node) -> tuple[str, ...]:
    """`exclusiveMinimum: true` (draft 4) makes `minimum` exclusive."""
    for exclusive, bound, _ in _BOUNDS:
        if isinstance(node.get(exclusive), bool) and node.pop(exclusive) and bound in node:
            node[exclusive] = node.pop(bound)
    return _NOTHING


def modern_types(node: Node) -> tuple[str, ...]:
    """`type` as one known word or a list of them, with `nullable` (OpenAPI) as the type `null`."""
    lost = _known_types(node) if "type" in node else _NOTHING
    if "type" not in node and not lost:
        _infer(node)
    if node.pop("nullable", False):
        _allow_null(node)
    return lost


def _known_types(node: Node) -> tuple[str, ...]:
    stated = node["type"]
    kinds = [_type_word(kind) for kind in (stated if isinstance(stated, list) else [stated])]
    known = list(dict.fromkeys(kind for kind in kinds if kind in TYPES))
    if known and "any" not in kinds:
        node["type"] = known[0] if len(known) == 1 else known
        return _NOTHING
    del node["type"]
    return _NOTHING if "any" in kinds else ("type",)


def _type_word(kind: Any) -> str:
    word = kind.lower() if isinstance(kind, str) else ""
    return TYPE_WORDS.get(word, word)


def _infer(node: Node) -> None:
    if "properties" in node:
        node["type"] = "object"
    elif "items" in node or "prefixItems" in node:
        node["type"] = "array"


def _allow_null(node: Node) -> None:
    kind = node.get("type")
    if kind is not None:
        kinds = kind if isinstance(kind, list) else [kind]
        node["type"] = [*kinds, *([] if "null" in kinds else ["null"])]
        if "enum" in node and None not in node["enum"]:
            node["enum"] = [*node["enum"], None]
    elif isinstance(node.get("anyOf"), list):
        node["anyOf"] = [*node["anyOf"], {"type": "null"}]
    elif "$ref" in node:
        node["anyOf"] = [{"$ref": node.pop("$ref")}, {"type": "null"}]


def modern_required(node: Node) -> tuple[str, ...]:
    """`required` as a list of names that `properties` knows; `required: true` on a property (draft
    3) joins it.

    A name without a schema gets `{}`, which says the same: providers refuse a name that
    `properties` does not know.
    """
    properties = dict(node.get("properties") or {})
    listed = dict.fromkeys(_required(node, properties))
    unknown = [name for name in listed if name not in properties]
    closed = node.get("additionalProperties") is False
    for name in unknown:
        if closed:
            del listed[name]
        else:
            properties[name] = {}
    if properties:
        node["properties"] = properties
    if listed:
        node["required"] = list(listed)
    else:
        node.pop("required", None)
    return ("required",) if unknown and closed else _NOTHING


def _required(node: Node, properties: Node) -> list[str]:
    stated = node.get("required")
    listed = names_in(stated)
    marked = [
        name
        for name, inner in properties.items()
        if isinstance(inner, dict) and inner.get("required") is True
    ]
    return listed + marked


MODERN: Final = (modern_tuples, modern_bounds, modern_types)


# --- what some providers lack ---------------------------------------------------------------------


def const_as_enum(node: Node) -> tuple[str, ...]:
    if "const" in node:
        value = node.pop("const")
        node["enum"] = [value]
    return _NOTHING


def one_of_as_any_of(node: Node) -> tuple[str, ...]:
    """Alternatives rarely overlap; a schema that has both keeps its `oneOf`."""
    if "oneOf" in node and "anyOf" not in node:
        node["anyOf"] = node.pop("oneOf")
    return _NOTHING


def inclusive_bounds(node: Node) -> tuple[str, ...]:
    """An exclusive bound of a whole number is the next whole number."""
    for exclusive, bound, step in _BOUNDS:
        value = node.get(exclusive)
        if node.get("type") == "integer" and isinstance(value, int) and bound not in node:
            node[bound] = node.pop(exclusive) + step
    return _NOTHING


def merge_all_of(node: Node) -> None:
    """`allOf` of plain objects as one object; of one schema as that schema."""
    branches = node["allOf"]
    if all(is_plain_object(branch) for branch in branches):
        del node["allOf"]
        join(node, branches, "allOf")
        require(node, [name for branch in branches for name in names_in(branch.get("required"))])
    elif len(branches) == 1 and isinstance(branches[0], dict) and not _overlap(branches[0], node):
        del node["allOf"]
        node.update({key: value for key, value in branches[0].items() if key not in node})


def _overlap(branch: Node, node: Node) -> bool:
    return bool((branch.keys() & node.keys()) - {"description", "title"})


def is_plain_object(schema: Any) -> bool:
    """Whether properties and required names are all that `schema` says."""
    return (
        isinstance(schema, dict)
        and schema.keys() <= _MERGEABLE
        and schema.get("type", "object") == "object"
    )


def join(node: Node, branches: list[Any], how: str) -> None:
    """Adds the properties of `branches`; one that several have becomes `{how: [...]}`."""
    properties = dict(node.get("properties") or {})
    for branch in branches:
        added = branch.get("properties")
        for name, schema in added.items() if isinstance(added, dict) else ():
            _add(properties, name, schema, how)
    node["type"] = "object"
    node["properties"] = properties


def _add(properties: Node, name: str, schema: Any, how: str) -> None:
    known = properties.get(name, schema)
    if isinstance(known, _Joined):
        known[how].append(schema)
    elif known != schema:
        properties[name] = _Joined({how: [known, schema]})
    else:
        properties[name] = schema


class _Joined(dict[str, Any]):
    """Alternatives that `join` made, and may add to."""


def names_in(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def require(node: Node, names: list[str]) -> None:
    listed = dict.fromkeys([*names_in(node.get("required")), *names])
    if listed:
        node["required"] = list(listed)


def typed_enums(node: Node) -> tuple[str, ...]:
    """`enum` of strings, or of numbers, with its type stated; of several types, one alternative
    for each."""
    values = node.get("enum")
    if not isinstance(values, list):
        return _NOTHING
    groups: dict[str, list[Any]] = {}
    for value in values:
        groups.setdefault(_enum_type(value), []).append(value)
    stated = node.get("type")
    allowed = {
        "number" if kind == "integer" else kind
        for kind in (stated if isinstance(stated, list) else [stated])
    }
    if stated is not None:
        groups = {kind: group for kind, group in groups.items() if kind in allowed}
    if not groups:
        del node["enum"]
        return ("enum",)
    lost = () if groups.keys() <= {"string", "number", "null"} else ("enum",)
    if len(groups) == 1:
        [(kind, group)] = groups.items()
        node.update(_enumerated(kind, group))
        if kind not in ("string", "number"):
            del node["enum"]
    elif "anyOf" not in node:
        del node["enum"]
        node.pop("type", None)
        node["anyOf"] = [_enumerated(kind, group) for kind, group in groups.items()]
    return lost


def _enum_type(value: Any) -> str:
    kind = type_of(value)
    return "number" if kind == "integer" else kind


def _enumerated(kind: str, values: list[Any]) -> Node:
    if kind == "number" and all(isinstance(value, int) for value in values):
        kind = "integer"
    if kind in ("string", "number", "integer"):
        return {"type": kind, "enum": list(values)}
    return {"type": kind}


def single_types(node: Node) -> tuple[str, ...]:
    """A list of types as alternatives, each with the keywords that speak of it; a type or null
    stays a list."""
    kinds = node.get("type")
    if (
        not isinstance(kinds, list)
        or "anyOf" in node
        or len([kind for kind in kinds if kind != "null"]) < 2
    ):
        return _NOTHING
    own = {key for kind in kinds for key in OF_TYPE[kind] if key in node}
    node["anyOf"] = [
        {"type": kind, **{key: node[key] for key in node if key in OF_TYPE[kind]}} for kind in kinds
    ]
    for key in (*own, "type"):
        del node[key]
    return _NOTHING
