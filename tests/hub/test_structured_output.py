"""Which schemas OpenAI's strict mode takes, and what a schema costs in words."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.hub.structured_output import hint, is_strict, read_form

CLOSED = {
    "type": "object",
    "properties": {"a": {}},
    "required": ["a"],
    "additionalProperties": False,
}

SCHEMAS: dict[str, tuple[Any, bool]] = {
    "an object that is closed": (CLOSED, True),
    "no object": ({"type": "string"}, True),
    "an object that is open": (
        {"type": "object", "properties": {"a": {}}, "required": ["a"]},
        False,
    ),
    "an optional property": ({**CLOSED, "required": []}, False),
    "an open object inside": ({**CLOSED, "properties": {"a": {"type": "object"}}}, False),
    "an open object in a list": ({"type": "array", "items": {"type": "object"}}, False),
    "an open object among others": ({"anyOf": [CLOSED, {"type": "object"}]}, False),
    "an open object in a definition": (
        {"$ref": "#/$defs/x", "$defs": {"x": {"type": "object"}}},
        False,
    ),
    "closed objects everywhere": (
        {"anyOf": [CLOSED], "$defs": {"x": CLOSED}, "items": CLOSED},
        True,
    ),
    "properties that are none": ({**CLOSED, "properties": True}, False),
    "a list of required names that is none": ({**CLOSED, "required": "a"}, False),
    "names that are none": ({**CLOSED, "required": [{}, "a"]}, True),
}


@pytest.mark.parametrize(("schema", "wanted"), SCHEMAS.values(), ids=SCHEMAS.keys())
def test_strict_schemas(schema: Any, wanted: bool) -> None:
    assert is_strict(schema) is wanted


def test_a_schema_in_words_keeps_its_integers() -> None:
    schema = {"maximum": 2**80}
    assert str(2**80) in hint(read_form({"json_schema": {"schema": schema}}))
