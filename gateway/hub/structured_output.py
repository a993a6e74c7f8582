"""Structured output where a provider has no means of its own: asked for in words.

The answer then often comes inside a Markdown fence, which `unfence` takes off, whole or streamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from gateway.hub import exact_json

_FENCE: Final = "```"
_NAME: Final = "json"


class Form(NamedTuple):
    """The form of the answer that `response_format` asks for."""

    kind: str
    """`json_object`, `json_schema` or another word; "" where the request has none."""
    schema: dict[str, Any] | None
    """The JSON Schema of the answer; None where there is none."""
    definition: Mapping[str, Any]
    """The client's `json_schema`: `name`, `description`, `strict`, `schema`."""
    unread: tuple[str, ...] = ()
    """Paths of what `response_format` says beyond these: an unknown word, another member."""


JSON_KINDS: Final = frozenset({"json_object", "json_schema"})
_KINDS: Final = JSON_KINDS | {"text"}
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_NO_FORM: Final = Form("", None, _NOTHING)


def read_form(response_format: Mapping[str, Any] | None) -> Form:
    """`response_format` of a request."""
    if not response_format:
        return _NO_FORM
    stated = response_format.get("json_schema")
    definition = stated if isinstance(stated, Mapping) else _NOTHING
    schema = definition.get("schema")
    kind = response_format.get("type", "")
    return Form(
        kind,
        schema if isinstance(schema, dict) and schema else None,
        definition,
        _unread(response_format) if kind in _KINDS else ("response_format",),
    )


def _unread(response_format: Mapping[str, Any]) -> tuple[str, ...]:
    others = [key for key in response_format if key not in ("type", "json_schema")]
    return tuple(f"response_format.{key}" for key in others if response_format[key] is not None)


def unsent(form: Form) -> list[str]:
    """Paths of what is lost of `json_schema` where a schema is all that a provider takes. Its name
    is a label, and what is `strict` is kept in any case."""
    kept = ("schema", "name", "strict")
    keys = [key for key, value in form.definition.items() if value and key not in kept]
    return [f"response_format.json_schema.{key}" for key in keys]


def hint(form: Form) -> str:
    """The instruction that replaces `response_format`."""
    if form.schema is None:
        return "Respond with a single JSON object and nothing else: no prose, no Markdown."
    return (
        "Respond with a single JSON value that matches this JSON Schema, and nothing else: no "
        "prose, no Markdown.\n" + exact_json.dumps(form.schema).decode()
    )


def unfence(text: str) -> str:
    """JSON without the Markdown fence around it."""
    inner = text.strip()
    if len(inner) < 2 * len(_FENCE) or not (inner.startswith(_FENCE) and inner.endswith(_FENCE)):
        return text
    return _without_name(inner[len(_FENCE) : -len(_FENCE)]).strip()


def _without_name(text: str) -> str:
    return text[len(_NAME) :] if text[: len(_NAME)].lower() == _NAME else text


_SCHEMAS: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether `schema` can be sent with OpenAI's `strict: true`.

    "All fields must be required" and "`additionalProperties: false` must always be set in objects";
    a schema that says otherwise costs a 400. Iterative, because a client decides how deep a schema
    goes.
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
    """Takes the fence off a stream of text. Holds back no more than could belong to a fence, and
    reads nothing of it more than a few times."""

    def __init__(self) -> None:
        self._held: list[str] = []
        """White space before a fence may begin, or what may be the closing fence with the space
        around it."""
        self._mark = ""
        """Held-back text that may begin the opening fence."""
        self._read = self._opening

    def feed(self, text: str) -> str:
        """The part of the text so far that is certainly no fence."""
        return self._read(text)

    def flush(self) -> str:
        """Held-back text that is not a closing fence after all."""
        out = self._begin() if self._read == self._opening else ""
        text = out + self._take()
        return "" if self._read != self._plain and text.strip() in (_FENCE, "") else text

    def _opening(self, text: str) -> str:
        begun = self._mark + text
        if not self._mark:
            begun = text.lstrip()
            self._held.append(text[: len(text) - len(begun)])
        self._mark = begun[: len(_FENCE + _NAME)]
        return (
            ""
            if (_FENCE + _NAME).startswith(self._mark.lower()) and begun == self._mark
            else self._begin(begun)
        )

    def _begin(self, begun: str | None = None) -> str:
        """Decides whether there is a fence, and reads what is behind it."""
        begun, self._mark = self._mark if begun is None else begun, ""
        if not begun.startswith(_FENCE):
            self._read = self._plain
            return self._take() + begun
        self._held.clear()
        self._read = self._blank
        return self._blank(_without_name(begun[len(_FENCE) :]))

    def _blank(self, text: str) -> str:
        """The rest of the line of the opening fence, where nothing else is on it."""
        text = text.lstrip(" \t")
        if not text:
            return ""
        self._read = self._fenced
        return self._fenced(text.removeprefix("\n"))

    def _fenced(self, text: str) -> str:
        self._held.append(text)
        if not text or text.isspace():
            return ""
        whole = self._take()
        end = len(whole) - _closing(whole)
        self._held.append(whole[end:])
        return whole[:end]

    def _plain(self, text: str) -> str:
        return text

    def _take(self) -> str:
        held = "".join(self._held)
        self._held.clear()
        return held


def _closing(text: str) -> int:
    """How many characters at the end may be the closing fence, or a part of it, and the space
    around it."""
    spoken = text.rstrip()
    before = spoken.rstrip("`")
    ticks = min(len(spoken) - len(before), len(_FENCE))
    return len(text) - len(spoken[: len(spoken) - ticks].rstrip())
