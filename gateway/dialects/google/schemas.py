"""The part of JSON Schema that Gemini takes, in `parametersJsonSchema` and `responseJsonSchema`.

Source: the documentation of `responseJsonSchema` lists the keywords it reads ("If $ref is set on a
sub-schema, no other properties may be set, except for those starting with $"; `enum` is "for
strings and numbers"); other keywords move into the description, where the model reads them. From
reports: "required fields are not defined in the schema properties", "items: missing field",
"properties: should be non-empty for OBJECT type", "exceeds the maximum allowed nesting depth".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.hub.schemas import KEPT, Fate, Rules, silent, words
from gateway.hub.schemas.rewrites import (
    const_as_enum,
    inclusive_bounds,
    one_of_as_any_of,
    single_types,
    typed_enums,
)

_READ: Final = (
    "type", "format", "title", "description", "enum", "items", "prefixItems", "minItems",
    "maxItems", "minimum",
    "maximum", "anyOf", "oneOf", "properties", "additionalProperties", "required",
    "propertyOrdering",
)  # fmt: skip
_UNREAD: Final = (
    "pattern", "minLength", "maxLength", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "uniqueItems",
    "contains", "minContains", "maxContains", "patternProperties", "propertyNames", "minProperties",
    "maxProperties", "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedItems",
    "unevaluatedProperties", "if", "then", "else", "not", "allOf", "default", "examples", "example",
    "contentEncoding", "contentMediaType",
)  # fmt: skip
_KEYWORDS: Final[Mapping[str, Fate]] = {
    **dict.fromkeys(_READ, KEPT),
    **dict.fromkeys(_UNREAD, words("not among the keywords it reads")),
}

RULES: Final = Rules(
    keywords=_KEYWORDS,
    other=silent("an annotation of some tool's own"),
    refused_on_top=frozenset({"anyOf", "oneOf", "allOf"}),
    merges_all_of=True,
    rewrites=(
        const_as_enum,
        one_of_as_any_of,
        typed_enums,
        inclusive_bounds,
        single_types,
    ),
    values={
        "format": frozenset({"date-time", "enum", "int32", "int64", "float", "double"}).__contains__
    },
    names=re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}"),
    needs_items=True,
    lone_refs=True,
    refuses_empty_properties=True,
    depth_max=8,
)
