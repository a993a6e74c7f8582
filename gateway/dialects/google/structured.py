"""Structured output: a schema that Gemini reads, or an instruction where it takes none."""

from __future__ import annotations

from typing import Any

from gateway.dialects.google.schemas import RULES
from gateway.hub.fields import Section
from gateway.hub.schemas import fit_answer, paths, shortened
from gateway.hub.structured_output import JSON_KINDS, Form, hint, unsent


def encode_format(form: Form, *, allowed: bool) -> Section:
    """`response_format` as members of `generationConfig`, or as a hint where no format is
    `allowed`. After a hint the answer may come in a fence."""
    if form.kind not in JSON_KINDS:
        return Section()
    if not allowed:
        # "Function calling with a response mime type: 'application/json' is unsupported"
        return Section(losses=["response_format"], hint=hint(form))
    config: dict[str, Any] = {"responseMimeType": "application/json"}
    if form.schema is None:
        return Section({"generationConfig": config})
    fitted = fit_answer(form.schema, RULES)
    config["responseJsonSchema"] = fitted.schema
    losses = shortened(paths("response_format.json_schema.schema", fitted.lost))
    losses += unsent(form)
    return Section({"generationConfig": config}, losses)
