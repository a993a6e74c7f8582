"""Streams: a server's chunks → the hub's, and the hub's → the bytes of the client's event stream.

Chunks are rebuilt, never passed through: servers repeat the role, restart tool-call indexes, leave
out ids, put usage in four places, and pad with keys that break strict clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from gateway import sse
from gateway.dialects.chat.answer_fields import (
    answer_extras,
    choice_facts,
    finish_extras,
    message_extras,
)
from gateway.dialects.chat.answers import says_something
from gateway.dialects.chat.choices import PLAIN, Choice, Pattern, pattern
from gateway.dialects.chat.content import decode_content
from gateway.dialects.chat.errors import decode_error_value, is_error
from gateway.dialects.chat.finish import check_end, decode_finish
from gateway.dialects.chat.usage import encode_usage
from gateway.failures import Failed, Failure, Kind
from gateway.hub import exact_json
from gateway.hub.answer_fields import ANSWER_TYPES, Held, is_logprobs
from gateway.hub.answer_types import not_json, stated_text
from gateway.hub.chunks import delta, finish, is_asked, late, usage_chunk
from gateway.hub.contracts import Encoded
from gateway.hub.counts import merged
from gateway.hub.halves import Halves
from gateway.hub.shapes import table
from gateway.types import Chunk


class StreamDecoder:
    """Reads a stream of `chat.completion.chunk`s, from the strictest server to the sloppiest.

    A finish reason is held back to the end: some servers send content behind it.
    """

    complete = False

    def __init__(self, encoded: Encoded) -> None:
        self.model: str | None = None
        self.finished = False
        self.ended = False
        self.unasked = 0
        self._encoded = encoded
        self._choices: dict[int, Choice] = {}
        wanted = encoded.body.get("n")
        self._wanted = wanted if isinstance(wanted, int) else 1
        """How many choices there will be: one may end before the next begins."""
        self._finished: list[Choice] = []
        """Those that have a finish reason, in its order."""
        self._usage: dict[str, Any] = {}
        self._extras = Held(ANSWER_TYPES)
        self._id = ""
        self._halves = Halves()
        self._pattern: Pattern | None = None
        """The last event that was read whole, if it had nothing but text."""

    def decode(self, event: sse.Event) -> list[Chunk]:
        """The content of one event. Raises `Failed` for an error event, broken JSON, an unknown
        finish."""
        if self.ended:
            return []
        data = event.data
        if data[:1] != b"{":
            data = data.strip()
            if not data:
                return []  # a sign of life
            if data == b"[DONE]":
                self._done()
                return []
        body = self._loads(event)
        if self._pattern is not None and not event.name and not self._halves.used:
            chunk = self._pattern.chunk(body)
            if chunk is not None:
                return [chunk]
        chunks = self._decode(event, body)
        self._pattern = pattern(body, self._choices)
        return self._halves.join(chunks) if self._halves.used else chunks

    def _decode(self, event: sse.Event, body: dict[str, Any]) -> list[Chunk]:
        inner = body.get("x_groq")
        if event.name == b"error" or is_error(body):
            raise Failed(decode_error_value(body, None))
        if inner and inner.get("error"):
            raise Failed(decode_error_value(inner, None))
        if self.model is None and body.get("model"):
            self.model = stated_text(body, "model")
        if not self._id and body.get("id"):
            self._id = str(body["id"])
        if body.get("usage") or "x_groq" in body:
            self._note_usage(body)
        self._extras.note(answer_extras(body))
        chunks: list[Chunk] = []
        for choice in body.get("choices") or ():
            chunks += self._decode_choice(choice)
        return chunks

    def flush(self) -> list[Chunk]:
        """The end, once. Raises `Failed` when the stream ended without a finish reason and without
        `[DONE]`."""
        if not self.finished:
            raise Failed(
                Failure(Kind.TRUNCATED, "the provider's stream ended without a finish reason")
            )
        self.ended = True
        choices, self._finished = self._finished, []
        chunks = [chunk for choice in choices for chunk in self._end(choice)]
        return self._halves.join(chunks + self._take_usage())

    def _done(self) -> None:
        """`[DONE]`: some servers never send a finish reason, or an empty one, but say that they are
        done. Raises `Failed` where the server is not one of them."""
        open_ = [choice for choice in self._choices.values() if choice.reason is None]
        if any(slot.is_cut() for choice in open_ for slot in choice.slots.values()):
            raise Failed(
                Failure(
                    Kind.TRUNCATED,
                    "the provider's stream ended inside the arguments of a tool call",
                )
            )
        for choice in open_:
            check_end(choice.unfinished, choice.arguments(), self._encoded)
            self._finish(choice, "stop")
        # fewer than were asked for, perhaps, but there will be no more
        self.finished = bool(self._choices)
        self.ended = True

    def _loads(self, event: sse.Event) -> dict[str, Any]:
        data = event.data
        try:
            body = exact_json.loads(data) if b"\\u" not in data else self._halves.loads(data)
        except ValueError as error:
            if event.name == b"error":
                raise Failed(
                    decode_error_value(event.data.decode("utf-8", "replace"), None)
                ) from error
            raise not_json(error) from error
        if isinstance(body, list) and body and isinstance(body[0], dict):
            body = body[0]
        if not isinstance(body, dict):
            raise Failed(
                Failure(Kind.MALFORMED, "the provider sent an event that is not a JSON object")
            )
        return body

    def _note_usage(self, body: Mapping[str, Any]) -> None:
        """The counts are in the chunk, in a vendor's envelope, or in the choice."""
        usage = body.get("usage")
        if not usage and "x_groq" in body:
            usage = table(body, "x_groq").get("usage")
        if usage:
            self._usage = merged(self._usage, usage)

    def _take_usage(self) -> list[Chunk]:
        usage, self._usage = encode_usage(self._usage), {}
        return [usage_chunk(usage, self._extras.last())] if usage is not None else []

    def _choice(self, index: Any) -> Choice | None:
        """The choice with this index; None for one that was not asked for."""
        index = 0 if index is None else index
        if not is_asked(index, self._wanted):
            self.unasked += 1
            return None
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice(index, self._encoded, self._id)
        return choice

    def _decode_choice(self, body: Mapping[str, Any]) -> list[Chunk]:
        if body.get("error"):
            raise Failed(decode_error_value(body, None))
        choice = self._choice(body.get("index"))
        if choice is None:
            return []
        if body.get("usage"):
            self._usage = merged(self._usage, body["usage"])
        if facts := choice_facts(body):
            choice.extras.note(facts)
        stated = body.get("delta")  # some servers send a whole message in a stream
        fields = stated if stated is not None else body.get("message") or {}
        chunks = [] if choice.repeats(body, fields) else self._decode_delta(choice, fields)
        if chunks or says_something(fields):
            choice.last = fields
        if body.get("logprobs"):
            chunks = _with_logprobs(choice, chunks, body["logprobs"])
        reason = body.get("finish_reason")
        # an empty one comes with every chunk of some servers, and with the last of others: `[DONE]`
        # tells
        if reason:
            self._finish(choice, reason)
        else:
            choice.unfinished = reason
        return chunks

    def _decode_delta(self, choice: Choice, fields: Mapping[str, Any]) -> list[Chunk]:
        said = decode_content(fields)
        chunks = [delta(choice.index, reasoning_content=said.reasoning)] if said.reasoning else []
        if said.text:
            chunks += self._content(choice, said.text)
        if isinstance(fields.get("content"), list) or not PLAIN.issuperset(fields):
            chunks += self._rare(choice, fields)
        for call in fields.get("tool_calls") or ():
            chunks += choice.tool_call(call)
        return choice.begun(chunks)

    def _content(self, choice: Choice, text: str, *, last: bool = False) -> list[Chunk]:
        """Content without what does not belong to it; `last` gives out what was held back."""
        reasoning = ""
        if choice.splitter:
            text, reasoning = choice.splitter.flush() if last else choice.splitter.feed(text)
        if choice.unfence:
            text = choice.unfence.feed(text) if text else ""
            text += choice.unfence.flush() if last else ""
        chunks = [delta(choice.index, reasoning_content=reasoning)] if reasoning else []
        return [*chunks, delta(choice.index, content=text)] if text else chunks

    def _rare(self, choice: Choice, fields: Mapping[str, Any]) -> list[Chunk]:
        extras = message_extras(fields, whole=False)
        if fields.get("refusal"):
            extras["refusal"] = fields["refusal"]
        pieces = choice.deltas.pieces(extras)
        chunks = [delta(choice.index, **pieces)] if pieces else []
        if fields.get("function_call"):
            chunks += choice.tool_call({"index": 0, "function": fields["function_call"]})
        return chunks

    def _finish(self, choice: Choice, reason: str) -> None:
        if choice.reason is None:
            self._finished.append(choice)
        choice.finish(reason)
        self.finished = len(self._finished) >= max(self._wanted, len(self._choices))

    def _end(self, choice: Choice) -> list[Chunk]:
        """The held-back text of a choice, and its finish."""
        rest = choice.held_back() + self._content(choice, "", last=True) + choice.calls.end_all()
        numbers = choice.deltas.numbers()
        if numbers:
            rest.append(delta(choice.index, **numbers))
        word = decode_finish(choice.reason or "", choice.calls.count)
        extras = finish_extras(choice.reason) | choice.extras.take()
        return [*rest, finish(word, choice.index, extras) | self._extras.take()]


def _with_logprobs(choice: Choice, chunks: list[Chunk], logprobs: Any) -> list[Chunk]:
    """The probabilities of the tokens, on the first of their chunks."""
    if not is_logprobs(logprobs):
        choice.extras.note({"native_logprobs": logprobs})
        return chunks
    if choice.reason is not None and not chunks:
        return chunks
    if not chunks and (logprobs.get("content") or logprobs.get("refusal")):
        chunks = [delta(choice.index, content="")]  # a token that is not a whole letter yet
    if chunks:
        chunks[0]["choices"][0]["logprobs"] = logprobs
    return chunks


class StreamEncoder:
    """The client's event stream: the envelope, the role once, usage only if asked for, one of two
    ends."""

    def __init__(
        self,
        id_: str,
        created: int,
        model: str,
        *,
        include_usage: bool = False,
        legacy_functions: bool = False,
    ) -> None:
        envelope = {
            "id": id_,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._head = b"data: " + orjson.dumps(envelope)[:-1] + b","
        self._include_usage = include_usage
        self._legacy = legacy_functions
        self._roles: set[int] = set()

    def encode(self, chunks: Iterable[Chunk]) -> bytes:
        """The events of `chunks`; all that arrived together leaves together."""
        out = []
        for chunk in chunks:
            choices = chunk["choices"]
            if not choices and not self._include_usage:
                chunk = _without_usage(chunk)
                choices = chunk["choices"]
                if not choices:
                    continue
            if choices and choices[0]["index"] not in self._roles:
                out.append(self._role(choices[0]["index"]))
            if self._legacy:
                chunk = _as_function_delta(chunk)
            out.append(self._head + exact_json.dumps(chunk)[1:] + b"\n\n")
        return b"".join(out)

    def done(self) -> bytes:
        """The end of a whole answer."""
        return sse.DONE

    def error(self, error: Mapping[str, Any]) -> bytes:
        """The end of a broken one: `error` as `encode_error` makes it, and no `[DONE]`. SDKs raise
        on it."""
        return sse.encode(orjson.dumps(error))

    def _role(self, index: int) -> bytes:
        self._roles.add(index)
        chunk = delta(index, role="assistant", content="")
        return self._head + exact_json.dumps(chunk)[1:] + b"\n\n"


def _without_usage(chunk: Chunk) -> Chunk:
    """The last chunk for a client that did not ask for counts: what else came with them, if
    anything.

    It has a choice, because such a client reads the first choice of every chunk.
    """
    if _COUNTS_ONLY.issuperset(chunk):
        return chunk
    return late({key: value for key, value in chunk.items() if key not in ("choices", "usage")})


_COUNTS_ONLY: Final = frozenset({"choices", "usage", "system_fingerprint"})
"""A chunk with nothing new but the counts: the fingerprint is a repetition."""


def _as_function_delta(chunk: Chunk) -> Chunk:
    """A chunk in the deprecated form; which supports only the first call."""
    for choice in chunk["choices"]:
        calls = choice["delta"].pop("tool_calls", None)
        if calls and calls[0]["index"] == 0 and "function" in calls[0]:
            choice["delta"]["function_call"] = calls[0]["function"]
        if choice["finish_reason"] == "tool_calls":
            choice["finish_reason"] = "function_call"
    return chunk
