"""The keywords of JSON Schema (draft 4 to 2020-12, and OpenAPI's `nullable`): what their values
look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

ONE: Final = frozenset(
    {
        "items", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contains",
        "propertyNames", "not", "if", "then", "else",
    }
)  # fmt: skip
"""Keywords that hold one schema."""
NAMED: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})
"""Keywords that hold schemas by name."""
LISTED: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
"""Keywords that hold a list of schemas."""
FLAGS: Final = frozenset({"additionalProperties", "unevaluatedItems", "unevaluatedProperties"})
"""Of `ONE`, those for which true and false are customary."""

ANNOTATIONS: Final = frozenset(
    {
        "title", "description", "default", "example", "examples", "format", "deprecated",
        "readOnly",
        "writeOnly", "contentEncoding", "contentMediaType", "contentSchema",
    }
)  # fmt: skip
"""Keywords that do not change which values are valid."""
IDENTITY: Final = frozenset(
    {"$schema", "$id", "$comment", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary"}
)
"""Keywords about the schema itself. They go: the walker writes the current draft, whatever it
read."""
DEFINITIONS: Final = frozenset({"$defs", "definitions"})

TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
TYPE_WORDS: Final[Mapping[str, str]] = {
    "str": "string", "text": "string", "int": "integer", "long": "integer", "float": "number",
    "double": "number", "decimal": "number", "bool": "boolean", "dict": "object", "map": "object",
    "list": "array", "none": "null", "nonetype": "null",
}  # fmt: skip
"""A programming language's word for a type → JSON Schema's word."""

OF_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf"}),
    "object": frozenset(
        {
            "properties", "required", "additionalProperties", "patternProperties", "propertyNames",
            "minProperties", "maxProperties", "dependentRequired", "dependentSchemas",
        }
    ),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"}),
    "boolean": frozenset(),
    "null": frozenset(),
}  # fmt: skip
"""Type → the keywords that speak of its values alone."""


def is_schema(value: Any) -> bool:
    return isinstance(value, dict | bool)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return is_number(value) and value >= 0 and value == int(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_names(value: Any) -> bool:
    return isinstance(value, list | bool)


def _are_types(value: Any) -> bool:
    return isinstance(value, str | list)


def _are_dependencies(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(names, list) for names in value.values())


SHAPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(ONE, is_schema),
    "items": lambda value: isinstance(value, dict | bool | list),
    **dict.fromkeys(NAMED | DEFINITIONS, _is_table),
    **dict.fromkeys(LISTED, _is_list),
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        _is_count,
    ),
    **dict.fromkeys(("minContains", "maxContains"), _is_count),
    **dict.fromkeys(("minimum", "maximum"), is_number),
    **dict.fromkeys(
        ("exclusiveMinimum", "exclusiveMaximum"),
        lambda value: isinstance(value, bool | int | float),
    ),
    "multipleOf": lambda value: is_number(value) and value > 0,
    **dict.fromkeys(
        ("title", "description", "format", "pattern", "$ref", "$schema", "$id", "$comment"),
        _is_text,
    ),
    **dict.fromkeys(("uniqueItems", "nullable", "deprecated", "readOnly", "writeOnly"), _is_flag),
    "examples": lambda value: isinstance(value, list),
    "enum": _is_list,
    "type": _are_types,
    "required": _are_names,
    "dependentRequired": _are_dependencies,
}
"""Keyword → whether a value has its form. A value of another form is left out: every provider
refuses it."""


def type_of(value: Any) -> str:
    """The JSON Schema type of a value."""
    if value is None:
        return "null"
    for kind, name in (
        (bool, "boolean"),
        (str, "string"),
        (int, "integer"),
        (float, "number"),
        (list, "array"),
    ):
        if isinstance(value, kind):
            return name
    return "object"
