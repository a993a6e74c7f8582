"""Structured output where a provider has no means of its own: asked for in words.

The answer then often comes inside a Markdown fence, which `unfence` takes off, whole or streamed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.hub import exact_json
from gateway.hub.shapes import table

_FENCED: Final = re.compile(r"\s*```(?:json)?\s*\n?(.*?)\n?\s*```\s*", re.DOTALL | re.IGNORECASE)


def schema_of(response_format: Mapping[str, Any]) -> dict[str, Any] | None:
    """The JSON Schema of an answer; None where there is none."""
    schema = table(response_format, "json_schema").get("schema")
    return schema if isinstance(schema, dict) and schema else None


def hint(response_format: Mapping[str, Any]) -> str:
    """The instruction that stands in for `response_format`."""
    schema = schema_of(response_format)
    if schema is None:
        return "Respond with a single JSON object and nothing else: no prose, no Markdown."
    return (
        "Respond with a single JSON value that matches this JSON Schema, and nothing else: no prose, no Markdown.\n"
        + exact_json.dumps(schema).decode()
    )


def unfence(text: str) -> str:
    """JSON without the Markdown fence around it."""
    match = _FENCED.fullmatch(text)
    return match[1] if match else text


_SCHEMAS: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether `schema` can be sent with OpenAI's `strict: true`.

    "All fields must be required" and "`additionalProperties: false` must always be set in objects"; a schema that
    says otherwise costs a 400. Iterative, because a client decides how deep a schema goes.
    """
    left: list[Any] = [schema]
    while left:
        item = left.pop()
        if not isinstance(item, Mapping):
            continue
        if (item.get("type") == "object" or "properties" in item) and not _is_closed(item):
            return False
        for key in _SCHEMAS:
            left += item[key].values() if isinstance(item.get(key), Mapping) else ()
        for key in _LISTS:
            left += item[key] if isinstance(item.get(key), list) else ()
        left.append(item.get("items"))
    return True


def _is_closed(schema: Mapping[str, Any]) -> bool:
    properties, required = schema.get("properties") or {}, schema.get("required") or []
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return False
    if schema.get("additionalProperties") is not False:
        return False
    return set(properties) <= {name for name in required if isinstance(name, str)}


class Unfence:
    """Takes the fence off a stream of text. Holds back no more than could belong to a fence."""

    _OPENING: Final = re.compile(r"\s*```(?:json)?[ \t]*\n?", re.IGNORECASE)
    _MAYBE_OPENING: Final = re.compile(r"\s*(`{0,3}|```(j|js|jso|json)?[ \t]*)", re.IGNORECASE)
    _MAYBE_CLOSING: Final = re.compile(r"\s*`{0,3}\s*\Z")

    def __init__(self) -> None:
        self._held = ""
        self._begun = False
        self._fenced = False

    def feed(self, text: str) -> str:
        """The part of the text so far that is certainly no fence."""
        self._held += text
        if not self._begun:
            if self._MAYBE_OPENING.fullmatch(self._held):
                return ""
            self._begin()
        if not self._fenced:
            out, self._held = self._held, ""
            return out
        match = self._MAYBE_CLOSING.search(self._held)
        end = match.start() if match else len(self._held)
        out, self._held = self._held[:end], self._held[end:]
        return out

    def flush(self) -> str:
        """What was held back and turns out to be no closing fence."""
        if not self._begun:
            self._begin()
        out, self._held = self._held, ""
        return "" if self._fenced and out.strip() in ("```", "") else out

    def _begin(self) -> None:
        self._begun = True
        match = self._OPENING.match(self._held)
        if match:
            self._fenced = True
            self._held = self._held[match.end() :]
