"""Structured output: `text.format`, or an instruction in place of a schema that the API refuses."""

from __future__ import annotations

from gateway.dialects.chat.structured import fit_format
from gateway.hub.fields import Section
from gateway.hub.structured_output import Form, hint


def encode_format(form: Form, provider_name: str) -> Section:
    """`response_format` as a member of `text`, or as a hint. After a hint the answer may come in a
    fence."""
    if form.kind == "json_object":
        return Section({"text": {"format": {"type": form.kind}}})
    if form.kind != "json_schema":
        return Section()
    encoded, losses = fit_format(form, provider_name)
    if encoded is None:
        return Section(losses=["response_format"], hint=hint(form))
    return Section({"text": {"format": {"type": form.kind, **encoded}}}, losses)
