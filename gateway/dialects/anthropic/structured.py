"""Structured output: `output_config.format` with a schema Anthropic compiles, or an instruction
where there is none."""

from __future__ import annotations

from typing import Any

from gateway.dialects.anthropic.models import Generation
from gateway.dialects.anthropic.schemas import COMPILED, READ
from gateway.hub.schemas import fit_answer, is_circular, nodes, paths, shortened
from gateway.hub.structured_output import hint, schema_of
from gateway.types import Chat


def encode_format(
    body: dict[str, Any], chat: Chat, claude: Generation
) -> tuple[list[str], str, bool]:
    """(what was lost, an instruction for the system prompt, whether a fence may come back)."""
    wanted = chat.get("response_format") or {}
    kind = wanted.get("type")
    schema = schema_of(wanted)
    if (
        kind == "json_schema"
        and claude.output_format
        and schema
        and is_closed(fit_answer(schema, READ).schema)
    ):
        config = body.setdefault("output_config", {})
        fitted = fit_answer(schema, COMPILED)
        body["output_config"] = {
            **config,
            "format": {"type": "json_schema", "schema": fitted.schema},
        }
        return shortened(paths("response_format.json_schema.schema", fitted.lost)), "", False
    if kind in ("json_object", "json_schema"):
        return ["response_format"], hint(wanted), True
    return [], "", False


def is_closed(schema: dict[str, Any]) -> bool:
    """Whether `schema`, with its objects still open, can be compiled without losing its meaning.

    An object compiles to the properties it names, so one that names none (a map, a free form) would
    always be empty; and a definition that holds itself is refused.
    """
    return not any(_is_open(node) for node, _ in nodes(schema)) and not is_circular(schema)


def _is_open(schema: dict[str, Any]) -> bool:
    kind: Any = schema.get("type")
    further = schema.get("additionalProperties")
    if "object" not in (kind if isinstance(kind, list) else [kind]) or schema.get("properties"):
        return isinstance(further, dict) and bool(further)
    return further is not False and not schema.keys() & {"anyOf", "allOf"}
