"""Builds the hub's chunks, and keeps the promises every client relies on.

The official SDKs' accumulators crash on a tool-call index that jumps, on an id or a name sent
twice, and on a call whose `type` never comes; they execute a call whose arguments were cut.
`ToolCalls` is the one place where tool-call deltas are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.failures import Failed, Failure, Kind
from gateway.hub.answer_types import OTHERS, TEXTS, check_field
from gateway.hub.calls import CallIds
from gateway.hub.contracts import Encoded
from gateway.hub.counts import COUNT_MAX, token_count
from gateway.hub.tools import custom_input
from gateway.types import Chunk, Usage


def delta(index: int = 0, /, **fields: Any) -> Chunk:
    """A chunk of one choice: `delta(0, content="Hi")`. Raises `Failed` for a value of the wrong
    type."""
    for name, value in fields.items():
        if type(value) is not str if name in TEXTS else name in OTHERS:
            check_field(name, value)
    return {"choices": [{"index": index, "delta": fields, "finish_reason": None}]}


def finish(reason: str, index: int = 0, extras: Mapping[str, Any] = MappingProxyType({})) -> Chunk:
    """The end of a choice; `extras` are further fields of it."""
    return {"choices": [{**extras, "index": index, "delta": {}, "finish_reason": reason}]}


def usage_chunk(
    usage: Mapping[str, Any], extras: Mapping[str, Any] = MappingProxyType({})
) -> Chunk:
    """`usage` as `usage_dict` makes it; `extras` are further fields of the answer."""
    return {**extras, "choices": [], "usage": usage}


def late(extras: Mapping[str, Any]) -> Chunk:
    """Fields of the answer that come behind the finish reason and without counts."""
    return {**extras, **delta()}


def fingerprint(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that the last chunk repeats: one official accumulator takes it from there."""
    return {key: fields[key] for key in ("system_fingerprint",) if key in fields}


def usage_dict(usage: Usage, more: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """The hub's usage: `prompt_tokens` with cached ones, `completion_tokens` with reasoning, the
    details, and `more` of what the provider states, in the hub's form and of the contract's
    types."""
    prompt = _details(more.get(PROMPT_DETAILS))
    completion = _details(more.get(COMPLETION_DETAILS))
    if usage.cache_read or usage.cache_write:
        prompt["cached_tokens"] = usage.cache_read
    if usage.cache_write:
        prompt["cache_write_tokens"] = usage.cache_write
    if usage.cache_write_1h:
        prompt["cache_write_1h_tokens"] = usage.cache_write_1h
    if usage.reasoning:
        completion["reasoning_tokens"] = usage.reasoning
    body: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    details = {PROMPT_DETAILS: prompt, COMPLETION_DETAILS: completion}
    body |= {key: value for key, value in details.items() if value}
    return body | {
        key: value for key, value in more.items() if key not in _COUNTS and value is not None
    }


PROMPT_DETAILS: Final = "prompt_tokens_details"
COMPLETION_DETAILS: Final = "completion_tokens_details"
_COUNTS: Final = frozenset(
    {"prompt_tokens", "completion_tokens", "total_tokens", PROMPT_DETAILS, COMPLETION_DETAILS}
)


def _details(stated: Any) -> dict[str, Any]:
    """The provider's own details: what the contract calls tokens is a count, or is left out."""
    return {
        name: token_count(value) if type(value) is str and name.endswith(_TOKENS) else value
        for name, value in (stated.items() if isinstance(stated, Mapping) else ())
        if (type(value) is int and 0 <= value <= COUNT_MAX) or _is_detail(name, value)
    }


_TOKENS: Final = "_tokens"


def _is_detail(name: str, value: Any) -> bool:
    if not name.endswith(_TOKENS):
        return value is not None
    if type(value) is str:
        return token_count(value) > 0
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNT_MAX


def is_asked(index: Any, wanted: int) -> bool:
    """Whether the request, which wants so many choices, asked for the one with this index."""
    return type(index) is int and 0 <= index < wanted


class _Call:
    """One tool call that is open."""

    def __init__(self, id_: Any, kind: str, extra: Mapping[str, Any] | None) -> None:
        self.id = id_
        """The provider's, and from the beginning of the call on the client's."""
        self.kind = kind
        self.extra = extra
        self.name = ""
        self.number = -1
        """Its place among the calls of the choice, once it has a name."""
        self.pieces: list[str] = []
        """Arguments or input that wait for the name, or for the end of a custom call."""
        self.is_collected = False
        self.has_input = False


_INPUT: Final = {"function": "arguments", "custom": "input"}
"""Kind of call → where what the tool is given is kept."""


class ToolCalls:
    """The tool calls of one choice, as they stream in.

    Indexes count from 0 without gaps; id, type and name are sent once, and no two calls have the
    same id; a call that ends without arguments gets `{}`. A call whose name comes late waits for
    it, and its arguments with it; one that ends without a name is an error. Names are put back to
    the client's own. A call of a `custom` tool, which was sent as a function with one string
    property `input`, is collected and handed on whole when it ends.
    """

    def __init__(self, encoded: Encoded, index: int = 0) -> None:
        self._encoded = encoded
        self._choice = index
        self._open: dict[Any, _Call] = {}
        self._over: dict[Any, _Call] = {}
        """Calls that have ended with some input; more of it may still come, and half of it is not a
        call."""
        self._named = 0
        self.ids = CallIds(choice=index)
        self.count = 0
        """All calls so far, with those that have no name yet."""

    def start(
        self, key: Any, id_: Any, name: str, extra: Mapping[str, Any] | None = None
    ) -> list[Chunk]:
        """A call begins. `key` is what the provider tells its calls apart by, `id_` the id that it
        states; an empty `name` may come later."""
        return self._begin(key, _Call(id_, "function", extra), name)

    def start_custom(
        self, key: Any, id_: Any, name: str, text: str, extra: Mapping[str, Any] | None = None
    ) -> list[Chunk]:
        """A call of a `custom` tool from a provider that knows such tools; its input is plain
        text."""
        call = _Call(id_, "custom", extra)
        call.has_input = True
        call.pieces.append(text)
        return self._begin(key, call, name)

    def name(
        self, key: Any, name: str, id_: str | None = None, extra: Mapping[str, Any] | None = None
    ) -> list[Chunk]:
        """The name of a call that began without one, and its id and extras where they come with
        it."""
        call = self._open.get(key)
        if call is None or call.name or not name:
            return []
        call.id = self.ids.take(id_) if id_ else call.id
        call.extra = {**(call.extra or {}), **(extra or {})}
        return self._announce(call, name)

    def arguments(self, key: Any, text: str) -> list[Chunk]:
        """More of the arguments' JSON text; text of a call that never began is dropped."""
        return self._more(key, text)

    def custom_text(self, key: Any, text: str) -> list[Chunk]:
        """More of the input of a custom call."""
        return self._more(key, text)

    def end(self, key: Any) -> list[Chunk]:
        """The call is complete. Ending one twice, or one that never began, does nothing. Raises
        `Failed`."""
        call = self._open.pop(key, None)
        if call is None:
            return []
        if not call.name:
            raise Failed(Failure(Kind.MALFORMED, "the provider sent a tool call without a name"))
        if call.is_collected:
            body = _call(
                call.number,
                call.id,
                "custom",
                call.name,
                custom_input("".join(call.pieces)),
                call.extra,
            )
            return [delta(self._choice, tool_calls=[body])]
        if not call.has_input:
            return self._input(call, "{}")
        self._over[key] = call
        return []

    def end_all(self) -> list[Chunk]:
        return [chunk for key in list(self._open) for chunk in self.end(key)]

    def whole(
        self, id_: Any, name: str, arguments: str, extra: Mapping[str, Any] | None = None
    ) -> list[Chunk]:
        """A call that arrives complete, in one chunk. Raises `Failed`."""
        key, call = object(), _Call(id_, "function", extra)
        call.pieces.append(arguments or "{}")
        return self._begin(key, call, name) + self.end(key)

    def _begin(self, key: Any, call: _Call, name: str) -> list[Chunk]:
        call.id = self.ids.take(call.id)
        self._open[key] = call
        self._over.pop(key, None)
        self.count += 1
        return self._announce(call, name) if name else []

    def _announce(self, call: _Call, name: str) -> list[Chunk]:
        """The first delta of a call, with all that waited for its name."""
        call.name = self._encoded.names.get(name, name)
        call.number = self._named
        self._named += 1
        if call.kind == "function" and call.name in self._encoded.custom_tools:
            call.is_collected = True
            return []
        text, call.pieces = "".join(call.pieces), []
        call.has_input = call.has_input or bool(text)
        return [
            delta(
                self._choice,
                tool_calls=[_call(call.number, call.id, call.kind, call.name, text, call.extra)],
            )
        ]

    def _more(self, key: Any, text: str) -> list[Chunk]:
        call = self._open.get(key) or self._over.get(key)
        if call is None or not text:
            return []
        if call.is_collected or not call.name:
            call.pieces.append(text)
            return []
        return self._input(call, text)

    def _input(self, call: _Call, text: str) -> list[Chunk]:
        call.has_input = True
        return [
            delta(
                self._choice,
                tool_calls=[{"index": call.number, call.kind: {_INPUT[call.kind]: text}}],
            )
        ]


def _call(
    number: int, id_: str, kind: str, name: str, text: str, extra: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The delta with which a call of a tool of type `kind` begins."""
    call = {"index": number, "id": id_, "type": kind, kind: {"name": name, _INPUT[kind]: text}}
    return {**call, **extra, **call} if extra else call
