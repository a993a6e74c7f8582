"""Structured output: `output_config.format` with a schema Anthropic compiles, or an instruction where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from gateway.dialects.anthropic.models import Generation
from gateway.hub.structured_output import hint
from gateway.types import Chat

_REFUSED: Final = frozenset(
    {
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
        "minLength", "maxLength", "maxItems", "uniqueItems", "contains", "prefixItems",
        "patternProperties", "propertyNames", "minProperties", "maxProperties",
        "dependentRequired", "dependentSchemas", "if", "then", "else", "not",
    }
)  # fmt: skip
"""Keywords the schema compiler refuses; they become part of the description, where the model still reads them."""
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
"""Formats of strings that it compiles."""
_SCHEMAS: Final = frozenset({"properties", "$defs", "definitions"})
_LISTS: Final = frozenset({"anyOf", "allOf"})


def encode_format(body: dict[str, Any], chat: Chat, claude: Generation) -> tuple[list[str], str, bool]:
    """(what was lost, an instruction for the system prompt, whether a fence may come back)."""
    wanted = chat.get("response_format") or {}
    kind = wanted.get("type")
    schema = (wanted.get("json_schema") or {}).get("schema")
    if kind == "json_schema" and claude.output_format and isinstance(schema, dict) and is_closed(schema):
        config = body.setdefault("output_config", {})
        body["output_config"] = {**config, "format": {"type": "json_schema", "schema": compilable(schema)}}
        return [], "", False
    if kind in ("json_object", "json_schema"):
        return ["response_format"], hint(wanted), True
    return [], "", False


def is_closed(schema: dict[str, Any]) -> bool:
    """Whether `schema` can be compiled without losing its meaning.

    An object compiles to the properties it names, so one that names none (a map, a free form) would be empty for ever;
    and a definition that holds itself is refused.
    """
    return not any(map(_is_open, _inside(schema))) and not _holds_itself(schema)


def _is_open(schema: dict[str, Any]) -> bool:
    if schema.get("type") == "object" and not schema.get("properties") and "$ref" not in schema:
        return schema.get("additionalProperties") is not False and not any(key in schema for key in ("anyOf", "allOf"))
    further = schema.get("additionalProperties")
    return isinstance(further, dict) and bool(further)


def _inside(schema: Any) -> Iterator[dict[str, Any]]:
    """`schema` and every schema in it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key, value in schema.items():
        if key in _SCHEMAS and isinstance(value, dict):
            inner: Iterable[Any] = value.values()
        elif key in _LISTS or key == "oneOf":
            inner = value if isinstance(value, list) else ()
        else:
            inner = [value] if key == "items" else ()
        for item in inner:
            yield from _inside(item)


def _holds_itself(schema: dict[str, Any]) -> bool:
    """Whether following the references from some definition leads back to it."""
    definitions = {
        f"#/{place}/{name}": found
        for place in ("$defs", "definitions")
        for name, found in (schema.get(place) or {}).items()
    }
    refers: dict[Any, set[Any]] = {
        name: {inner.get("$ref") for inner in _inside(found)} for name, found in definitions.items()
    }
    for name in refers:
        seen: set[Any] = set()
        new = refers[name]
        while new:
            seen |= new
            new = {further for ref in new for further in refers.get(ref, ())} - seen
        if name in seen:
            return True
    return any(inner.get("$ref") == "#" for inner in _inside(schema))


def compilable(schema: Any) -> Any:
    """`schema` within the subset that Anthropic compiles.

    Every object gets `additionalProperties: false`, `oneOf` becomes `anyOf`, refused keywords move into the
    description.
    """
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    refused: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _REFUSED or _is_refused(key, value):
            refused[key] = value
        elif key == "oneOf":
            result["anyOf"] = [compilable(item) for item in value]
        else:
            result[key] = _inner(key, value)
    if schema.get("type") == "object" or "properties" in schema:
        result["additionalProperties"] = False
    return _described(result, refused)


def _is_refused(key: str, value: Any) -> bool:
    return (key == "minItems" and value not in (0, 1)) or (key == "format" and str(value) not in _FORMATS)


def _inner(key: str, value: Any) -> Any:
    if key in _SCHEMAS and isinstance(value, dict):
        return {name: compilable(item) for name, item in value.items()}
    if key in _LISTS and isinstance(value, list):
        return [compilable(item) for item in value]
    return compilable(value) if key == "items" else value


def _described(schema: dict[str, Any], refused: Mapping[str, Any]) -> dict[str, Any]:
    if refused:
        words = ", ".join(f"{key}: {orjson.dumps(value).decode()}" for key, value in refused.items())
        described = schema.get("description")
        schema["description"] = f"{described} ({words})" if described else words
    return schema
