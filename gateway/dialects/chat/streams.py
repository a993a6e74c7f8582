"""Streams: a server's chunks → the hub's, and the hub's → the bytes of the client's event stream.

Chunks are rebuilt, never passed through: servers repeat the role, restart tool-call indexes, leave out ids, put
usage in four places, and pad with keys that break strict clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from gateway import sse
from gateway.dialects.chat.content import decode_content
from gateway.dialects.chat.errors import decode_error_value
from gateway.dialects.chat.finish import decode_finish
from gateway.dialects.chat.usage import decode_usage
from gateway.dialects.chunks import ToolCalls, delta, finish, usage_chunk, usage_dict
from gateway.dialects.contract import Encoded
from gateway.dialects.structured import Unfence
from gateway.dialects.tools import arguments_text, digest
from gateway.failures import Failed, Failure, Kind
from gateway.types import Chunk

_RARE: Final = frozenset({"refusal", "annotations", "audio", "reasoning_details", "function_call", "images"})
_LISTS: Final = frozenset({"annotations", "reasoning_details", "images"})


class _Choice:
    """What is known so far of one choice."""

    def __init__(self, index: int, encoded: Encoded) -> None:
        self.index = index
        self.calls = ToolCalls(encoded, index)
        self.slots: dict[int, str] = {}
        """The provider's index → the id of the call that has it now."""
        self.finished = False
        self.unfence = Unfence() if encoded.unfence else None


class StreamDecoder:
    """Reads a stream of `chat.completion.chunk`s, from the strictest server to the sloppiest."""

    def __init__(self, encoded: Encoded) -> None:
        self.model: str | None = None
        self.finished = False
        self._encoded = encoded
        self._choices: dict[int, _Choice] = {}
        self._usage: Any = None
        self._id = ""
        self._done = False

    def decode(self, event: sse.Event) -> list[Chunk]:
        """The chunks of one event. Raises `Failed` for an error event, broken JSON, a finish that is none."""
        if event.data == b"[DONE]":
            self._done = True
            return self._take_usage() if self.finished else []
        body = self._loads(event)
        if self.model is None and body.get("model"):
            self.model = body["model"]
            self._id = str(body.get("id") or "")
        self._note_usage(body)
        chunks: list[Chunk] = []
        for choice in body.get("choices") or ():
            chunks += self._decode_choice(choice)
        return chunks

    def flush(self) -> list[Chunk]:
        """The usage chunk. Raises `Failed` when the stream ended without a finish reason and without `[DONE]`."""
        if self.finished:
            return self._take_usage()
        if self._done and self._choices:
            # Some servers never send a finish reason, but say that they are done.
            chunks = [chunk for choice in self._choices.values() for chunk in self._finish(choice, "stop")]
            return chunks + self._take_usage()
        raise Failed(Failure(Kind.TRUNCATED, "the provider's stream ended without a finish reason"))

    def _loads(self, event: sse.Event) -> dict[str, Any]:
        try:
            body = orjson.loads(event.data)
        except orjson.JSONDecodeError as error:
            raise Failed(Failure(Kind.MALFORMED, f"the provider sent an event that is no JSON: {error}")) from error
        if not isinstance(body, dict):
            raise Failed(Failure(Kind.MALFORMED, "the provider sent an event that is no JSON object"))
        if body.get("error") or event.name == b"error" or body.get("object") == "error":
            raise Failed(decode_error_value(body, None))
        inner = body.get("x_groq")
        if inner and inner.get("error"):
            raise Failed(decode_error_value(inner, None))
        return body

    def _note_usage(self, body: Mapping[str, Any]) -> None:
        """The last count wins; it may lie in the chunk, in a vendor's envelope, or in the choice."""
        usage = body.get("usage") or (body.get("x_groq") or {}).get("usage")
        if usage:
            self._usage = usage

    def _take_usage(self) -> list[Chunk]:
        usage, self._usage = decode_usage(self._usage), None
        return [usage_chunk(usage_dict(usage))] if usage is not None else []

    def _decode_choice(self, body: Mapping[str, Any]) -> list[Chunk]:
        if body.get("error"):
            raise Failed(decode_error_value(body, None))
        index = body.get("index") or 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index, self._encoded)
        if body.get("usage"):
            self._usage = body["usage"]
        if choice.finished:
            return []  # some servers repeat themselves after the finish reason
        fields = body.get("delta") or body.get("message") or {}
        chunks = self._decode_delta(choice, fields)
        if body.get("logprobs") and chunks:
            chunks[0]["choices"][0]["logprobs"] = body["logprobs"]
        reason = body.get("finish_reason")
        if reason is not None and (reason or choice.calls.count):
            chunks += self._finish(choice, reason)
        return chunks

    def _decode_delta(self, choice: _Choice, fields: Mapping[str, Any]) -> list[Chunk]:
        said = decode_content(fields)
        chunks: list[Chunk] = []
        if said.reasoning:
            chunks.append(delta(choice.index, reasoning_content=said.reasoning))
        text = choice.unfence.feed(said.text) if choice.unfence and said.text else said.text
        if text:
            chunks.append(delta(choice.index, content=text))
        if not _RARE.isdisjoint(fields):
            chunks += self._rare(choice, fields)
        for call in fields.get("tool_calls") or ():
            chunks += self._tool_call(choice, call)
        return chunks

    def _rare(self, choice: _Choice, fields: Mapping[str, Any]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for key in _RARE & fields.keys():
            value = fields[key]
            if not value:
                continue
            if key == "function_call":
                chunks += self._tool_call(choice, {"index": 0, "function": value})
            else:
                chunks.append(delta(choice.index, **{key: _indexed(value) if key in _LISTS else value}))
        return chunks

    def _tool_call(self, choice: _Choice, call: Mapping[str, Any]) -> list[Chunk]:
        """One delta of a call. A new id at an old index is a new call: several servers send index 0 for all."""
        slot, id_ = call.get("index"), call.get("id")
        id_ = None if id_ == "null" else id_
        if slot is None:
            slot = self._slot_of(choice, id_)
        function = call.get("function") or {}
        chunks: list[Chunk] = []
        known = choice.slots.get(slot)
        if known is None or (id_ and id_ != known and function.get("name")):
            key = id_ or "call_" + digest(f"{self._id} {choice.index} {choice.calls.count}", 24)
            if known is not None:
                chunks += choice.calls.end(known)
            choice.slots[slot] = key
            if "custom" in call:
                return chunks + self._custom(choice, key, call)
            chunks += choice.calls.start(key, key, function.get("name") or "", call.get("extra_content"))
        elif "custom" in call:
            return choice.calls.custom_text(known, (call["custom"] or {}).get("input") or "")
        arguments = function.get("arguments")
        if arguments:
            chunks += choice.calls.arguments(choice.slots[slot], arguments_text(arguments))
        return _joined(chunks)

    def _slot_of(self, choice: _Choice, id_: str | None) -> int:
        """Where no index is sent: a known id keeps its place, a new id opens one, no id goes on with the last."""
        for slot, key in choice.slots.items():
            if key == id_:
                return slot
        last = max(choice.slots, default=-1)
        return last + 1 if id_ or last < 0 else last

    def _custom(self, choice: _Choice, key: str, call: Mapping[str, Any]) -> list[Chunk]:
        custom = call["custom"] or {}
        return choice.calls.start_custom(key, key, custom.get("name") or "", custom.get("input") or "")

    def _finish(self, choice: _Choice, reason: str) -> list[Chunk]:
        word = decode_finish(reason, choice.calls.count)
        choice.finished = True
        self.finished = all(known.finished for known in self._choices.values())
        rest = choice.unfence.flush() if choice.unfence else ""
        chunks = [delta(choice.index, content=rest)] if rest else []
        return [*chunks, *choice.calls.end_all(), finish(word, choice.index)]


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


def _indexed(items: Any) -> Any:
    """Items of a list-valued extension with an integer `index`: one official accumulator crashes without."""
    if not isinstance(items, list):
        return items
    return [
        {"index": place, **item} if isinstance(item, dict) and not isinstance(item.get("index"), int) else item
        for place, item in enumerate(items)
    ]


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
        return self._head + orjson.dumps(chunk)[1:] + b"\n\n"


def _as_function_delta(chunk: Chunk) -> Chunk:
    """A chunk in the deprecated form; calls after the first have no place there."""
    for choice in chunk["choices"]:
        calls = choice["delta"].pop("tool_calls", None)
        if calls and calls[0]["index"] == 0:
            choice["delta"]["function_call"] = calls[0]["function"]
        if choice["finish_reason"] == "tool_calls":
            choice["finish_reason"] = "function_call"
    return chunk
