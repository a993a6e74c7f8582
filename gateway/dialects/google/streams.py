"""A streamed answer: each event is a whole `GenerateContentResponse` that holds what is new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import sse
from gateway.dialects.google.answer_fields import (
    answer_extras,
    choice_facts,
    decode_grounding,
    decode_image,
    finish_extras,
    is_image,
    is_native,
    says_something,
    signed,
)
from gateway.dialects.google.answers import (
    blocked_reason,
    decode_call,
    decode_finish,
    encode_usage,
    first_choice,
)
from gateway.dialects.google.errors import decode_error_value
from gateway.failures import Failed, Failure, Kind
from gateway.hub.answer_fields import Deltas, Held
from gateway.hub.answer_types import not_json, stated_name, stated_text, wrong_type
from gateway.hub.chunks import ToolCalls, delta, finish, usage_chunk
from gateway.hub.contracts import Encoded
from gateway.hub.counts import merged
from gateway.hub.halves import Halves
from gateway.hub.structured_output import Unfence
from gateway.types import Chunk


class StreamDecoder:
    """Reads until the end: there is no last event but the one with a finish reason, and parts may
    still follow it."""

    def __init__(self, encoded: Encoded) -> None:
        self.model: str | None = None
        self.finished = False
        self.complete = False
        self.ended = False
        self.unasked = 0
        self._halves = Halves()
        self._parts: Any = None
        """The parts of the last event that had some: a server may repeat them behind the finish
        reason."""
        self._calls = ToolCalls(encoded)
        self._last: dict[str, Any] = {}
        """The candidate that brought the finish reason."""
        self._blocked: str | None = None
        self._usage: dict[str, Any] = {}
        self._extras, self._choice_extras = Held(), Held()
        self._lists = Deltas()
        self._signature: dict[str, Any] = {}
        """Of the text: it comes with the last part of it, which may be empty."""
        self._has_content = False
        self._images = 0
        self._annotations: list[dict[str, Any]] = []
        self._unfence = Unfence() if encoded.unfence else None

    def decode(self, event: sse.Event) -> list[Chunk]:
        """The chunks of one event. Raises `Failed` for an error and for broken JSON."""
        if event.data == b"[DONE]":
            self.ended = self.finished  # a proxy's word: Google itself sends none
        if event.data == b"[DONE]" or self.ended:
            return []
        try:
            body = self._halves.loads(event.data)
        except ValueError as error:
            raise not_json(error) from error
        bodies = body if isinstance(body, list) else [body]
        return self._halves.join([chunk for item in bodies for chunk in self._response(item)])

    def flush(self) -> list[Chunk]:
        """The end, once. Raises `Failed` when no finish reason came."""
        if not self.finished:
            raise Failed(
                Failure(Kind.TRUNCATED, "the provider's stream ended without a finish reason")
            )
        self.ended = True
        held_back = self._unfence.flush() if self._unfence else ""
        chunks = [delta(content=held_back)] if held_back else []
        if self._annotations and self._has_content:
            # Several events may repeat the sources: they are sent once, as accumulators join what
            # has one index.
            chunks.append(delta(annotations=self._annotations))
        if self._signature:
            chunks.append(delta(**self._signature))
        if self._blocked is not None:
            chunks.append(delta(refusal=self._blocked))
        extras = self._choice_extras.take() | finish_extras(self._last)
        chunks.append(finish(self._finish_word(), 0, extras) | self._extras.take())
        if self._usage:
            chunks.append(usage_chunk(encode_usage(self._usage)))
        return self._halves.join(chunks)

    def _finish_word(self) -> str:
        if self._blocked is not None:
            return "content_filter"
        return decode_finish(self._last, self._calls.count > 0, self._has_content)

    def _response(self, body: Any) -> list[Chunk]:
        if isinstance(body, str) or (isinstance(body, dict) and "error" in body):
            raise Failed(decode_error_value(body, None))
        if not isinstance(body, dict):
            raise wrong_type("event", body)
        self._note(body)
        candidates = body.get("candidates") or ()
        asked = first_choice(candidates)
        self.unasked += len(candidates) - (asked is not None)
        chunks = self._candidate(asked, body) if asked is not None else []
        self.complete = self.finished and bool(body.get("usageMetadata"))
        return chunks

    def _note(self, body: Mapping[str, Any]) -> None:
        if self.model is None:
            self.model = stated_name(body, "modelVersion")
            self._calls.ids.answer = body.get("responseId")
        self._usage = merged(self._usage, body.get("usageMetadata"))
        self._extras.note(answer_extras(body))
        blocked = blocked_reason(body)
        if blocked is not None:
            self._blocked, self.finished = blocked, True

    def _candidate(self, candidate: Mapping[str, Any], body: Mapping[str, Any]) -> list[Chunk]:
        chunks: list[Chunk] = []
        parts = (candidate.get("content") or {}).get("parts") or ()
        if not (self.finished and parts == self._parts):
            for part in parts:
                chunks += self._part(part, body)
        if chunks:
            self._parts = parts
        self._choice_extras.note(choice_facts(candidate))
        self._annotations = decode_grounding(candidate) or self._annotations
        if stated_text(candidate, "finishReason"):
            self._finish(candidate)
        return chunks

    def _finish(self, candidate: Mapping[str, Any]) -> None:
        """The first finish reason counts; a plain stop gives way to any other."""
        if not self.finished or self._last.get("finishReason") == "STOP":
            self.finished, self._last = True, dict(candidate)

    def _part(self, part: Mapping[str, Any], body: Mapping[str, Any]) -> list[Chunk]:
        if "functionCall" in part:
            return self._calls.whole(*decode_call(part, body, self._calls.count))
        if is_image(part):
            self._has_content, self._images = True, self._images + 1
            return [delta(images=[decode_image(part, self._images - 1)])]
        if is_native(part):
            self._has_content = self._has_content or says_something(part)
            return [delta(**self._lists.pieces({"native_content": [part]}))]
        text = stated_text(part, "text")
        if part.get("thought"):
            return [delta(reasoning_content=text)] if text else []
        self._signature |= signed(part)
        if not text:
            return []
        self._has_content = True
        if self._unfence is not None:
            text = self._unfence.feed(text)
        return [delta(content=text)] if text else []
