"""The documentation of the configuration: its JSON Schema, and the reference page made from that
schema.

The descriptions are the docstrings below the schema's fields, so page, schema and check cannot
differ. They are read from the source text, so nothing that serves a call may need them.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from gateway.config import schema
from gateway.config.derived import key_of
from gateway.providers import PROVIDERS

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
TITLES: Final[Mapping[str, str]] = {
    "Root": "The file",
    "Model": "[models.NAME]",
    "Price": "[models.NAME.price]",
    "ModelTimeouts": "[models.NAME.timeouts], [agents.NAME.timeouts]",
    "Compat": "[models.NAME.compat]",
    "Agent": "[agents.NAME], agents/NAME/config.toml",
    "Server": "[server]",
    "Fallback": "[fallback]",
    "Breaker": "[breaker]",
    "Timeouts": "[timeouts]",
    "Log": "[log]",
    "Ledger": "[ledger]",
    "Limits": "[limits]",
    "Cluster": "[cluster]",
    "Traces": "[traces]",
}
_HEAD: Final = """# Configuration reference

Every key. Made by `gateway config schema --markdown`; `config.toml.example` shows them in use. The
keys of an Action Llama project that mean nothing here are accepted and ignored.
"""


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
    return {"$schema": DRAFT, "$ref": "#/$defs/Root", "$defs": components}


def _ignored(keys: Iterable[str]) -> dict[str, Any]:
    return {key: {"description": "Action Llama's own; ignored here."} for key in sorted(keys)}


def field_docs(table: type[schema.Table]) -> dict[str, str]:
    """camelCase key → the docstring below its field, on one line.

    Raises `KeyError` for a field without.
    """
    docs = _docstrings(table)
    return {info.encode_name: docs[info.name] for info in msgspec.structs.fields(table)}


def _docstrings(table: type[schema.Table]) -> dict[str, str]:
    """Field → its docstring, those of the classes before it included."""
    docs: dict[str, str] = {}
    for each in reversed(table.__mro__):
        if noun := vars(each).get("NOUN"):
            docs |= {key_of(name): text for name, text in _below(noun).items()}
        elif issubclass(each, schema.Table):
            docs |= _below(each)
    return docs


def _below(class_: type) -> dict[str, str]:
    """Field of a class → the docstring below it."""
    (body,) = ast.parse(inspect.getsource(class_)).body
    docs: dict[str, str] = {}
    if isinstance(body, ast.ClassDef):
        for field, below in zip(body.body, body.body[1:], strict=False):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    docs[name] = " ".join(text.split())
    return docs


# --- the page -------------------------------------------------------------------------------------


def markdown() -> str:
    """The reference of every table and key, with its type, default and meaning."""
    return "\n".join([_HEAD, *(line for table in _tables() for line in table)])


def _tables() -> Iterator[list[str]]:
    definitions = json_schema()["$defs"]
    for name, title in TITLES.items():
        table = definitions[name]
        yield [
            f"## `{title}`" if title.startswith("[") else f"## {title}",
            "",
            table["description"].splitlines()[0],
            "",
            "| Key | Type | Default | Meaning |",
            "|---|---|---|---|",
            *(
                _row(key, body, key in table.get("required", ()))
                for key, body in table["properties"].items()
                if body.keys() != {"description"}  # ignored
            ),
            "",
        ]


def _row(key: str, body: Mapping[str, Any], required: bool) -> str:
    default = "required" if required else _default(body)
    words = body["description"].replace("|", "\\|")
    return f"| `{key}` | {_type(body)} | {default} | {words} |"


def _default(body: Mapping[str, Any]) -> str:
    value = body.get("default")
    if value is None or value in ({}, []):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(body: Mapping[str, Any]) -> str:
    """A JSON type in words: `integer ≥ 1`, `"warn" or "reject"`, `table`."""
    if "anyOf" in body:
        return " or ".join(_type(each) for each in body["anyOf"] if each.get("type") != "null")
    if "enum" in body:
        return ", ".join(f"`{value}`" for value in body["enum"])
    if "$ref" in body or body.get("type") == "object":
        return "table"
    if body.get("type") == "array":
        return f"list of {_type(body['items'])}s"
    return str(body.get("type", "any")) + _limit(body)


def _limit(body: Mapping[str, Any]) -> str:
    if "minimum" in body:
        return f" ≥ {body['minimum']}"
    return f" > {body['exclusiveMinimum']}" if "exclusiveMinimum" in body else ""
