"""A streamed answer, event by event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from gateway import sse
from gateway.dialects.chat.answers import as_chunks
from gateway.dialects.responses.answer_fields import (
    answer_extras,
    decode_annotation,
    is_native,
    native_fields,
)
from gateway.dialects.responses.answers import (
    SUMMARY_SEPARATOR,
    UNFINISHED,
    call_extras,
    decode_finish,
    decode_response,
    encode_usage,
    failure_of,
    logprobs_of,
    reasoning_item,
)
from gateway.failures import Failed, Failure, Kind
from gateway.hub.answer_fields import Deltas
from gateway.hub.answer_types import checked, not_json, not_typed, stated_name, stated_text
from gateway.hub.chunks import ToolCalls, delta, finish, usage_chunk
from gateway.hub.contracts import Encoded
from gateway.hub.halves import Halves
from gateway.hub.shapes import table
from gateway.hub.tools import arguments_text
from gateway.types import Chunk


class StreamDecoder:
    """Reads `response.created … response.completed`. Deltas name their item by `output_index`, or
    by `item_id` alone."""

    complete = False
    unasked = 0

    def __init__(self, encoded: Encoded) -> None:
        self.model: str | None = None
        self.finished = False
        self.ended = False
        self._halves = Halves()
        self._end: list[Chunk] = []
        """The finish and the token counts, once the response is completed."""
        self._encoded = encoded
        self._calls = ToolCalls(encoded)
        self._begun: dict[Any, str] = {}
        """The calls so far, and the type of each."""
        self._argued: set[Any] = set()
        self._said = False
        self._thoughts: list[dict[str, Any]] = []
        self._annotations = 0
        self._summaries = 0
        self._images = 0
        self._lists = Deltas()

    def decode(self, event: sse.Event) -> list[Chunk]:
        """The chunks of one event. Raises `Failed` for a failed response and for broken JSON."""
        if event.data == b"[DONE]" or self.ended:
            return []
        try:
            body = self._halves.loads(event.data)
            handle = self._HANDLERS.get(body.get("type") or event.name.decode())
        except ValueError as error:
            raise not_json(error) from error
        except (AttributeError, TypeError) as error:
            raise not_typed() from error
        if handle is None and body.get("error"):
            raise Failed(failure_of(body))
        return self._halves.join(handle(self, body)) if handle else []

    def flush(self) -> list[Chunk]:
        """The end, once. Raises `Failed` when the response never completed."""
        if not self.finished:
            raise Failed(
                Failure(
                    Kind.TRUNCATED, "the provider's stream ended before the response was completed"
                )
            )
        chunks, self._end = self._calls.end_all() + self._end, []
        return self._halves.join(chunks)

    def _created(self, body: Mapping[str, Any]) -> list[Chunk]:
        response = body.get("response") or {}
        self.model = stated_name(response, "model")
        self._calls.ids.answer = response.get("id")
        return []

    def _item_added(self, body: Mapping[str, Any]) -> list[Chunk]:
        item = body["item"]
        return self._begin(_key(body, item), item) if item.get("type") in _CALLS else []

    def _item_done(self, body: Mapping[str, Any]) -> list[Chunk]:
        item = body["item"]
        kind = item.get("type")
        if kind == "reasoning":
            self._thoughts.append(reasoning_item(item))
        if is_native(item):
            return self._native(item)
        if kind not in _CALLS:
            return []
        key = _key(body, item)
        named = self._begin(key, item) + self._calls.name(key, item.get("name") or "")
        return [*named, *self._late(key, item.get(_CALLS[kind])), *self._calls.end(key)]

    def _native(self, item: Mapping[str, Any]) -> list[Chunk]:
        """An item that chat completions do not have, once it is whole."""
        fields = native_fields(item, self._images)
        self._images += len(fields.get("images", ()))
        self._said = True
        return [delta(**self._lists.pieces(fields))]

    def _begin(self, key: Any, item: Mapping[str, Any]) -> list[Chunk]:
        """A call begins, with the reasoning that led to it; a server may tell of it only when it is
        done."""
        if key in self._begun:
            return []
        self._begun[key] = item["type"]
        extra, self._thoughts = call_extras(item, self._thoughts, self._encoded.origin), []
        id_, name = item.get("call_id") or item.get("id"), item.get("name") or ""
        if item["type"] == "custom_tool_call":
            return self._calls.start_custom(key, id_, name, "", extra)
        return self._calls.start(key, id_, name, extra)

    def _input(self, body: Mapping[str, Any]) -> list[Chunk]:
        key = _key(body, {})
        self._argued.add(key)
        return self._more(key, stated_text(body, "delta"))

    def _input_done(self, body: Mapping[str, Any]) -> list[Chunk]:
        key = _key(body, {})
        named = self._calls.name(key, body.get("name") or "")
        return named + self._late(key, body.get("arguments") or body.get("input"))

    def _late(self, key: Any, given: Any) -> list[Chunk]:
        """The whole arguments or input, from a server that sent no deltas of them."""
        if key in self._argued or not given:
            return []
        self._argued.add(key)
        return self._more(key, arguments_text(given))

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
            chunk["choices"][0] |= logprobs_of(body["logprobs"])
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
        annotation = body.get("annotation")
        found = decode_annotation(annotation, self._annotations)
        if found is None:
            others = {"native_annotations": [annotation] if annotation else []}
            return [delta(**self._lists.pieces(others))] if annotation else []
        self._annotations += 1
        return [delta(annotations=[found])]

    def _completed(self, body: Mapping[str, Any]) -> list[Chunk]:
        return self._complete(body, "completed")

    def _incomplete(self, body: Mapping[str, Any]) -> list[Chunk]:
        return self._complete(body, "incomplete")

    def _complete(self, body: Mapping[str, Any], status: str) -> list[Chunk]:
        """The response is at its end, with the status that its last event is named after."""
        stated = body.get("response") or {}
        if stated_text(stated, "status") not in UNFINISHED:
            status = stated["status"]
        response = {**stated, "status": status}
        self.model = self.model or stated_name(response, "model")
        if response.get("output") and not self._said and not self._begun:
            # A server that sent no deltas: all that there is is in the last event.
            whole = list(as_chunks(checked(decode_response(response, self._encoded))))
            self._end = [chunk for chunk in whole if _is_end(chunk)]
            self.finished = self.ended = True
            return [chunk for chunk in whole if not _is_end(chunk)]
        end = finish(decode_finish(response, self._calls.count > 0)) | answer_extras(response)
        usage = table(response, "usage")
        self._end = [end, usage_chunk(encode_usage(usage))] if usage else [end]
        self.finished = self.ended = True
        return []

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
        "response.incomplete": _incomplete,
        "response.failed": _failed,
        "error": _failed,
    }


_CALLS: Final[Mapping[str, str]] = {"function_call": "arguments", "custom_tool_call": "input"}
"""The items that are tool calls, and where each keeps what the tool is given."""


def _is_end(chunk: Chunk) -> bool:
    """Whether a chunk is the finish, or the token counts."""
    return not chunk["choices"] or chunk["choices"][0]["finish_reason"] is not None


def _key(body: Mapping[str, Any], item: Mapping[str, Any]) -> Any:
    """Identifies a call: the place in the output, or the item's id where a server leaves the
    place out."""
    place = body.get("output_index")
    return place if place is not None else (body.get("item_id") or item.get("id"))
