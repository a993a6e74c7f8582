"""The order of a conversation: entries as the client lists them → the hub's messages.

A client replays all items of an answer and then the outputs of its tool calls, in the order in
which the calls were done; hooks and hints land between a call and its output. Here every turn of
the assistant becomes one message, its outputs follow at once, and whatever was between comes after
them. No turn crosses an output: what the model said after a result is another message. Calls and
outputs are paired by id; `normalize` answers a call that has no output.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.dialects.responses.inbound.parts import Part
from gateway.dialects.responses.inbound.reasoning import SEPARATOR, Thought

Message = dict[str, Any]


class Said(NamedTuple):
    """A message of the user, the system or the developer."""

    message: Message


class Text(NamedTuple):
    """Something the assistant said."""

    parts: list[Part]


class Call(NamedTuple):
    """A tool call of the assistant."""

    id: str
    tool_call: dict[str, Any]


class ToolOutput(NamedTuple):
    """The result of a tool."""

    id: str | None
    content: Any


Entry = Said | Text | Thought | Call | ToolOutput


def arrange(entries: Sequence[Entry]) -> Iterator[Message]:
    """The messages of a conversation."""
    answers = _pair(entries)
    answering = set(answers.values())
    turn = _Turn()
    for place, entry in enumerate(entries):
        if isinstance(entry, Text | Thought | Call):
            answer = entries[answers[place]] if place in answers else None
            turn.add(entry, answer if isinstance(answer, ToolOutput) else None)
            continue
        yield from turn.close()
        if place not in answering:
            yield _alone(entry, turn)
    yield from turn.close()


def _alone(entry: Said | ToolOutput, turn: _Turn) -> Message:
    """A message that belongs to no turn of the assistant. Reasoning that led to nothing ends with
    the user's word."""
    if isinstance(entry, ToolOutput):
        return _result(entry)
    if entry.message["role"] == "user":
        turn.forget()
    return entry.message


def _result(output: ToolOutput) -> Message:
    message = {"role": "tool", "content": output.content}
    return message if output.id is None else {**message, "tool_call_id": output.id}


def _pair(entries: Sequence[Entry]) -> dict[int, int]:
    """The place of a call → the place of its output. Some models give every turn's calls the same
    ids: an output then belongs to the latest turn that has called so."""
    waiting: dict[str, tuple[int, deque[int]]] = {}
    answers: dict[int, int] = {}
    turn = 0
    for place, entry in enumerate(entries):
        if isinstance(entry, Call):
            if waiting.get(entry.id, (-1,))[0] != turn:
                waiting[entry.id] = (turn, deque())
            waiting[entry.id][1].append(place)
        elif isinstance(entry, ToolOutput):
            turn += 1
            calls = waiting.get(entry.id or "", (0, ()))[1]
            if calls and isinstance(calls, deque):
                answers[calls.popleft()] = place
        elif isinstance(entry, Said) and entry.message["role"] == "user":
            turn += 1
    return answers


@dataclass
class _Turn:
    """The assistant's items between two messages of others."""

    parts: list[Part] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    outputs: list[ToolOutput | None] = field(default_factory=list)
    thoughts: list[Thought] = field(default_factory=list)

    def add(self, entry: Text | Thought | Call, answer: ToolOutput | None) -> None:
        if isinstance(entry, Text):
            self.parts += entry.parts
        elif isinstance(entry, Thought):
            self.thoughts.append(entry)
        else:
            self.calls.append(entry)
            self.outputs.append(answer)

    def close(self) -> Iterator[Message]:
        """The message of the turn and the results of its calls. Reasoning alone waits for what it
        leads to."""
        if not self.parts and not self.calls:
            return
        yield self._message()
        yield from (_result(output) for output in self.outputs if output is not None)
        self.parts, self.calls, self.outputs, self.thoughts = [], [], [], []

    def forget(self) -> None:
        self.thoughts = []

    def _message(self) -> Message:
        message: Message = {"role": "assistant"}
        if self.parts:
            message["content"] = _content(self.parts)
        shown = SEPARATOR.join(thought.text for thought in self.thoughts if thought.text)
        if shown:
            message["reasoning_content"] = shown
        details = [detail for thought in self.thoughts for detail in thought.details]
        if details:
            message["reasoning_details"] = details
        extra = next((thought.extra for thought in reversed(self.thoughts) if thought.extra), None)
        if extra is not None:
            message["extra_content"] = extra
        if self.calls:
            extras = {
                id_: extra for thought in self.thoughts for id_, extra in thought.extras.items()
            }
            message["tool_calls"] = [_with_extra(call, extras) for call in self.calls]
        return message


def _content(parts: list[Part]) -> Any:
    return parts[0]["text"] if len(parts) == 1 and parts[0].keys() == {"type", "text"} else parts


def _with_extra(call: Call, extras: Mapping[str, Any]) -> dict[str, Any]:
    extra = extras.get(call.id)
    return (
        {**call.tool_call, "extra_content": extra} if isinstance(extra, Mapping) else call.tool_call
    )
