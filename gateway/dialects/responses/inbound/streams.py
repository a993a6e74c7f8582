"""A streamed answer: `response.created`, the items, one of three ends.

On the native lane the provider's own events pass unchanged; the encoder notes what it needs for an
answer that breaks off, for a keep-alive, and for the endpoint that stores the response.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gateway import sse
from gateway.dialects.responses.inbound.answers import (
    compaction_item,
    ended,
    extras_of,
    new_response,
    notes_of,
    with_extras,
)
from gateway.dialects.responses.inbound.errors import in_band
from gateway.dialects.responses.inbound.native_events import Passage
from gateway.dialects.responses.inbound.output import Output
from gateway.dialects.responses.inbound.writer import Writer
from gateway.hub.contracts import Answer, Batch, Refusal
from gateway.types import Chunk

_NOTHING: Final[Sequence[Any]] = ()


class StreamEncoder:
    """Writes one answer. `response` is the final response object once the answer has ended well."""

    def __init__(self, answer: Answer) -> None:
        self.response: dict[str, Any] | None = None
        self._answer = answer
        self._notes = notes_of(answer)
        self._writer = Writer()
        self._state = new_response(answer)
        self._output = Output(self._writer, self._notes, answer.id)
        self._passage: Passage | None = None
        self._begun = False
        self._finish: str | None = None
        self._finished = False
        self._usage: Any = None
        self._extras: dict[str, Any] = {}
        self._summary: list[str] = []

    def encode(self, batch: Batch) -> bytes:
        """The events of a batch; the first one opens the stream."""
        if batch.events is not None:
            return self._pass(batch.events)
        self._begin()
        for chunk in batch.chunks:
            self._chunk(chunk)
        return self._writer.take()

    def keep_alive(self) -> bytes:
        """Codex counts only events as life; before the first one it waits without a limit."""
        if self._passage is not None:
            return self._passage.keep_alive()
        if not self._begun:
            return sse.comment()
        self._writer.event("response.in_progress", response=self._state)
        return self._writer.take()

    def done(self) -> bytes:
        """The end of a whole answer."""
        if self._passage is not None:
            self.response, data = self._passage.done()
            return data
        self._begin()
        finish = None if self._notes.compacting else self._finish
        self._complete()
        output = self._compacted() if self._notes.compacting else self._output.results()
        state = with_extras(self._state, self._extras)
        self.response = ended(state, output, finish, self._usage)
        self._writer.event(f"response.{self.response['status']}", response=self.response)
        return self._writer.take()

    def error(self, refusal: Refusal) -> bytes:
        """The end of a broken answer: `error`, then `response.failed`, since no client reads both.
        What is open stays open: a client acts on an item that is done."""
        if self._passage is not None:
            return self._passage.error(in_band(refusal))
        self._begin()
        fields = in_band(refusal)
        self._writer.event("error", **fields)
        failed = {
            "status": "failed",
            "error": {"code": fields["code"], "message": fields["message"]},
        }
        self._writer.event(
            "response.failed", response={**self._state, **failed, "output": self._output.results()}
        )
        return self._writer.take()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._writer.event("response.created", response=self._state)
            self._writer.event("response.in_progress", response=self._state)

    def _pass(self, events: Sequence[sse.Event]) -> bytes:
        if self._passage is None:
            self._passage = Passage(self._state)
        return self._passage.encode(events)

    def _chunk(self, chunk: Chunk) -> None:
        if len(chunk) > 1:
            self._extras |= extras_of(chunk, {})
            self._usage = chunk.get("usage") or self._usage
        for choice in chunk["choices"][:1]:
            self._delta(choice["delta"], (choice.get("logprobs") or {}).get("content") or _NOTHING)
            if choice.get("finish_reason"):
                self._finish = choice["finish_reason"]
                self._extras |= extras_of({}, choice)
                self._complete()

    def _delta(self, fields: dict[str, Any], logprobs: Sequence[Any]) -> None:
        if self._finished:
            return
        if self._notes.compacting:
            self._summary.append(fields.get("content") or "")
        else:
            self._output.add(fields, logprobs)

    def _complete(self) -> None:
        if not self._finished:
            self._finished = True
            self._output.end(self._finish)

    def _compacted(self) -> list[dict[str, Any]]:
        """The whole answer is one item, which says nothing before it is whole."""
        item = compaction_item(self._answer, "".join(self._summary))
        self._writer.event(
            "response.output_item.added", output_index=0, item={**item, "encrypted_content": ""}
        )
        self._writer.event("response.output_item.done", output_index=0, item=item)
        return [item]
