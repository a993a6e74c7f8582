"""The state of one choice of a stream and of its tool calls, as the different servers send them.

Theory of operation. A tool call streams in as deltas, and the contract says that `index` tells
which call a delta belongs to. Servers do not keep to it: some send index 0 for every call, some no
index, some repeat id and name in every delta, some send the name late, and some send a whole call
once more behind the finish reason.

So a *slot* is the call that has a place now. The place is the server's index; where it sends none,
it is the place of the id, else the last place, else a new one (`Choice._place_of`). For each delta
there are four cases:

1. The finish reason was read, and the slot's call is whole: the delta repeats it and is dropped
   (`Choice._is_said`).
2. The place has no slot, or the delta does not continue its call (`_Slot.is_continued_by`): a new
   slot takes the place, and the call that had it ends.
3. The delta brings the name that the slot lacks: the call is announced to the client only now.
4. Anything else adds to the arguments.

What continues a call is decided by id, then by name, then by whether its arguments are whole JSON
already: a second call of the same tool often differs from a repetition in nothing else.

What the client receives is counted by `hub.chunks.ToolCalls`: places without gaps, an id and a
name sent once, an id that no other call has. A slot's key identifies its call there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialects.chat.answer_fields import tool_call_extras
from gateway.dialects.chat.answers import says_something
from gateway.dialects.chat.finish import decode_finish
from gateway.dialects.chat.think_tags import Splitter
from gateway.dialects.whole import JsonText
from gateway.hub.answer_fields import Deltas, Held
from gateway.hub.calls import stated_id
from gateway.hub.chunks import ToolCalls
from gateway.hub.contracts import Encoded
from gateway.hub.structured_output import Unfence
from gateway.hub.tools import arguments_text
from gateway.types import Chunk

PLAIN: Final = frozenset({"role", "content", "reasoning_content", "reasoning", "tool_calls"})
"""The fields of most deltas; any other one needs a closer look."""


class Choice:
    """The state of one choice so far."""

    def __init__(self, index: int, encoded: Encoded, answer_id: str) -> None:
        self.index = index
        self.calls = ToolCalls(encoded, index)
        self.calls.ids.answer = answer_id
        self.slots: dict[int, _Slot] = {}
        """The provider's index → the call that has it now."""
        self.places: dict[str, int] = {}
        """The id that the server gave a call → its place."""
        self.last_place = -1
        self.reason: str | None = None
        """The finish reason, once the server has stated it."""
        self.unfinished: Any = None
        """The finish reason of the last event that had none: null, or empty."""
        self.last: Mapping[str, Any] = {}
        """The last delta that held something: some servers repeat it behind the finish reason."""
        self.unfence = Unfence() if encoded.unfence else None
        self.splitter = Splitter() if encoded.think_tags else None
        self.extras = Held()
        self.deltas = Deltas()
        self._held: list[Chunk] | None = []
        """Facts about an answer that has not begun: what has content begins it. None from then
        on."""

    @property
    def passes_text(self) -> bool:
        """Whether a text becomes a chunk at once, and as it is."""
        if self.unfence is not None or self.splitter is not None:
            return False
        return self._held is None and self.reason is None

    def begun(self, chunks: list[Chunk]) -> list[Chunk]:
        """`chunks` behind the facts that were held, or none of them as long as all are facts."""
        if self._held is None:
            return chunks
        self._held += chunks
        is_begun = any(says_something(chunk["choices"][0]["delta"]) for chunk in chunks)
        return self.held_back() if is_begun else []

    def held_back(self) -> list[Chunk]:
        """The facts that were held; nothing is held from now on."""
        held, self._held = self._held, None
        return held or []

    def finish(self, reason: str) -> None:
        """Notes the finish reason. The first one counts; a plain stop gives way to any other."""
        word = decode_finish(reason, self.calls.count)
        if self.reason is None or (decode_finish(self.reason, 0) == "stop" and word != "stop"):
            self.reason = reason

    def arguments(self) -> Iterator[JsonText]:
        """The arguments of each call that has a place."""
        return (slot.arguments for slot in self.slots.values())

    def repeats(self, body: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
        """Whether the server says again what it has said before its finish reason: its last delta,
        or all of it."""
        if self.reason is None:
            return False
        return fields == self.last or (body.get("delta") is None and bool(self.last))

    def tool_call(self, call: Mapping[str, Any]) -> list[Chunk]:
        """One delta of a call. A new id at an old index is a new call: several servers send index 0
        for all."""
        stated, function = stated_id(call.get("id")), call.get("function") or {}
        name = function.get("name") or (call.get("custom") or {}).get("name") or ""
        arguments = function.get("arguments")
        place = call.get("index")
        if place is None:
            place = self._place_of(stated, name, arguments)
        chunks: list[Chunk] = []
        slot = self.slots.get(place)
        if slot is not None and self._is_said(slot, stated, name):
            return []
        if slot is None or not slot.is_continued_by(stated, name, arguments):
            chunks, slot = self._new_call(slot, place, call, name)
        elif name and not slot.name:
            chunks = self._late_name(slot, call, name)
        elif "custom" in call:
            return self.calls.custom_text(slot.key, (call["custom"] or {}).get("input") or "")
        if arguments:
            text = arguments_text(arguments)
            slot.add(text)
            chunks += self.calls.arguments(slot.key, text)
        return _joined(chunks)

    def _new_call(
        self, before: _Slot | None, place: int, call: Mapping[str, Any], name: str
    ) -> tuple[list[Chunk], _Slot]:
        """A call begins at a place, and ends the one that had it `before`."""
        stated = stated_id(call.get("id"))
        chunks = self.calls.end(before.key) if before is not None else []
        slot = self.slots[place] = _Slot(self.calls.count, stated, name)
        if isinstance(place, int):
            self.last_place = max(self.last_place, place)
        if stated:
            self.places[stated] = place
        if "custom" in call:
            text = (call["custom"] or {}).get("input") or ""
            return chunks + self.calls.start_custom(
                slot.key, stated, name, text, tool_call_extras(call)
            ), slot
        return chunks + self.calls.start(slot.key, stated, name, tool_call_extras(call)), slot

    def _late_name(self, slot: _Slot, call: Mapping[str, Any], name: str) -> list[Chunk]:
        """The name of a call that began without one; its id may come with it."""
        slot.name, stated, id_ = name, stated_id(call.get("id")), None
        if stated and slot.stated is None:
            slot.stated = id_ = stated
        chunks = self.calls.name(slot.key, name, id_, tool_call_extras(call))
        text = (call.get("custom") or {}).get("input") or ""
        return chunks + self.calls.custom_text(slot.key, text)

    def _place_of(self, stated: str | None, name: str, arguments: Any) -> int:
        """Where no index is sent: a known id keeps its place, a new call opens one, anything else
        goes on with the last."""
        place = self.places.get(stated) if stated else None
        if place is not None and self.slots[place].stated == stated:
            return place
        last = self.last_place
        goes_on = last >= 0 and self.slots[last].is_continued_by(stated, name, arguments)
        return last if goes_on else last + 1

    def _is_said(self, slot: _Slot, stated: str | None, name: str) -> bool:
        """Whether a call that is whole is sent once more behind the finish reason."""
        if self.reason is None or name not in ("", slot.name) or not slot.is_whole():
            return False
        return not stated or stated == slot.stated


class Pattern:
    """An event with nothing but a piece of text or reasoning, as the pattern of the next one.

    Most events of a stream differ in their text alone from the one before. Everything else has
    been read then, and reading it again would change nothing.
    """

    def __init__(self, body: dict[str, Any], stated: dict[str, Any], field: str, choice: Choice):
        """`body` is the event, `stated` its one choice, and `field` has the text. The first two are
        written to."""
        self._body = body
        self._stated = stated
        self._fields: dict[str, Any] = dict(stated["delta"])
        self._field = field
        self._choice = choice
        self._varying = [key for key in _VARYING if key in body]

    def chunk(self, body: dict[str, Any]) -> Chunk | None:
        """The chunk of the next event; None for one that differs in more than its text."""
        same, alike, name = self._body, self._stated, self._field
        try:
            for key in self._varying:
                same[key] = body[key]
            (stated,) = body["choices"]
            alike["delta"] = fields = stated["delta"]
            self._fields[name] = text = fields[name]
            index = stated["index"]
        except (KeyError, TypeError, ValueError):
            return None
        if body != same or stated != alike or fields != self._fields:
            return None
        if type(text) is not str or not text or type(index) is not int:
            return None
        self._choice.last = fields
        said = {_SAID[name]: text}
        return {"choices": [{"index": index, "delta": said, "finish_reason": None}]}


_VARYING: Final = ("choices", "created", "id", "obfuscation", "p")
"""What of an event is not read again once the answer has begun, beside the choices."""
_MORE: Final = ("usage", "logprobs", "finish_reason")
_SAID: Final = {
    "content": "content",
    "reasoning_content": "reasoning_content",
    "reasoning": "reasoning_content",
}
"""What a piece of text is called → in the hub."""


def pattern(body: dict[str, Any], choices: Mapping[int, Choice]) -> Pattern | None:
    """An event that has been read, as a pattern; None for one that says more."""
    listed = body.get("choices")
    if not listed or len(listed) > 1 or body.get("usage") or "x_groq" in body:
        return None
    (stated,) = listed
    index, fields = stated.get("index"), stated.get("delta")
    choice = choices.get(index) if type(index) is int else None
    if not fields or choice is None or not choice.passes_text or any(map(stated.get, _MORE)):
        return None
    named = [key for key in fields if fields[key] and key != "role"]
    if len(named) != 1 or named[0] not in _SAID or not PLAIN.issuperset(fields):
        return None
    return Pattern(body, stated, named[0], choice)


class _Slot:
    """A call that streams in: what tells its next delta from the beginning of another call."""

    def __init__(self, key: int, stated: str | None, name: str) -> None:
        self.key = key
        """Identifies the call within the choice."""
        self.stated = stated
        """The id that the server gave it."""
        self.name = name
        self.arguments = JsonText()

    def is_continued_by(self, stated: str | None, name: str, arguments: Any) -> bool:
        """Whether a delta with this id, name and arguments goes on with the call.

        Servers repeat id or name in every delta, send index 0 for all calls, or no id at all: then
        another name begins a call, and so does the same name again with more to say although the
        arguments are whole.
        """
        if stated and stated == self.stated:
            return True
        if not name:
            # another id behind a whole call: its name is late
            return not (stated and self.stated and self.is_whole())
        if not self.name:
            return stated is None or self.stated is None
        if stated or name != self.name:
            return False
        return not arguments or not self.arguments.is_whole()

    def add(self, text: str) -> None:
        """More of the arguments."""
        self.arguments.add(text)

    def is_cut(self) -> bool:
        """Whether the arguments have begun, and are no JSON yet."""
        return self.arguments.has_begun and not self.arguments.is_whole()

    def is_whole(self) -> bool:
        """Whether the arguments are JSON to their end."""
        return self.arguments.is_whole()


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
