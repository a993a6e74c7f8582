"""The configuration's own words: JSON Schema and descriptions, read from the docstrings below the fields.

Parses source text, so nothing that serves a call may need it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.config import schema
from gateway.providers import PROVIDERS


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `config.toml`, each key with its description."""
    (_,), components = msgspec.json.schema_components([schema.Root], ref_template="#/$defs/{name}")
    for name, component in components.items():
        docs = field_docs(getattr(schema, name))
        for key, body in component["properties"].items():
            body["description"] = docs[key]
    components["Model"]["properties"]["provider"]["enum"] = list(PROVIDERS)
    components["Root"]["properties"] |= _ignored(schema.ACTION_LLAMA_KEYS)
    components["Agent"]["properties"] |= _ignored(schema.ACTION_LLAMA_AGENT_KEYS)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/Root", "$defs": components}


def _ignored(keys: Iterable[str]) -> dict[str, Any]:
    return {key: {"description": "Action Llama's own; ignored here."} for key in sorted(keys)}


def field_docs(table: type[schema.Table]) -> dict[str, str]:
    """camelCase key → the docstring below its field, on one line. Raises `KeyError` for a field without."""
    docs = _docstrings(table)
    return {info.encode_name: docs[info.name] for info in msgspec.structs.fields(table)}


def _docstrings(table: type[schema.Table]) -> dict[str, str]:
    (body,) = ast.parse(inspect.getsource(table)).body
    docs: dict[str, str] = {}
    if isinstance(body, ast.ClassDef):
        for field, below in zip(body.body, body.body[1:], strict=False):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    docs[name] = " ".join(text.split())
    return docs
