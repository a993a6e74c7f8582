"""Structured output: `output_config.format` with a schema Anthropic compiles, or an instruction
where there is none."""

from __future__ import annotations

from typing import Any, Final

from gateway.dialects.anthropic.models import Generation
from gateway.dialects.anthropic.schemas import COMPILED, READ
from gateway.hub.fields import Section
from gateway.hub.schemas import fit_answer, is_circular, nodes, paths, shortened
from gateway.hub.structured_output import JSON_KINDS, Form, hint, unsent


def encode_format(form: Form, claude: Generation) -> Section:
    """`response_format` as a schema that Anthropic compiles, or as a hint. After a hint the answer
    may come in a fence."""
    if form.kind not in JSON_KINDS:
        return _ANY
    schema = form.schema if claude.output_format and form.kind == "json_schema" else None
    if schema is None or not is_closed(fit_answer(schema, READ).schema):
        return Section(losses=["response_format"], hint=hint(form))
    fitted = fit_answer(schema, COMPILED)
    losses = shortened(paths("response_format.json_schema.schema", fitted.lost))
    losses += unsent(form)
    config = {"format": {"type": "json_schema", "schema": fitted.schema}}
    return Section({"output_config": config}, losses)


_ANY: Final = Section()


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
