"""What the servers that speak chat completions take of JSON Schema, and OpenAI's Responses API with
them.

Sources: the providers' sheets in `docs/providers.md`. OpenAI: "schema must have type 'object' and
not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level", "object schema missing properties",
"array schema missing items". Groq: "'required' present but 'properties' is missing", at any depth.
A server that is not listed is treated like OpenAI: a schema that OpenAI takes is one that all of
them know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gateway.hub.schemas import Fate, Rules, StrictRules, words

_OPENAI: Final = Rules(
    refused_on_top=frozenset({"anyOf", "oneOf", "allOf", "enum", "const", "not"}),
    needs_properties=True,
    needs_items=True,
)
_ANSWER: Final = Rules(needs_properties=True, needs_items=True)
_XAI_LACKS: Final[Mapping[str, Fate]] = dict.fromkeys(
    ("allOf", "minItems", "maxItems", "minLength", "maxLength"),
    words("not supported in structured output"),
)

PARAMETERS: Final[Mapping[str, Rules]] = {"*": _OPENAI}
"""Provider → its table for the parameters of functions."""
ANSWERS: Final[Mapping[str, Rules]] = {
    "*": _ANSWER,
    "xai": replace(_ANSWER, keywords=_XAI_LACKS, merges_all_of=True),
}
"""Provider → its table for `response_format.json_schema`."""

_STRICT: Final = StrictRules(
    keywords=frozenset(
        {
            "type", "properties", "required", "additionalProperties", "items", "enum", "const",
            "anyOf", "$ref",
            "$defs", "title", "description", "pattern", "format", "minimum", "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
        }
    ),
    formats=frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6",
    "uuid"}),
)  # fmt: skip
STRICT: Final[Mapping[str, StrictRules | None]] = {"*": _STRICT, "xai": None, "custom": None}
"""Provider → what its strict mode compiles; None where `strict: true` costs nothing."""


def parameter_rules(provider_name: str) -> Rules:
    return PARAMETERS.get(provider_name, PARAMETERS["*"])


def answer_rules(provider_name: str) -> Rules:
    return ANSWERS.get(provider_name, ANSWERS["*"])


def strict_rules(provider_name: str) -> StrictRules | None:
    return STRICT.get(provider_name, STRICT["*"])
