"""The part of JSON Schema that Anthropic takes: nearly all of draft 2020-12 for tools, a subset
where it compiles a grammar.

Sources: "JSON schema is invalid. It must match JSON Schema draft 2020-12", "input_schema does not
support oneOf, allOf, or anyOf at the top level", "Property keys should match pattern
'^[a-zA-Z0-9_.-]{1,64}$'" (the top level alone); the official SDK's own rewriting of schemas; the
documentation of structured outputs and of strict tool use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gateway.hub.schemas import KEPT, Fate, Rules, StrictRules, silent, words
from gateway.hub.schemas.rewrites import one_of_as_any_of

PARAMETERS: Final = Rules(
    refused_on_top=frozenset({"anyOf", "oneOf", "allOf"}),
    names=re.compile(r"[a-zA-Z0-9_.-]{1,64}"),
    names_on_top_only=True,
)
"""The input schema of a tool."""

FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
"""Formats of strings that it compiles."""
_COMPILES: Final = (
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "anyOf",
    "allOf",
    "title",
    "description",
    "default",
    "pattern",
    "format",
    "minItems",
)
_REFUSED: Final = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "prefixItems",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "unevaluatedItems",
    "unevaluatedProperties",
    "if",
    "then",
    "else",
    "not",
    "oneOf",
    "examples",
    "example",
    "contentEncoding",
    "contentMediaType",
)
_KEYWORDS: Final[Mapping[str, Fate]] = {
    **dict.fromkeys(_COMPILES, KEPT),
    **dict.fromkeys(_REFUSED, words("the schema compiler refuses it")),
}  # fmt: skip

READ: Final = Rules(
    keywords=_KEYWORDS,
    other=silent("an annotation of some tool's own"),
    rewrites=(one_of_as_any_of,),
    values={"format": FORMATS.__contains__, "minItems": (0, 1).__contains__},
)
"""The keywords of `output_config.format`."""
COMPILED: Final = replace(READ, closed=True)
"""The schema of `output_config.format`."""

STRICT: Final = StrictRules(
    keywords=frozenset({*_COMPILES, "$ref", "$defs"}),
    formats=FORMATS,
    all_required=False,
    recursion=False,
    min_items_max=1,
)
"""The rules for a tool with `strict: true`."""
STRICT_TOOLS_MAX: Final = 20
"""Strict tools in one request."""
STRICT_OPTIONAL_MAX: Final = 24
"""Properties of all strict tools of a request that are not required."""
