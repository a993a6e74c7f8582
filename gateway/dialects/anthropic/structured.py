"""Structured output: `output_config.format` with a schema Anthropic compiles, or an instruction where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from gateway.dialects.anthropic.models import Generation
from gateway.dialects.structured import hint
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
_SCHEMAS: Final = frozenset({"properties", "$defs", "definitions"})
_LISTS: Final = frozenset({"anyOf", "allOf"})


def encode_format(body: dict[str, Any], chat: Chat, claude: Generation) -> tuple[list[str], str, bool]:
    """(what was lost, an instruction for the system prompt, whether a fence may come back)."""
    wanted = chat.get("response_format") or {}
    kind = wanted.get("type")
    if kind == "json_schema" and claude.output_format:
        schema = (wanted.get("json_schema") or {}).get("schema") or {"type": "object"}
        config = body.setdefault("output_config", {})
        body["output_config"] = {**config, "format": {"type": "json_schema", "schema": compilable(schema)}}
        return [], "", False
    if kind in ("json_object", "json_schema"):
        return ["response_format"], hint(wanted), True
    return [], "", False


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
        if key in _REFUSED or (key == "minItems" and value not in (0, 1)):
            refused[key] = value
        elif key == "oneOf":
            result["anyOf"] = [compilable(item) for item in value]
        else:
            result[key] = _inner(key, value)
    if schema.get("type") == "object" or "properties" in schema:
        result["additionalProperties"] = False
    return _described(result, refused)


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
