"""A streamed answer, event by event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from gateway import sse
from gateway.dialects.anthropic.answer_fields import (
    answer_extras,
    decode_citations,
    other_citations,
    search_results,
    tool_call_extras,
)
from gateway.dialects.anthropic.answers import PLAIN, decode_stop, refusal_text
from gateway.dialects.anthropic.errors import decode_error_value
from gateway.dialects.anthropic.thinking import decode_block
from gateway.dialects.anthropic.usage import encode_usage
from gateway.failures import Failed, Failure, Kind
from gateway.hub import exact_json
from gateway.hub.answer_fields import Deltas, Held, native_finish, other_fields
from gateway.hub.answer_types import not_json, not_typed, stated_name, stated_text
from gateway.hub.chunks import ToolCalls, delta, finish, usage_chunk
from gateway.hub.contracts import Encoded
from gateway.hub.counts import merged
from gateway.hub.halves import Halves
from gateway.hub.shapes import table
from gateway.hub.structured_output import Unfence
from gateway.types import Chunk

_THINKING: Final = frozenset({"thinking", "redacted_thinking"})
_CHANGE: Final = frozenset({"type", "delta", "usage"})
"""The fields of a `message_delta` event that are read; further ones belong to the message."""


class _Thinking:
    """A block of thinking that streams in."""

    def __init__(self, block: Mapping[str, Any]) -> None:
        self._block = dict(block)
        self.text = [stated_text(block, "thinking")]
        self.signature = [stated_text(block, "signature")]

    def whole(self) -> dict[str, Any]:
        return self._block | {"thinking": "".join(self.text), "signature": "".join(self.signature)}


class StreamDecoder:
    """Reads `message_start … message_stop`. A stop reason makes the answer whole; it is held back
    to the end, for some servers send content behind it."""

    complete = False
    unasked = 0

    def __init__(self, encoded: Encoded) -> None:
        self.model: str | None = None
        self.finished = False
        self.ended = False
        self._halves = Halves()
        self._change: Mapping[str, Any] = {}
        """The delta that brought the stop reason."""
        self._last: Mapping[str, Any] = {}
        """The last event that held something: some servers repeat it behind the stop reason."""
        self._calls = ToolCalls(encoded)
        self._usage: dict[str, Any] | None = {}
        self._thinking: dict[int, _Thinking] = {}
        self._details = 0
        self._annotations = 0
        self._lists = Deltas()
        self._extras = Held()
        self._others: dict[int, dict[str, Any]] = {}
        """Blocks that chat completions do not have, until they end."""
        self._other_inputs: dict[int, list[str]] = {}
        self._inputs: dict[int, str] = {}
        """Arguments that came with the beginning of a call; those that stream in are said instead
        of them."""
        self._unfence = Unfence() if encoded.unfence else None

    def decode(self, event: sse.Event) -> list[Chunk]:
        """The chunks of one event. Raises `Failed` for an error event and for broken JSON."""
        if not event.data or event.data == b"[DONE]" or self.ended:
            return []  # some servers send a bare name as a sign of life, or the other format's end
        try:
            body = self._halves.loads(event.data)
            handle = self._HANDLERS.get(
                body.get("type") or ("error" if "error" in body else event.name.decode())
            )
        except ValueError as error:
            raise not_json(error) from error
        except (AttributeError, TypeError) as error:
            raise not_typed() from error
        # "new event types may be added, and your code should handle unknown event types gracefully"
        if handle is None or (self.finished and body == self._last):
            return []
        chunks = self._halves.join(handle(self, body))
        if chunks:
            self._last = body
        return chunks

    def flush(self) -> list[Chunk]:
        """The end, once. Raises `Failed` when no stop reason came."""
        if not self.finished:
            raise Failed(
                Failure(Kind.TRUNCATED, "the provider's stream ended without a stop reason")
            )
        self.ended = True
        chunks = self._held_back()
        reason = self._change["stop_reason"]
        if reason == "refusal":
            chunks.append(delta(refusal=refusal_text(self._change)))
        word = decode_stop(reason, self._calls.count > 0)
        chunks.append(finish(word, 0, native_finish(reason, PLAIN)) | self._extras.take())
        return self._halves.join(chunks + self._take_usage())

    def _held_back(self) -> list[Chunk]:
        """The calls and blocks that have not ended, and text that may have been a fence."""
        chunks = [
            chunk for index in list(self._inputs) for chunk in self._end_call(index)
        ] + self._calls.end_all()
        chunks += [chunk for index in list(self._others) for chunk in self._end_other(index)]
        held = self._unfence.flush() if self._unfence else ""
        return [*chunks, delta(content=held)] if held else chunks

    def _message_start(self, body: Mapping[str, Any]) -> list[Chunk]:
        message = body.get("message") or {}
        self.model = stated_name(message, "model")
        self._calls.ids.answer = message.get("id")
        self._note_usage(message.get("usage"))
        self._extras.note(answer_extras(message))
        return []

    def _block_start(self, body: Mapping[str, Any]) -> list[Chunk]:
        block, index = body["content_block"], body["index"]
        kind = block.get("type")
        if kind == "tool_use":
            chunks = self._end_call(index)  # where a server gives every block the same index
            if block.get("input"):
                self._inputs[index] = exact_json.dumps(block["input"]).decode()
            return chunks + self._calls.start(
                index, block.get("id"), block["name"], tool_call_extras(block)
            )
        if kind in _THINKING:
            self._thinking[index] = _Thinking(block)
            return self._reasoning(block.get("thinking"))
        if kind == "text":
            return self._cite(block.get("citations")) + self._text(block.get("text"))
        self._others[index] = dict(block)
        return self._cite(search_results(block))

    def _block_delta(self, body: Mapping[str, Any]) -> list[Chunk]:
        piece = body["delta"]
        index = body["index"]
        if index in self._others:
            self._grow(index, piece)
            return []
        handle = self._DELTAS.get(piece.get("type"))
        return handle(self, index, piece) if handle else []

    def _grow(self, index: int, piece: Mapping[str, Any]) -> None:
        """More of a block that is kept as it is: pieces of its input's JSON, or of its texts."""
        block = self._others[index]
        for key, value in piece.items():
            if key == "partial_json":
                self._other_inputs.setdefault(index, []).append(value or "")
            elif key != "type":
                known = block.get(key)
                both = isinstance(known, str) and isinstance(value, str)
                block[key] = known + value if both else value

    def _end_other(self, index: int) -> list[Chunk]:
        block, pieces = self._others.pop(index), self._other_inputs.pop(index, [])
        if any(pieces):
            block["input"] = _parsed("".join(pieces))
        return [delta(**self._lists.pieces({"native_content": [block]}))]

    def _text_delta(self, index: int, piece: Mapping[str, Any]) -> list[Chunk]:
        return self._text(piece.get("text"))

    def _json_delta(self, index: int, piece: Mapping[str, Any]) -> list[Chunk]:
        text = stated_text(piece, "partial_json")
        if not text:
            return []
        self._inputs.pop(index, None)
        return self._calls.arguments(index, text)

    def _end_call(self, index: int) -> list[Chunk]:
        return self._calls.arguments(index, self._inputs.pop(index, "")) + self._calls.end(index)

    def _thinking_delta(self, index: int, piece: Mapping[str, Any]) -> list[Chunk]:
        text = stated_text(piece, "thinking")
        self._thinking_of(index).text.append(text)
        return self._reasoning(text)

    def _signature_delta(self, index: int, piece: Mapping[str, Any]) -> list[Chunk]:
        self._thinking_of(index).signature.append(stated_text(piece, "signature"))
        return []

    def _thinking_of(self, index: int) -> _Thinking:
        if index not in self._thinking:
            self._thinking[index] = _Thinking({"type": "thinking"})
        return self._thinking[index]

    def _citations_delta(self, index: int, piece: Mapping[str, Any]) -> list[Chunk]:
        return self._cite([piece.get("citation")])

    def _cite(self, citations: Any) -> list[Chunk]:
        annotations = decode_citations(citations, self._annotations)
        self._annotations += len(annotations)
        found = {"annotations": annotations, "native_annotations": other_citations(citations)}
        pieces = self._lists.pieces(found)
        return [delta(**pieces)] if pieces else []

    def _block_stop(self, body: Mapping[str, Any]) -> list[Chunk]:
        index = body["index"]
        if index in self._others:
            return self._end_other(index)
        block = self._thinking.pop(index, None)
        if block is None:
            return self._end_call(index)
        detail = decode_block(block.whole(), self._details)
        if detail is None:
            return []
        self._details += 1
        return [delta(reasoning_details=[detail])]

    def _message_delta(self, body: Mapping[str, Any]) -> list[Chunk]:
        self._note_usage(body.get("usage"))
        if self._usage and not self._last and table(body, "usage").get("output_tokens") == 0:
            self._usage["output_tokens"] = 0  # `message_start` counts a token that was never said
        change = body.get("delta") or {}
        self._extras.note(answer_extras(change) | other_fields(body, _CHANGE))
        reason = stated_text(change, "stop_reason")
        if not reason:
            return []
        stop = decode_stop(reason, called=False)
        if not self.finished or (
            stop != "stop" and decode_stop(self._change["stop_reason"], called=False) == "stop"
        ):
            # the first one counts; a plain stop gives way to any other
            self.finished, self._change = True, change
        return []

    def _message_stop(self, body: Mapping[str, Any]) -> list[Chunk]:
        self.ended = self.finished
        return []

    def _take_usage(self) -> list[Chunk]:
        """The counts, once: with the stop reason, or behind it where they come later."""
        usage, self._usage = self._usage, None
        return [] if usage is None else [usage_chunk(encode_usage(usage), self._extras.take())]

    def _error(self, body: Mapping[str, Any]) -> list[Chunk]:
        raise Failed(decode_error_value(body, None))

    def _text(self, text: Any) -> list[Chunk]:
        if text and self._unfence and type(text) is str:
            text = self._unfence.feed(text)
        return [delta(content=text)] if text else []

    def _reasoning(self, text: Any) -> list[Chunk]:
        return [delta(reasoning_content=text)] if text else []

    def _note_usage(self, usage: Mapping[str, Any] | None) -> None:
        """Notes counts, which are cumulative: `message_start` and `message_delta` state the same
        ones, and the larger of two holds."""
        if self._usage is not None:
            self._usage = merged(self._usage, usage, max)

    _HANDLERS: ClassVar[Mapping[str, Callable[[StreamDecoder, Mapping[str, Any]], list[Chunk]]]] = {
        "message_start": _message_start,
        "content_block_start": _block_start,
        "content_block_delta": _block_delta,
        "content_block_stop": _block_stop,
        "message_delta": _message_delta,
        "message_stop": _message_stop,
        "error": _error,
    }
    _DELTAS: ClassVar[
        Mapping[Any, Callable[[StreamDecoder, int, Mapping[str, Any]], list[Chunk]]]
    ] = {
        "text_delta": _text_delta,
        "input_json_delta": _json_delta,
        "thinking_delta": _thinking_delta,
        "signature_delta": _signature_delta,
        "citations_delta": _citations_delta,
    }


def _parsed(text: str) -> Any:
    """The JSON value of a server tool's input; the text itself where it is not JSON."""
    try:
        return exact_json.loads(text, replace_surrogates=True)
    except ValueError:
        return text
