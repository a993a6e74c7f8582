"""Structured output: `output_config.format` with a schema Anthropic compiles, or an instruction
where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from gateway.dialects.anthropic.models import Generation
from gateway.dialects.anthropic.schemas import COMPILED, READ
from gateway.hub.schemas import fit_answer, is_circular, nodes, paths, shortened
from gateway.hub.structured_output import hint, schema_of


class Format(NamedTuple):
    """What a request says about the form of its answer."""

    config: Mapping[str, Any] = MappingProxyType({})
    """Members of `output_config`."""
    losses: Sequence[str] = ()
    hint: str = ""
    """An instruction for the system prompt, where the API has no such format; a fence may then come
    back."""


_ANY: Final = Format()


def encode_format(wanted: Mapping[str, Any], claude: Generation) -> Format:
    """`response_format` as a schema that Anthropic compiles, or in words."""
    kind = wanted.get("type")
    schema = schema_of(wanted)
    if (
        kind == "json_schema"
        and claude.output_format
        and schema
        and is_closed(fit_answer(schema, READ).schema)
    ):
        fitted = fit_answer(schema, COMPILED)
        losses = shortened(paths("response_format.json_schema.schema", fitted.lost))
        return Format({"format": {"type": "json_schema", "schema": fitted.schema}}, losses)
    if kind in ("json_object", "json_schema"):
        return Format(losses=["response_format"], hint=hint(wanted))
    return _ANY


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
