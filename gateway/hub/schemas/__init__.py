"""JSON Schemas of tools and answers, as each provider takes them.

Every provider takes a part of JSON Schema, and answers 400 to the rest. A provider's table
(`Rules`) says what happens to each keyword; one walker applies it. What a provider does not take is
rewritten into what it takes where the meaning stays, else moved into the description, where the
model still reads it.
"""

from gateway.hub.schemas.rules import KEPT, Fate, Rules, silent, words
from gateway.hub.schemas.strict import (
    StrictRules,
    fits,
    is_circular,
    nodes,
    optional_properties,
)
from gateway.hub.schemas.walk import (
    CLOSED,
    EMPTY,
    Fitted,
    fit_answer,
    fit_parameters,
    paths,
    shortened,
)

__all__ = [
    "CLOSED",
    "EMPTY",
    "KEPT",
    "Fate",
    "Fitted",
    "Rules",
    "StrictRules",
    "fit_answer",
    "fit_parameters",
    "fits",
    "is_circular",
    "nodes",
    "optional_properties",
    "paths",
    "shortened",
    "silent",
    "words",
]
