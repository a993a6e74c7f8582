"""A streamed answer: the hub's chunks → Messages events, or the provider's own events unchanged.

Theory of operation. An answer is a list of segments: thinking, text, one tool call each. One
segment is open at a time, and a change of kind closes it and opens the next: clients refuse a text
delta in a thinking block. The hub does not say when a tool call ends, and pieces of parallel calls
may alternate; so a call counts as complete when its JSON is, and what arrives for later segments
meanwhile waits in them. Each piece is stored and written once, so the cost is linear.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final

import orjson

from gateway import sse
from gateway.dialects.anthropic.inbound.content import (
    NO_IMAGES,
    call_of,
    citations_of,
    signature_of,
)
from gateway.dialects.anthropic.inbound.errors import error_body
from gateway.dialects.anthropic.inbound.json_end import JsonEnd
from gateway.dialects.anthropic.inbound.notes import Notes
from gateway.dialects.anthropic.inbound.usage import encode_stop, encode_usage, with_usage
from gateway.hub import exact_json
from gateway.hub.contracts import Answer, Batch, Refusal
from gateway.hub.shapes import table
from gateway.types import Chunk

PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'


def event(type_: str, body: Mapping[str, Any]) -> bytes:
    """One event; the SDKs read nothing without the name."""
    data = exact_json.dumps({"type": type_, **body})
    return b"event: " + type_.encode() + b"\ndata: " + data + b"\n\n"


class _Segment:
    """One block of the answer."""

    def __init__(self, kind: str, start: dict[str, Any]) -> None:
        self.kind = kind
        self.start = start
        self.deltas: list[dict[str, Any]] = []
        """The data that is not written yet."""
        self.begun = False
        self.closed = False
        self.end = JsonEnd()
        """Of a tool call: whether its arguments are complete."""
        self.details: list[Any] = []
        self.extras: dict[str, Any] = {}

    @property
    def is_complete(self) -> bool:
        """Whether nothing more belongs to it once another segment follows."""
        return self.kind != "tool_use" or self.end.reached

    def add(self, **piece: Any) -> None:
        self.deltas.append(piece)

    def last(self) -> list[dict[str, Any]]:
        """The deltas that end the block: one signature, because an SDK keeps only the last."""
        signature = signature_of(self.details, self.extras)
        return [{"type": "signature_delta", "signature": signature}] if signature else []


_STARTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}
"""Blocks as they begin. Clients fail where the empty texts are missing."""


class StreamEncoder:
    """Writes one streamed answer in Anthropic's format."""

    response = None

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._notes: Notes = answer.request.notes or Notes()
        self._begun = False
        self._is_native = False
        """The provider's own events are what the client gets."""
        self._last = b""
        """The provider's own last event. It waits until the answer is known to be whole."""
        self._segments: deque[_Segment] = deque()
        """The open segment, and those that wait behind it."""
        self._calls: dict[Any, _Segment] = {}
        self._index = 0
        self._refusal: list[str] = []
        self._said = False
        self._reason: str | None = None
        self._usage: Mapping[str, Any] | None = None
        self._citations: list[dict[str, Any]] = []
        """Citations that came while no text was open."""

    def encode(self, batch: Batch) -> bytes:
        """The events of a batch; the first one opens the stream."""
        if batch.events is not None:
            return b"".join(map(self._pass_on, batch.events))
        out = [] if self._begun else [self._start()]
        for chunk in batch.chunks:
            self._read(chunk)
            out += self._advance(final=self._reason is not None)
        return b"".join(out)

    def keep_alive(self) -> bytes:
        return PING

    def done(self) -> bytes:
        """The end of a whole answer: the provider's own last event, where it sent one."""
        if self._is_native:
            return self._last or event("message_stop", {})
        out = [] if self._begun else [self._start()]
        out += self._advance(final=True)
        stop = encode_stop(self._reason, "".join(self._refusal))
        usage = encode_usage(self._usage)
        out.append(event("message_delta", {"delta": stop, "usage": usage}))
        out.append(event("message_stop", {}))
        return b"".join(out)

    def error(self, refusal: Refusal) -> bytes:
        """The end of a broken answer. Every client raises on it."""
        return event("error", error_body(refusal))

    # --- the provider's own events ----------------------------------------------------------------

    def _pass_on(self, own: sse.Event) -> bytes:
        """An event as it came. An error is written by `error`, and another format's end means
        nothing here."""
        name = own.name or _type_of(own.data)
        if not own.data or name in (b"", b"error"):
            return b""
        self._begun = self._is_native = True
        if name in _COUNTING and b'"output_tokens"' not in own.data:
            return _counted(name.decode(), exact_json.loads(own.data))
        raw = own.raw if own.name else b"event: " + name + b"\n" + own.raw
        if name == b"message_stop":
            self._last = raw
            return b""
        return raw

    # --- chunks -----------------------------------------------------------------------------------

    def _start(self) -> bytes:
        self._begun = True
        message: dict[str, Any] = {
            "id": f"msg_{self._answer.id}",
            "type": "message",
            "role": "assistant",
            "model": self._answer.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**encode_usage(None), "output_tokens": 1},
        }
        return event("message_start", {"message": message}) + PING

    def _read(self, chunk: Chunk) -> None:
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for choice in chunk["choices"]:
            if choice["index"] != 0:
                continue  # Messages has one answer
            for key, read in self._READERS.items():
                value = choice["delta"].get(key)
                if value:
                    read(self, value)
            if choice["finish_reason"] is not None:
                self._finish(choice["finish_reason"])

    def _finish(self, reason: str) -> None:
        if reason == "stop" and not self._said:
            self._text("".join(self._refusal))  # the model's own words, in a field of their own
        self._reason = reason

    def _reasoning(self, text: str) -> None:
        if self._notes.thinking and self._notes.thinking_text:
            self._segment("thinking").add(type="thinking_delta", thinking=text)

    def _details(self, details: list[Any]) -> None:
        if self._notes.thinking:
            self._segment("thinking").details += details

    def _text(self, text: str) -> None:
        if not text:
            return
        self._said = True
        segment = self._segment("text")
        segment.add(type="text_delta", text=text)
        for citation in self._citations:
            segment.add(type="citations_delta", citation=citation)
        self._citations = []

    def _annotations(self, annotations: Any) -> None:
        citations = citations_of(annotations)
        if self._segments and self._segments[-1].kind == "text":
            for citation in citations:
                self._segments[-1].add(type="citations_delta", citation=citation)
        else:
            self._citations += citations

    def _refused(self, text: str) -> None:
        self._refusal.append(text)

    def _images(self, images: Any) -> None:
        self._text(NO_IMAGES)

    def _tool_calls(self, calls: list[dict[str, Any]]) -> None:
        for call in calls:
            segment = self._calls.get(call["index"])
            if segment is None:
                segment = self._calls[call["index"]] = self._call(call)
            arguments = call_of(call)[2]
            if arguments and not segment.closed:
                segment.end.feed(arguments)
                segment.add(type="input_json_delta", partial_json=arguments)

    def _call(self, call: Mapping[str, Any]) -> _Segment:
        """A call begins. What has to come back with it is sealed into the thinking before it."""
        id_, name, _ = call_of(call)
        if call.get("extra_content") and self._notes.thinking:
            self._segment("thinking").extras[id_] = call["extra_content"]
        segment = _Segment("tool_use", {"type": "tool_use", "id": id_, "name": name, "input": {}})
        self._segments.append(segment)
        return segment

    _READERS: ClassVar[Mapping[str, Callable[[StreamEncoder, Any], None]]] = {
        "reasoning_content": _reasoning,
        "reasoning_details": _details,
        "content": _text,
        "annotations": _annotations,
        "refusal": _refused,
        "images": _images,
        "tool_calls": _tool_calls,
    }

    # --- segments ---------------------------------------------------------------------------------

    def _segment(self, kind: str) -> _Segment:
        """The last segment, if it is of this kind, else a new one behind it."""
        if not self._segments or self._segments[-1].kind != kind:
            self._segments.append(_Segment(kind, dict(_STARTS[kind])))
        return self._segments[-1]

    def _advance(self, *, final: bool) -> Iterator[bytes]:
        """Writes the open segment, and those behind it as far as they may open; all of them at the
        end."""
        while self._segments:
            segment = self._segments[0]
            yield self._progress(segment)
            over = segment.is_complete and len(self._segments) > 1
            if not over and not final:
                return
            self._segments.popleft()
            yield self._close(segment)

    def _progress(self, segment: _Segment) -> bytes:
        out = []
        if not segment.begun:
            segment.begun = True
            start = {"index": self._index, "content_block": segment.start}
            out.append(event("content_block_start", start))
        out += map(self._delta, segment.deltas)
        segment.deltas = []
        return b"".join(out)

    def _close(self, segment: _Segment) -> bytes:
        segment.closed = True
        last = b"".join(map(self._delta, segment.last()))
        stop = event("content_block_stop", {"index": self._index})
        self._index += 1
        return last + stop

    def _delta(self, piece: dict[str, Any]) -> bytes:
        return event("content_block_delta", {"index": self._index, "delta": piece})


_COUNTING: Final = frozenset({b"message_start", b"message_delta"})
"""The provider's own events that state counts."""


def _counted(name: str, body: dict[str, Any]) -> bytes:
    """One of them with the counts that it lacks."""
    if name == "message_start":
        return event(name, {**body, "message": with_usage(dict(table(body, "message")))})
    return event(name, with_usage(body))


def _type_of(data: bytes) -> bytes:
    """The type of an event whose name some servers leave out; b"" for what is not an event of this
    format."""
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return b""
    kind = body.get("type") if isinstance(body, dict) else None
    return kind.encode() if isinstance(kind, str) and kind.isascii() and kind.isprintable() else b""
