"""A streamed answer, event by event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import orjson

from gateway import sse
from gateway.dialects.chat.answers import as_chunks
from gateway.dialects.responses.answers import (
    SUMMARY_SEPARATOR,
    decode_annotation,
    decode_finish,
    decode_response,
    decode_usage,
    extra_content,
    failure_of,
    reasoning_item,
)
from gateway.failures import Failed, Failure, Kind
from gateway.hub.chunks import ToolCalls, delta, finish, usage_chunk, usage_dict
from gateway.hub.contracts import Encoded
from gateway.types import Chunk


class StreamDecoder:
    """Reads `response.created … response.completed`. Deltas name their item by `output_index`, or by `item_id`
    alone."""

    def __init__(self, encoded: Encoded) -> None:
        self.model: str | None = None
        self.finished = False
        self._encoded = encoded
        self._calls = ToolCalls(encoded)
        self._begun: dict[Any, str] = {}
        """The calls so far, and the type of each."""
        self._argued: set[Any] = set()
        self._said = False
        self._thoughts: list[dict[str, Any]] = []
        self._annotations = 0
        self._summaries = 0

    def decode(self, event: sse.Event) -> list[Chunk]:
        """The chunks of one event. Raises `Failed` for a failed response and for broken JSON."""
        if event.data == b"[DONE]":
            return []
        try:
            body = orjson.loads(event.data)
            handle = self._HANDLERS.get(body.get("type") or event.name.decode())
        except (orjson.JSONDecodeError, AttributeError) as error:
            raise Failed(Failure(Kind.MALFORMED, f"the provider sent a broken event: {error}")) from error
        if handle is None and body.get("error"):
            raise Failed(failure_of(body))
        return handle(self, body) if handle else []

    def flush(self) -> list[Chunk]:
        """Nothing is held back. Raises `Failed` when the response never completed."""
        if not self.finished:
            raise Failed(Failure(Kind.TRUNCATED, "the provider's stream ended before the response was completed"))
        return []

    def _created(self, body: Mapping[str, Any]) -> list[Chunk]:
        self.model = (body.get("response") or {}).get("model")
        return []

    def _item_added(self, body: Mapping[str, Any]) -> list[Chunk]:
        item = body["item"]
        return self._begin(_key(body, item), item) if item.get("type") in _CALLS else []

    def _item_done(self, body: Mapping[str, Any]) -> list[Chunk]:
        item = body["item"]
        kind = item.get("type")
        if kind == "reasoning":
            self._thoughts.append(reasoning_item(item))
        if kind not in _CALLS:
            return []
        key = _key(body, item)
        return [*self._begin(key, item), *self._late(key, item.get(_CALLS[kind])), *self._calls.end(key)]

    def _begin(self, key: Any, item: Mapping[str, Any]) -> list[Chunk]:
        """A call begins, with the reasoning that led to it; a server may tell of it only when it is done."""
        if key in self._begun:
            return []
        self._begun[key] = item["type"]
        extra, self._thoughts = extra_content(self._thoughts, self._encoded.origin), []
        id_, name = item.get("call_id") or item["id"], item.get("name") or ""
        if item["type"] == "custom_tool_call":
            return self._calls.start_custom(key, id_, name, "", extra)
        return self._calls.start(key, id_, name, extra)

    def _input(self, body: Mapping[str, Any]) -> list[Chunk]:
        key = _key(body, {})
        self._argued.add(key)
        return self._more(key, body.get("delta") or "")

    def _input_done(self, body: Mapping[str, Any]) -> list[Chunk]:
        return self._late(_key(body, {}), body.get("arguments") or body.get("input"))

    def _late(self, key: Any, text: str | None) -> list[Chunk]:
        """The whole arguments or input, from a server that sent no deltas of them."""
        if key in self._argued or not text:
            return []
        self._argued.add(key)
        return self._more(key, text)

    def _more(self, key: Any, text: str) -> list[Chunk]:
        custom = self._begun.get(key) == "custom_tool_call"
        return self._calls.custom_text(key, text) if custom else self._calls.arguments(key, text)

    def _text(self, body: Mapping[str, Any]) -> list[Chunk]:
        text = body.get("delta")
        if not text:
            return []
        self._said = True
        chunk = delta(content=text)
        if body.get("logprobs"):
            chunk["choices"][0]["logprobs"] = {"content": body["logprobs"], "refusal": None}
        return [chunk]

    def _refusal(self, body: Mapping[str, Any]) -> list[Chunk]:
        self._said = True
        return [delta(refusal=body["delta"])] if body.get("delta") else []

    def _summary_added(self, body: Mapping[str, Any]) -> list[Chunk]:
        self._summaries += 1
        return [delta(reasoning_content=SUMMARY_SEPARATOR)] if self._summaries > 1 else []

    def _reasoning(self, body: Mapping[str, Any]) -> list[Chunk]:
        self._said = True
        return [delta(reasoning_content=body["delta"])] if body.get("delta") else []

    def _annotation(self, body: Mapping[str, Any]) -> list[Chunk]:
        found = decode_annotation(body.get("annotation") or {}, self._annotations)
        if found is None:
            return []
        self._annotations += 1
        return [delta(annotations=[found])]

    def _completed(self, body: Mapping[str, Any]) -> list[Chunk]:
        response = body.get("response") or {}
        self.model = self.model or response.get("model")
        self.finished = True
        if response.get("output") and not self._said and not self._begun:
            # A server that sent no deltas: all that there is stands in the last event.
            return list(as_chunks(decode_response(response, self._encoded)))
        chunks = [*self._calls.end_all(), finish(decode_finish(response, self._calls.count > 0))]
        if response.get("usage"):
            chunks.append(usage_chunk(usage_dict(decode_usage(response["usage"]))))
        return chunks

    def _failed(self, body: Mapping[str, Any]) -> list[Chunk]:
        raise Failed(failure_of(body.get("response") or body))

    _HANDLERS: ClassVar[Mapping[str, Callable[[StreamDecoder, Mapping[str, Any]], list[Chunk]]]] = {
        "response.created": _created,
        "response.output_item.added": _item_added,
        "response.output_item.done": _item_done,
        "response.function_call_arguments.delta": _input,
        "response.function_call_arguments.done": _input_done,
        "response.custom_tool_call_input.delta": _input,
        "response.custom_tool_call_input.done": _input_done,
        "response.output_text.delta": _text,
        "response.refusal.delta": _refusal,
        "response.reasoning_summary_part.added": _summary_added,
        "response.reasoning_summary_text.delta": _reasoning,
        "response.reasoning_text.delta": _reasoning,
        "response.output_text.annotation.added": _annotation,
        "response.completed": _completed,
        "response.incomplete": _completed,
        "response.failed": _failed,
        "error": _failed,
    }


_CALLS: Final[Mapping[str, str]] = {"function_call": "arguments", "custom_tool_call": "input"}
"""The items that are tool calls, and where each keeps what the tool is given."""


def _key(body: Mapping[str, Any], item: Mapping[str, Any]) -> Any:
    """What tells calls apart: the place in the output, or the item's id where a server leaves the place out."""
    place = body.get("output_index")
    return place if place is not None else (body.get("item_id") or item.get("id"))
