"""Builds the hub's chunks, and keeps the promises every client relies on.

The official SDKs' accumulators crash on a tool-call index that jumps, on an id or a name sent twice, and on a call
whose `type` never comes; they execute a call whose arguments were cut. `ToolCalls` is the one place where tool-call
deltas are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.hub.contracts import Encoded
from gateway.hub.counts import COUNT_MAX
from gateway.hub.shapes import table
from gateway.hub.tools import custom_input
from gateway.types import Chunk, Usage


def delta(index: int = 0, /, **fields: Any) -> Chunk:
    """A chunk of one choice: `delta(0, content="Hi")`."""
    return {"choices": [{"index": index, "delta": fields, "finish_reason": None}]}


def finish(reason: str, index: int = 0, extras: Mapping[str, Any] = MappingProxyType({})) -> Chunk:
    """The end of a choice; `extras` are further fields of it."""
    return {"choices": [{**extras, "index": index, "delta": {}, "finish_reason": reason}]}


def usage_chunk(usage: Mapping[str, Any], extras: Mapping[str, Any] = MappingProxyType({})) -> Chunk:
    """`usage` as `usage_dict` makes it; `extras` are further fields of the answer."""
    return {**extras, "choices": [], "usage": usage}


def late(extras: Mapping[str, Any]) -> Chunk:
    """Fields of the answer that come behind the finish reason and without counts."""
    return {**extras, **delta()}


def fingerprint(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the last chunk repeats: one official accumulator takes it from there."""
    return {key: fields[key] for key in ("system_fingerprint",) if key in fields}


def usage_dict(usage: Usage, more: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """The hub's usage: `prompt_tokens` with cached ones, `completion_tokens` with reasoning, the
    details, and `more` of what the provider states, in the hub's form and of the contract's types."""
    prompt, completion = _details(more, PROMPT_DETAILS), _details(more, COMPLETION_DETAILS)
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
    return body | {key: value for key, value in more.items() if key not in _COUNTS and value is not None}


PROMPT_DETAILS: Final = "prompt_tokens_details"
COMPLETION_DETAILS: Final = "completion_tokens_details"
_COUNTS: Final = frozenset({"prompt_tokens", "completion_tokens", "total_tokens", PROMPT_DETAILS, COMPLETION_DETAILS})


def _details(more: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The provider's own details: what the contract calls tokens is a count, or is left out."""
    return {name: value for name, value in table(more, key).items() if _is_detail(name, value)}


def _is_detail(name: str, value: Any) -> bool:
    if name.endswith("_tokens"):
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNT_MAX
    return value is not None


class ToolCalls:
    """The tool calls of one choice, as they stream in.

    Indexes count from 0 without gaps; id, type and name are sent once; a call that ends without arguments gets `{}`.
    Names are put back to the client's own. A call of a `custom` tool, which was sent as a function with one string
    property `input`, is collected and handed on whole when it ends.
    """

    def __init__(self, encoded: Encoded, index: int = 0) -> None:
        self._encoded = encoded
        self._choice = index
        self._open: dict[Any, int] = {}
        self._arguments_seen: set[int] = set()
        self._custom: dict[int, tuple[dict[str, Any], list[str]]] = {}
        self.count = 0

    def start(self, key: Any, id_: str, name: str, extra: Mapping[str, Any] | None = None) -> list[Chunk]:
        """A call begins. `key` is whatever the provider tells its calls apart by, `extra` what else the call holds."""
        number = self._open[key] = self.count
        self.count += 1
        name = self._encoded.names.get(name, name)
        if name in self._encoded.custom_tools:
            self._custom[number] = (_call(number, id_, "custom", {"name": name, "input": ""}, extra), [])
            return []
        call = _call(number, id_, "function", {"name": name, "arguments": ""}, extra)
        return [delta(self._choice, tool_calls=[call])]

    def arguments(self, key: Any, text: str) -> list[Chunk]:
        """More of the arguments' JSON text; text of a call that never began belongs to nobody."""
        number = self._open.get(key)
        if number is None or not text:
            return []
        self._arguments_seen.add(number)
        if number in self._custom:
            self._custom[number][1].append(text)
            return []
        return [delta(self._choice, tool_calls=[{"index": number, "function": {"arguments": text}}])]

    def start_custom(
        self, key: Any, id_: str, name: str, text: str, extra: Mapping[str, Any] | None = None
    ) -> list[Chunk]:
        """A call of a `custom` tool from a provider that knows such tools; its input is plain text."""
        number = self._open[key] = self.count
        self.count += 1
        self._arguments_seen.add(number)
        name = self._encoded.names.get(name, name)
        call = _call(number, id_, "custom", {"name": name, "input": text}, extra)
        return [delta(self._choice, tool_calls=[call])]

    def custom_text(self, key: Any, text: str) -> list[Chunk]:
        """More of such a call's input."""
        if not text or key not in self._open:
            return []
        return [delta(self._choice, tool_calls=[{"index": self._open[key], "custom": {"input": text}}])]

    def end(self, key: Any) -> list[Chunk]:
        """The call is complete. Ending one twice, or one that never began, does nothing."""
        number = self._open.pop(key, None)
        if number is None:
            return []
        if number in self._custom:
            return self._end_custom(number)
        if number in self._arguments_seen:
            return []
        return [delta(self._choice, tool_calls=[{"index": number, "function": {"arguments": "{}"}}])]

    def end_all(self) -> list[Chunk]:
        return [chunk for key in list(self._open) for chunk in self.end(key)]

    def whole(self, id_: str, name: str, arguments: str, extra: Mapping[str, Any] | None = None) -> list[Chunk]:
        """A call that arrives complete, in one chunk."""
        key = object()
        chunks = self.start(key, id_, name, extra)
        text = arguments or "{}"
        if chunks:
            chunks[0]["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] = text
            self._open.pop(key)
            return chunks
        return self.arguments(key, text) + self.end(key)

    def _end_custom(self, number: int) -> list[Chunk]:
        call, pieces = self._custom.pop(number)
        call["custom"]["input"] = custom_input("".join(pieces))
        return [delta(self._choice, tool_calls=[call])]


def _call(
    number: int, id_: str, kind: str, definition: dict[str, Any], extra: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The delta with which a call of a tool of type `kind` begins."""
    call = {"index": number, "id": id_, "type": kind, kind: definition}
    return {**call, **extra, **call} if extra else call
