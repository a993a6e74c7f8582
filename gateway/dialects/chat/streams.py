"""Streams: a server's chunks → the hub's, and the hub's → the bytes of the client's event stream.

Chunks are rebuilt, never passed through: servers repeat the role, restart tool-call indexes, leave out ids, put
usage in four places, and pad with keys that break strict clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from gateway import sse
from gateway.dialects.chat.answer_fields import answer_extras, choice_extras, message_extras, tool_call_extras
from gateway.dialects.chat.answers import says_something
from gateway.dialects.chat.content import decode_content
from gateway.dialects.chat.errors import decode_error_value, is_error
from gateway.dialects.chat.finish import decode_finish
from gateway.dialects.chat.think_tags import Splitter
from gateway.dialects.chat.tools import decode_id
from gateway.dialects.chat.usage import encode_usage
from gateway.failures import Failed, Failure, Kind
from gateway.hub import exact_json
from gateway.hub.answer_fields import ANSWER_TYPES, Deltas, Held, is_logprobs
from gateway.hub.chunks import ToolCalls, delta, finish, late, usage_chunk
from gateway.hub.contracts import Encoded
from gateway.hub.counts import merged
from gateway.hub.shapes import table
from gateway.hub.structured_output import Unfence
from gateway.hub.tools import arguments_text, digest
from gateway.types import Chunk

_PLAIN: Final = frozenset({"role", "content", "reasoning_content", "reasoning", "tool_calls"})
"""The fields of most deltas; any other one needs a closer look."""


class _Choice:
    """What is known so far of one choice."""

    def __init__(self, index: int, encoded: Encoded) -> None:
        self.index = index
        self.calls = ToolCalls(encoded, index)
        self.slots: dict[int, _Slot] = {}
        """The provider's index → the call that has it now."""
        self.ids: set[str] = set()
        """Every id that has been given out."""
        self.finished = False
        self.unfence = Unfence() if encoded.unfence else None
        self.splitter = Splitter() if encoded.think_tags else None
        self.extras = Held()
        self.deltas = Deltas()
        self.held: list[Chunk] | None = []
        """Facts about an answer that has not begun: what has content begins it. None from then on."""


class _Slot:
    """A call that streams in: what tells its next delta from the beginning of another call."""

    def __init__(self, key: str, stated: str | None, name: str) -> None:
        self.key = key
        """The id that the client sees."""
        self.stated = stated
        """The id that the server gave it."""
        self.name = name
        self.arguments: list[str] = []

    def is_continued_by(self, stated: str | None, name: str, arguments: Any) -> bool:
        """Whether a delta with this id, name and arguments goes on with the call.

        Servers repeat id or name in every delta, send index 0 for all calls, or no id at all: then another name begins
        a call, and so does the same name again with more to say although the arguments are whole.
        """
        if not name or (stated and stated == self.stated):
            return True
        if stated or name != self.name:
            return False
        return not arguments or not self.is_whole()

    def is_whole(self) -> bool:
        """Whether the arguments so far are JSON."""
        try:
            orjson.loads("".join(self.arguments))
        except orjson.JSONDecodeError:
            return False
        return True


class StreamDecoder:
    """Reads a stream of `chat.completion.chunk`s, from the strictest server to the sloppiest."""

    def __init__(self, encoded: Encoded) -> None:
        self.model: str | None = None
        self.finished = False
        self._encoded = encoded
        self._choices: dict[int, _Choice] = {}
        wanted = encoded.body.get("n")
        self._wanted = wanted if isinstance(wanted, int) else 1
        """How many choices there will be: one may end before the next begins."""
        self._usage: dict[str, Any] = {}
        self._extras = Held(ANSWER_TYPES)
        self._id = ""

    def decode(self, event: sse.Event) -> list[Chunk]:
        """The chunks of one event. Raises `Failed` for an error event, broken JSON, a finish that is none."""
        data = event.data.strip()
        if data == b"[DONE]":
            return self._end()
        if not data:
            return []  # a sign of life
        body = self._loads(event)
        if self.model is None and body.get("model"):
            self.model = body["model"]
            self._id = str(body.get("id") or "")
        self._note_usage(body)
        self._extras.note(answer_extras(body))
        chunks: list[Chunk] = []
        for choice in body.get("choices") or ():
            chunks += self._decode_choice(choice)
        return chunks

    def flush(self) -> list[Chunk]:
        """The usage chunk. Raises `Failed` when the stream ended without a finish reason and without `[DONE]`."""
        if self.finished:
            return self._take_usage()
        raise Failed(Failure(Kind.TRUNCATED, "the provider's stream ended without a finish reason"))

    def _end(self) -> list[Chunk]:
        """`[DONE]`: some servers never send a finish reason, or an empty one, but say that they are done."""
        open_ = [choice for choice in self._choices.values() if not choice.finished]
        if any(slot.arguments and not slot.is_whole() for choice in open_ for slot in choice.slots.values()):
            raise Failed(Failure(Kind.TRUNCATED, "the provider's stream ended inside the arguments of a tool call"))
        chunks = [chunk for choice in open_ for chunk in self._finish(choice, "stop")]
        self.finished = bool(self._choices)  # fewer than were asked for, perhaps, but there will be no more
        return chunks + self._take_usage() if self.finished else []

    def _loads(self, event: sse.Event) -> dict[str, Any]:
        try:
            body = exact_json.loads(event.data)
        except ValueError as error:
            if event.name == b"error":
                raise Failed(decode_error_value(event.data.decode("utf-8", "replace"), None)) from error
            raise Failed(Failure(Kind.MALFORMED, f"the provider sent an event that is no JSON: {error}")) from error
        if isinstance(body, list) and body and isinstance(body[0], dict):
            body = body[0]
        if not isinstance(body, dict):
            raise Failed(Failure(Kind.MALFORMED, "the provider sent an event that is no JSON object"))
        if event.name == b"error" or is_error(body):
            raise Failed(decode_error_value(body, None))
        inner = body.get("x_groq")
        if inner and inner.get("error"):
            raise Failed(decode_error_value(inner, None))
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
        extras = self._extras.last() if usage is not None else self._extras.take()
        if usage is not None:
            return [usage_chunk(usage, extras)]
        return [late(extras)] if extras else []

    def _decode_choice(self, body: Mapping[str, Any]) -> list[Chunk]:
        if body.get("error"):
            raise Failed(decode_error_value(body, None))
        index = body.get("index") or 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index, self._encoded)
        if body.get("usage"):
            self._usage = merged(self._usage, body["usage"])
        choice.extras.note(choice_extras(body))
        if choice.finished:
            return []  # some servers repeat themselves after the finish reason
        fields = body.get("delta")
        if fields is None:
            fields = body.get("message") or {}
        chunks = self._decode_delta(choice, fields)
        logprobs = body.get("logprobs")
        if logprobs and not is_logprobs(logprobs):
            choice.extras.note({"native_logprobs": logprobs})
            logprobs = None
        if logprobs and not chunks and (logprobs.get("content") or logprobs.get("refusal")):
            chunks = [delta(index, content="")]  # a token that is no whole letter yet
        if logprobs and chunks:
            chunks[0]["choices"][0]["logprobs"] = logprobs
        reason = body.get("finish_reason")
        if reason:  # an empty one comes with every chunk of some servers, and with the last of others: `[DONE]` tells
            chunks += self._finish(choice, reason)
        return chunks

    def _decode_delta(self, choice: _Choice, fields: Mapping[str, Any]) -> list[Chunk]:
        said = decode_content(fields)
        chunks = [delta(choice.index, reasoning_content=said.reasoning)] if said.reasoning else []
        if said.text:
            chunks += self._content(choice, said.text)
        if isinstance(fields.get("content"), list) or not _PLAIN.issuperset(fields):
            chunks += self._rare(choice, fields)
        for call in fields.get("tool_calls") or ():
            chunks += self._tool_call(choice, call)
        return chunks if choice.held is None else self._begun(choice, choice.held + chunks)

    def _begun(self, choice: _Choice, chunks: list[Chunk]) -> list[Chunk]:
        """`chunks`, or none of them yet."""
        if any(says_something(chunk["choices"][0]["delta"]) for chunk in chunks):
            choice.held = None
            return chunks
        choice.held = chunks
        return []

    def _content(self, choice: _Choice, text: str, *, last: bool = False) -> list[Chunk]:
        """Content without what does not belong to it; `last` gives out what was held back."""
        reasoning = ""
        if choice.splitter:
            text, reasoning = choice.splitter.flush() if last else choice.splitter.feed(text)
        if choice.unfence:
            text = choice.unfence.feed(text) if text else ""
            text += choice.unfence.flush() if last else ""
        chunks = [delta(choice.index, reasoning_content=reasoning)] if reasoning else []
        return [*chunks, delta(choice.index, content=text)] if text else chunks

    def _rare(self, choice: _Choice, fields: Mapping[str, Any]) -> list[Chunk]:
        extras = message_extras(fields, whole=False)
        if fields.get("refusal"):
            extras["refusal"] = fields["refusal"]
        pieces = choice.deltas.pieces(extras)
        chunks = [delta(choice.index, **pieces)] if pieces else []
        if fields.get("function_call"):
            chunks += self._tool_call(choice, {"index": 0, "function": fields["function_call"]})
        return chunks

    def _tool_call(self, choice: _Choice, call: Mapping[str, Any]) -> list[Chunk]:
        """One delta of a call. A new id at an old index is a new call: several servers send index 0 for all."""
        stated, function = decode_id(call.get("id")), call.get("function") or {}
        name = function.get("name") or (call.get("custom") or {}).get("name") or ""
        arguments = function.get("arguments")
        place = call.get("index")
        if place is None:
            place = self._place_of(choice, stated, name, arguments)
        chunks: list[Chunk] = []
        slot = choice.slots.get(place)
        if slot is None or not slot.is_continued_by(stated, name, arguments):
            if slot is not None:
                chunks += choice.calls.end(slot.key)
            slot = choice.slots[place] = _Slot(self._new_id(choice, stated), stated, name)
            if "custom" in call:
                return chunks + self._custom(choice, slot.key, call)
            chunks += choice.calls.start(slot.key, slot.key, name, tool_call_extras(call))
        elif "custom" in call:
            return choice.calls.custom_text(slot.key, (call["custom"] or {}).get("input") or "")
        if arguments:
            text = arguments_text(arguments)
            slot.arguments.append(text)
            chunks += choice.calls.arguments(slot.key, text)
        return _joined(chunks)

    def _place_of(self, choice: _Choice, stated: str | None, name: str, arguments: Any) -> int:
        """Where no index is sent: a known id keeps its place, a new call opens one, anything else goes on with the
        last."""
        for place, slot in choice.slots.items():
            if stated and slot.stated == stated:
                return place
        last = max(choice.slots, default=-1)
        goes_on = last >= 0 and choice.slots[last].is_continued_by(stated, name, arguments)
        return last if goes_on else last + 1

    def _new_id(self, choice: _Choice, stated: str | None) -> str:
        """The server's own id, unless another call of the answer has it already."""
        id_ = stated
        if id_ is None or id_ in choice.ids:
            id_ = "call_" + digest(f"{self._id} {choice.index} {choice.calls.count}", 24)
        choice.ids.add(id_)
        return id_

    def _custom(self, choice: _Choice, key: str, call: Mapping[str, Any]) -> list[Chunk]:
        custom = call["custom"] or {}
        name, text = custom.get("name") or "", custom.get("input") or ""
        return choice.calls.start_custom(key, key, name, text, tool_call_extras(call))

    def _finish(self, choice: _Choice, reason: str) -> list[Chunk]:
        word = decode_finish(reason, choice.calls.count)
        choice.finished = True
        finished = [known for known in self._choices.values() if known.finished]
        self.finished = len(finished) >= max(self._wanted, len(self._choices))
        rest = (choice.held or []) + self._content(choice, "", last=True)
        numbers = choice.deltas.numbers()
        chunks = [*rest, *choice.calls.end_all(), *([delta(choice.index, **numbers)] if numbers else [])]
        return [*chunks, finish(word, choice.index, choice.extras.take()) | self._extras.take()]


def _joined(chunks: list[Chunk]) -> list[Chunk]:
    """A call that begins and has its arguments in the same event stays one delta."""
    if len(chunks) < 2:
        return chunks
    first = chunks[-2]["choices"][0]["delta"].get("tool_calls", [{}])[0]
    last = chunks[-1]["choices"][0]["delta"].get("tool_calls", [{}])[0]
    if first.get("index") != last.get("index") or "id" not in first or "function" not in first:
        return chunks
    first["function"]["arguments"] += last["function"]["arguments"]
    return chunks[:-1]


class StreamEncoder:
    """The client's event stream: the envelope, the role once, usage only if asked for, one of two ends."""

    def __init__(
        self,
        id_: str,
        created: int,
        model: str,
        *,
        include_usage: bool = False,
        legacy_functions: bool = False,
    ) -> None:
        envelope = {"id": id_, "object": "chat.completion.chunk", "created": created, "model": model}
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
            out.append(self._event(_as_function_delta(chunk) if self._legacy else chunk))
        return b"".join(out)

    def done(self) -> bytes:
        """The end of a whole answer."""
        return sse.DONE

    def error(self, error: Mapping[str, Any]) -> bytes:
        """The end of a broken one: `error` as `encode_error` makes it, and no `[DONE]`. SDKs raise on it."""
        return sse.encode(orjson.dumps(error))

    def _role(self, index: int) -> bytes:
        self._roles.add(index)
        return self._event(delta(index, role="assistant", content=""))

    def _event(self, chunk: Chunk) -> bytes:
        return self._head + exact_json.dumps(chunk)[1:] + b"\n\n"


def _without_usage(chunk: Chunk) -> Chunk:
    """The last chunk for a client that did not ask for counts: what else came with them, if anything.

    It has a choice, because such a client reads the first choice of every chunk.
    """
    if _COUNTS_ONLY.issuperset(chunk):
        return chunk
    return late({key: value for key, value in chunk.items() if key not in ("choices", "usage")})


_COUNTS_ONLY: Final = frozenset({"choices", "usage", "system_fingerprint"})
"""A chunk with nothing new but the counts: the fingerprint is a repetition."""


def _as_function_delta(chunk: Chunk) -> Chunk:
    """A chunk in the deprecated form; calls after the first have no place there."""
    for choice in chunk["choices"]:
        calls = choice["delta"].pop("tool_calls", None)
        if calls and calls[0]["index"] == 0:
            choice["delta"]["function_call"] = calls[0]["function"]
        if choice["finish_reason"] == "tool_calls":
            choice["finish_reason"] = "function_call"
    return chunk
