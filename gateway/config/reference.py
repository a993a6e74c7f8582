"""The configuration reference as a page: every table and key with its type, its default and its words.

Made from the JSON Schema alone, so that page, schema and check cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.config.docs import json_schema

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
    "Traces": "[traces]",
}
_HEAD: Final = """# Configuration reference

Every key. Made by `gateway config schema --markdown`; `config.toml.example` shows them in use. The keys of an Action
Llama project that mean nothing here are taken and ignored.
"""


def markdown() -> str:
    """The page."""
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
        return next(_type(each) for each in body["anyOf"] if each.get("type") != "null")
    if "enum" in body:
        return ", ".join(f"`{value}`" for value in body["enum"])
    if "$ref" in body or body.get("type") == "object":
        return "table"
    if body.get("type") == "array":
        return f"list of {_type(body['items'])}s"
    least, above = body.get("minimum"), body.get("exclusiveMinimum")
    limit = f" ≥ {least}" if least is not None else f" > {above}" if above is not None else ""
    return str(body.get("type", "any")) + limit
