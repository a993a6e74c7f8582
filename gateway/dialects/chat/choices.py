"""What is known so far of one choice of a stream, and of its tool calls, as the different servers
send them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.chat.answer_fields import tool_call_extras
from gateway.dialects.chat.answers import says_something
from gateway.dialects.chat.finish import decode_finish
from gateway.dialects.chat.think_tags import Splitter
from gateway.dialects.chat.tools import decode_id
from gateway.dialects.whole import JsonText
from gateway.hub.answer_fields import Deltas, Held
from gateway.hub.chunks import ToolCalls
from gateway.hub.contracts import Encoded
from gateway.hub.structured_output import Unfence
from gateway.hub.tools import arguments_text, digest
from gateway.types import Chunk


class Choice:
    """What is known so far of one choice."""

    def __init__(self, index: int, encoded: Encoded) -> None:
        self.index = index
        self.answer_id = ""
        """The id that the server gave the answer."""
        self.calls = ToolCalls(encoded, index)
        self.slots: dict[int, _Slot] = {}
        """The provider's index → the call that has it now."""
        self.places: dict[str, int] = {}
        """The id that the server gave a call → its place."""
        self.last_place = -1
        self.ids: set[str] = set()
        """Every id that has been given out."""
        self.reason: str | None = None
        """The finish reason, once the server has stated it."""
        self.last: Mapping[str, Any] = {}
        """The last delta that held something: some servers repeat it behind the finish reason."""
        self.unfence = Unfence() if encoded.unfence else None
        self.splitter = Splitter() if encoded.think_tags else None
        self.extras = Held()
        self.deltas = Deltas()
        self._held: list[Chunk] | None = []
        """Facts about an answer that has not begun: what has content begins it. None from then
        on."""

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

    def repeats(self, body: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
        """Whether the server says again what it has said before its finish reason: its last delta,
        or all of it."""
        if self.reason is None:
            return False
        return fields == self.last or (body.get("delta") is None and bool(self.last))

    def tool_call(self, call: Mapping[str, Any]) -> list[Chunk]:
        """One delta of a call. A new id at an old index is a new call: several servers send index 0
        for all."""
        stated, function = decode_id(call.get("id")), call.get("function") or {}
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
        stated = decode_id(call.get("id"))
        chunks = self.calls.end(before.key) if before is not None else []
        slot = self.slots[place] = _Slot(self._new_id(stated), stated, name)
        if isinstance(place, int):
            self.last_place = max(self.last_place, place)
        if stated:
            self.places[stated] = place
        if "custom" in call:
            text = (call["custom"] or {}).get("input") or ""
            return chunks + self.calls.start_custom(
                slot.key, slot.key, name, text, tool_call_extras(call)
            ), slot
        return chunks + self.calls.start(slot.key, slot.key, name, tool_call_extras(call)), slot

    def _late_name(self, slot: _Slot, call: Mapping[str, Any], name: str) -> list[Chunk]:
        """The name of a call that began without one; its id may come with it."""
        slot.name, stated, id_ = name, decode_id(call.get("id")), None
        if stated and slot.stated is None:
            slot.stated, id_ = stated, self._new_id(stated)
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

    def _new_id(self, stated: str | None) -> str:
        """The server's own id, unless another call of the answer has it already."""
        id_ = stated
        if id_ is None or id_ in self.ids:
            id_ = "call_" + digest(f"{self.answer_id} {self.index} {self.calls.count}", 24)
        self.ids.add(id_)
        return id_

    def _is_said(self, slot: _Slot, stated: str | None, name: str) -> bool:
        """Whether a call that is whole is sent once more behind the finish reason."""
        if self.reason is None or name not in ("", slot.name) or not slot.is_whole():
            return False
        return not stated or stated == slot.stated


class _Slot:
    """A call that streams in: what tells its next delta from the beginning of another call."""

    def __init__(self, key: str, stated: str | None, name: str) -> None:
        self.key = key
        """What the calls of the choice are told apart by; the id that the client sees, unless one
        comes later."""
        self.stated = stated
        """The id that the server gave it."""
        self.name = name
        self._arguments = JsonText()

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
        return not arguments or not self._arguments.is_whole()

    def add(self, text: str) -> None:
        """More of the arguments."""
        self._arguments.add(text)

    def is_cut(self) -> bool:
        """Whether the arguments have begun, and are no JSON yet."""
        return self._arguments.has_begun and not self._arguments.is_whole()

    def is_whole(self) -> bool:
        """Whether the arguments are JSON to their end."""
        return self._arguments.is_whole()


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
