"""What each provider refuses in a JSON Schema, written down from the providers' rules and not from
our tables.

Each function raises `AssertionError` with the rule that is broken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

Schema = dict[str, Any]

TYPES: Final = {"string", "number", "integer", "boolean", "object", "array", "null"}
MAPS: Final = ("properties", "patternProperties", "dependentSchemas", "$defs")
LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLE: Final = (
    "items", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contains",
    "propertyNames", "not",
    "if", "then", "else",
)  # fmt: skip
COUNTS: Final = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
NUMBERS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
TEXTS: Final = ("title", "description", "format", "pattern", "$ref", "$schema", "$id", "$comment")
GEMINI: Final = {
    "$defs", "$ref", "$id", "$anchor", "type", "format", "title", "description", "enum", "items",
    "prefixItems",
    "minItems", "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties",
    "additionalProperties", "required",
    "propertyOrdering",
}  # fmt: skip
STRICT: Final = {
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf",
    "$ref", "$defs",
    "title", "description", "pattern", "format", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf", "minItems", "maxItems",
}  # fmt: skip
COMPILED: Final = {
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf",
    "allOf", "$ref",
    "$defs", "title", "description", "default", "pattern", "format", "minItems",
}  # fmt: skip


def nodes(schema: Any, depth: int = 1) -> Iterator[tuple[Schema, int]]:
    """Every schema inside `schema`, with its depth; the depth of a definition begins at 0."""
    if not isinstance(schema, dict):
        return
    yield schema, depth
    for key in MAPS:
        for inner in schema.get(key, {}).values():
            yield from nodes(inner, 1 if key == "$defs" else depth + 1)
    for key in LISTS:
        for inner in schema.get(key, ()):
            yield from nodes(inner, depth + 1)
    for key in SINGLE:
        yield from nodes(schema.get(key), depth + 1)


def kinds(node: Schema) -> list[str]:
    kind = node.get("type", [])
    return kind if isinstance(kind, list) else [kind]


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def valid(schema: Schema) -> None:
    """The draft 2020-12 metaschema, and references that lead somewhere."""
    for node, _ in nodes(schema):
        assert set(kinds(node)) <= TYPES, node["type"]
        assert len(set(kinds(node))) == len(kinds(node))
        assert node.get("type", "string") != [], "type: [] is too short"
        for key in MAPS:
            assert all(isinstance(inner, dict | bool) for inner in node.get(key, {}).values()), key
        for key in LISTS:
            assert key not in node or (isinstance(node[key], list) and node[key]), (
                f"{key} must be a non-empty list"
            )
            assert all(isinstance(inner, dict | bool) for inner in node.get(key, ())), key
        for key in SINGLE:
            assert isinstance(node.get(key, {}), dict | bool), f"{key} must be a schema"
        for key in COUNTS:
            assert number(node.get(key, 0)), key
            assert node.get(key, 0) >= 0, key
        assert all(number(node.get(key, 1)) for key in NUMBERS), "a bound must be a number"
        assert all(isinstance(node.get(key, ""), str) for key in TEXTS)
        required = node.get("required", [])
        assert isinstance(required, list), "required must be an array"
        assert all(isinstance(name, str) for name in required)
        assert len(set(required)) == len(required)
        assert isinstance(node.get("enum", [1]), list), "enum must be a list"
        if "$ref" in node:
            place = re.fullmatch(r"#/\$defs/([A-Za-z0-9_-]+)", node["$ref"])
            assert place, f"Pointer {node['$ref']} does not exist"
            assert place[1] in schema["$defs"], f"Pointer {node['$ref']} does not exist"


def on_top(schema: Schema, refused: set[str]) -> None:
    assert schema.get("type") == "object", "schema must be a JSON Schema of 'type: \"object\"'"
    assert not refused & schema.keys(), "schema must not have combinators at the top level"


def openai(schema: Schema) -> None:
    valid(schema)
    on_top(schema, {"oneOf", "anyOf", "allOf", "enum", "not"})
    for node, _ in nodes(schema):
        assert "object" not in kinds(node) or "properties" in node, (
            "object schema missing properties"
        )
        assert "array" not in kinds(node) or "items" in node, "array schema missing items"


def groq(schema: Schema) -> None:
    openai(schema)
    for node, _ in nodes(schema):
        assert "required" not in node or "properties" in node, (
            "'required' present but 'properties' is missing"
        )


def anthropic(schema: Schema) -> None:
    valid(schema)
    on_top(schema, {"oneOf", "anyOf", "allOf"})
    for name in schema.get("properties", {}):
        assert re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name), "Property keys should match pattern"


def google(schema: Schema) -> None:
    valid(schema)
    for node, depth in nodes(schema):
        assert depth <= 10, "exceeds the maximum allowed nesting depth"
        assert node.keys() <= GEMINI, f"Unknown name {sorted(node.keys() - GEMINI)}"
        assert "$ref" not in node or node.keys() <= {"$ref", "$defs"}, "$ref stands alone"
        assert set(node.get("required", ())) <= node.get("properties", {}).keys(), (
            "required fields are not defined"
        )
        assert node.get("properties") != {}, "should be non-empty for OBJECT type"
        assert "array" not in kinds(node) or "items" in node, "items: missing field"
        assert node.get("format", "date-time") in (
            "date-time",
            "enum",
            "int32",
            "int64",
            "float",
            "double",
        )
        assert len([kind for kind in kinds(node) if kind != "null"]) <= 1
        for name in node.get("properties", {}):
            assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", name), name
        values = node.get("enum", [])
        assert all(isinstance(value, str) for value in values) or all(map(number, values)), (
            "enum of one kind"
        )
        assert "enum" not in node or kinds(node) != [], "enum needs a type"


def google_parameters(schema: Schema) -> None:
    google(schema)
    on_top(schema, set())


def strict(schema: Schema) -> None:
    """What OpenAI asks of a schema with `strict: true`, and Groq and Mistral with it."""
    openai(schema)
    for node, depth in nodes(schema):
        assert node.keys() <= STRICT, f"{sorted(node.keys() - STRICT)} is not permitted"
        assert depth <= 10
        assert "$ref" not in node or len(node) == 1, "$ref cannot have keywords"
        assert node.keys() & {"type", "anyOf", "$ref", "enum", "const"}, (
            "schema must have a 'type' key"
        )
        if "object" in kinds(node):
            assert node.get("additionalProperties") is False, (
                "'additionalProperties' is required to be false"
            )
            assert sorted(node["required"]) == sorted(node["properties"]), (
                "'required' must include every key"
            )


def compiled(schema: Schema) -> None:
    """What Anthropic asks where it compiles a grammar."""
    valid(schema)
    for node, _ in nodes(schema):
        assert node.keys() <= COMPILED, f"{sorted(node.keys() - COMPILED)} is not supported"
        assert node.get("minItems", 0) in (0, 1)
        if "object" in kinds(node):
            assert node.get("additionalProperties") is False, "additionalProperties must be false"


PARAMETERS: Final[Mapping[str, Callable[[Schema], None]]] = {
    "anthropic": anthropic,
    "google": google_parameters,
    "openai": openai,
    "openai-responses": openai,
    "groq": groq,
    "xai": openai,
    "mistral": openai,
    "openrouter": groq,
    "custom": openai,
}
"""Provider → the check of a function's parameters."""


def functions(body: dict[str, Any]) -> list[tuple[Any, Any]]:
    """(parameters, strict) of every function in a request of any format."""
    if "contents" in body:
        declared = [item for tool in body["tools"] for item in tool["functionDeclarations"]]
        return [(item.get("parametersJsonSchema"), None) for item in declared]
    plain = [tool.get("function") or tool for tool in body["tools"]]
    return [
        (tool.get("parameters", tool.get("input_schema")), tool.get("strict")) for tool in plain
    ]


def check_functions(name: str, body: dict[str, Any]) -> None:
    """Raises `AssertionError` for a function that the provider refuses."""
    for schema, is_strict in functions(body):
        if schema is not None:
            PARAMETERS[name](schema)
            if is_strict:
                (compiled if name == "anthropic" else strict)(schema)
