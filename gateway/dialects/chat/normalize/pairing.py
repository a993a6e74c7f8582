"""Puts every result behind the message that called for it.

Theory of operation. Two passes, linear in the number of messages and tool calls. The first matches
each result with a call by id, wherever both are; the second rewrites the conversation: a message
with calls, its results at once, then whatever was said in between.

An id may be used again, because some models count their calls from zero in every answer. A result
belongs to the newest round of calls that still waits for its id. A round is a run of messages with
calls that no result and no user interrupts; within it, the first call waits first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.hub.parts import result_content

Message = dict[str, Any]

NO_RESULT: Final = "[no result: interrupted]"
"""Answers a tool call that the client did not answer; every provider refuses an unanswered one."""


def pair(messages: Iterable[Message]) -> list[Message]:
    """The conversation with every call answered at once, and no id twice.

    A call without a result gets `NO_RESULT` (the user interrupted the tool). A result without a
    call becomes text of the user; one that only repeats another is left out. `messages` is not
    changed.
    """
    ordered = list(messages)
    if not [message for message in ordered if message["role"] == "tool" or "tool_calls" in message]:
        return ordered
    ordered = list(_joined(ordered))
    return list(_written(ordered, _matched(ordered)))


# --- messages of one answer -----------------------------------------------------------------------


def _joined(messages: Iterable[Message]) -> Iterator[Message]:
    """Calls that directly follow an assistant message join it: they belong to one answer.

    The Responses API and some clients store each part of an answer as a message of its own.
    """
    run: list[Message] = []
    for message in messages:
        if run and not _continues(run[0], message):
            yield _as_one(run)
            run = []
        run.append(message)
    if run:
        yield _as_one(run)


def _continues(first: Message, message: Message) -> bool:
    if first["role"] != "assistant" or message["role"] != "assistant":
        return False
    return "tool_calls" in message and not message.get("content") and not message.get("refusal")


def _as_one(run: list[Message]) -> Message:
    if len(run) == 1:
        return run[0]
    keys = dict.fromkeys(key for message in run for key in message)
    return {key: run[0].get(key) if key == "content" else _values(run, key) for key in keys}


def _values(run: list[Message], key: str) -> Any:
    """Lists of all messages as one list; of anything else, the first."""
    values = [message[key] for message in run if key in message]
    if all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    return values[0]


# --- calls and results ----------------------------------------------------------------------------


class _Waiting:
    """One tool call, and its result when it is found."""

    __slots__ = ("call_id", "name", "place", "result", "sent_id")

    def __init__(self, call: Mapping[str, Any], place: int, sent_id: str) -> None:
        self.call_id: str = call["id"]
        self.name = (call.get("function") or call.get("custom") or {}).get("name")
        self.place = place
        self.sent_id = sent_id
        self.result: Message | None = None


class _Round:
    """The calls of one answer of the model, by id and in order."""

    def __init__(self) -> None:
        self._by_id: dict[str, deque[_Waiting]] = {}
        self._by_name: dict[Any, deque[_Waiting]] = {}
        self._in_order: deque[_Waiting] = deque()

    def add(self, waiting: _Waiting) -> None:
        self._by_id.setdefault(waiting.call_id, deque()).append(waiting)
        self._by_name.setdefault(waiting.name, deque()).append(waiting)
        self._in_order.append(waiting)

    def find(self, id_: str) -> _Waiting | None:
        """The first call with this id that waits."""
        return _first_waiting(self._by_id.get(id_))

    def find_any(self, name: Any) -> _Waiting | None:
        """The first call of the tool `name` that waits, else the first that waits at all."""
        named = _first_waiting(self._by_name.get(name)) if isinstance(name, str) else None
        return named or _first_waiting(self._in_order)


def _first_waiting(queue: deque[_Waiting] | None) -> _Waiting | None:
    """Answered calls at the front are removed, each once."""
    while queue:
        if queue[0].result is None:
            return queue[0]
        queue.popleft()
    return None


class _Ids:
    """Ids that are new in the conversation; they depend only on what came before."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._last_number: dict[str, int] = {}

    def unused(self, id_: str) -> str:
        """`id_`, or with a number behind it where it was used before."""
        candidate, number = id_, self._last_number.get(id_, 1)
        while candidate in self._used:
            number += 1
            candidate = f"{id_}_{number}"
        self._last_number[id_] = number
        self._used.add(candidate)
        return candidate


class _Pairs:
    """All calls of a conversation and what answers them."""

    def __init__(self) -> None:
        self.calls: dict[int, list[_Waiting]] = {}
        """Place of a message → its calls."""
        self.answered: dict[int, list[_Waiting]] = {}
        """Place of a message → those of its calls that have a result, in the results' order."""
        self.moved: set[int] = set()
        """Places of the results that have a call."""
        self._ids = _Ids()
        self._rounds: dict[str, list[_Round]] = {}
        self._round = _Round()
        self._round_is_open = False

    def add_calls(self, place: int, calls: Iterable[Mapping[str, Any]]) -> None:
        if not self._round_is_open:
            self._round, self._round_is_open = _Round(), True
        self.calls[place] = [_Waiting(call, place, self._ids.unused(call["id"])) for call in calls]
        for waiting in self.calls[place]:
            self._round.add(waiting)
            rounds = self._rounds.setdefault(waiting.call_id, [])
            if not rounds or rounds[-1] is not self._round:
                rounds.append(self._round)

    def close_round(self) -> None:
        self._round_is_open = False

    def add_result(self, place: int, message: Message) -> bool:
        """Matches a result with a call before it; False if there is none."""
        self.close_round()
        id_ = _stated_id(message)
        waiting = self._round.find_any(message.get("name")) if id_ is None else self._newest(id_)
        return waiting is not None and self.match(waiting, place, message)

    def match(self, waiting: _Waiting, place: int, message: Message) -> bool:
        waiting.result = message
        self.moved.add(place)
        self.answered.setdefault(waiting.place, []).append(waiting)
        return True

    def only(self) -> dict[str, _Waiting]:
        """The calls whose id no other call has."""
        by_id: dict[str, list[_Waiting]] = {}
        for calls in self.calls.values():
            for waiting in calls:
                by_id.setdefault(waiting.call_id, []).append(waiting)
        return {id_: calls[0] for id_, calls in by_id.items() if len(calls) == 1}

    def _newest(self, id_: str) -> _Waiting | None:
        rounds = self._rounds.get(id_, [])
        while rounds:
            waiting = rounds[-1].find(id_)
            if waiting is not None:
                return waiting
            rounds.pop()
        return None


def _stated_id(message: Mapping[str, Any]) -> str | None:
    stated = message.get("tool_call_id")
    return None if stated in (None, "") else str(stated)


def _matched(messages: list[Message]) -> _Pairs:
    pairs = _Pairs()
    unmatched: list[int] = []
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if not pairs.add_result(place, message):
                unmatched.append(place)
        elif "tool_calls" in message:
            pairs.add_calls(place, message["tool_calls"])
        elif message["role"] == "user":
            pairs.close_round()
    if unmatched:
        _match_the_rest(messages, unmatched, pairs)
    return pairs


def _match_the_rest(messages: list[Message], unmatched: list[int], pairs: _Pairs) -> None:
    """Results before their call, where the id can mean no other; and results that repeat one."""
    only = pairs.only()
    for place in unmatched:
        waiting = only.get(_stated_id(messages[place]) or "")
        if waiting is None:
            continue
        if waiting.result is None:
            pairs.match(waiting, place, messages[place])
        elif waiting.result["content"] == messages[place]["content"]:
            pairs.moved.add(place)


# --- the conversation rewritten -------------------------------------------------------------------


def _written(messages: list[Message], pairs: _Pairs) -> Iterator[Message]:
    for place, message in enumerate(messages):
        if place in pairs.calls:
            yield _with_ids(message, pairs.calls[place])
            yield from _results(pairs, place)
        elif message["role"] != "tool":
            yield message
        elif place not in pairs.moved:
            yield _as_text(message)


_OF_RESULTS: Final = frozenset({"tool_call_id", "is_error", "name"})


def _as_text(message: Message) -> Message:
    """A result without a call, as the user's own words."""
    kept = {key: message[key] for key in message if key not in _OF_RESULTS}
    return {**kept, "role": "user", "content": result_content(message)}


def _with_ids(message: Message, calls: list[_Waiting]) -> Message:
    pairs = zip(message["tool_calls"], calls, strict=True)
    return {**message, "tool_calls": [{**call, "id": waiting.sent_id} for call, waiting in pairs]}


def _results(pairs: _Pairs, place: int) -> Iterator[Message]:
    for waiting in pairs.answered.get(place, ()):
        assert waiting.result is not None
        yield {**waiting.result, "tool_call_id": waiting.sent_id}
    for waiting in pairs.calls[place]:
        if waiting.result is None:
            yield {"role": "tool", "tool_call_id": waiting.sent_id, "content": NO_RESULT}
