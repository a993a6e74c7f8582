"""The provider's own events on their way to a client of the same API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway import sse
from gateway.dialects.responses.inbound.answers import ended
from gateway.dialects.responses.inbound.writer import Writer
from gateway.hub import exact_json

_BEGIN: Final = frozenset({"response.created", "response.in_progress", "response.queued"})
_END: Final = frozenset({"response.completed", "response.incomplete"})
_DONE: Final = "response.output_item.done"
_READ: Final = _BEGIN | _END | {_DONE}
"""The events that are looked into; all others only pass."""


class Passage:
    """Hands on events, and knows how to go on from any of them. `state` is the response object
    until the provider's own has come."""

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state
        self._begun = False
        self._output: dict[int, Any] = {}
        """The items that are done, by their place."""
        self._last: sse.Event | None = None
        """The last event that has left."""
        self._final: dict[str, Any] | None = None
        self._end_bytes = b""
        """The provider's own last event, and what is behind it. They wait until the answer is known
        to be whole."""

    def encode(self, events: Sequence[sse.Event]) -> bytes:
        """The events as they came. The last one leaves with `done`."""
        return b"".join(map(self._pass_on, events))

    def _pass_on(self, event: sse.Event) -> bytes:
        self._note(event)
        if self._final is None:
            self._last = event
            return event.raw
        self._end_bytes += event.raw
        return b""

    def keep_alive(self) -> bytes:
        """The state once more, without a number: the provider's go on after it."""
        if not self._begun or self._final is not None:
            return sse.comment()
        body = {"type": "response.in_progress", "response": self._state}
        return b"event: response.in_progress\ndata: " + exact_json.dumps(body) + b"\n\n"

    def done(self) -> tuple[dict[str, Any], bytes]:
        """(the final response object, the end that is still missing)."""
        if self._final is not None:
            return self._final, self._end_bytes
        writer = self._writer()
        response = ended(self._state, self._items(), None, None)
        writer.event("response.completed", response=response)
        return response, writer.take()

    def error(self, fields: Mapping[str, Any]) -> bytes:
        """The two events of a broken answer, numbered on from the provider's last."""
        writer = self._writer()
        writer.event("error", **fields)
        error = {"code": fields["code"], "message": fields["message"]}
        failed = {**self._state, "status": "failed", "error": error, "output": self._items()}
        writer.event("response.failed", response=failed)
        return writer.take()

    def _note(self, event: sse.Event) -> None:
        name = event.name.decode("latin-1")
        if name and name not in _READ:
            return
        body = _object(event)
        kind = body.get("type") or name
        if kind == _DONE:
            place = body.get("output_index")
            self._output[place if isinstance(place, int) else len(self._output)] = body.get("item")
        elif kind in _BEGIN:
            self._begin(body.get("response"))
        elif kind in _END:
            self._end(body.get("response"))

    def _begin(self, response: Any) -> None:
        self._begun = True
        if isinstance(response, dict):
            self._state = {**self._state, **response}

    def _end(self, response: Any) -> None:
        """Some servers leave the items out of the last event."""
        stated = response if isinstance(response, dict) else {}
        self._final = {**self._state, **stated}
        if not self._final.get("output"):
            self._final["output"] = self._items()

    def _items(self) -> list[Any]:
        return [self._output[place] for place in sorted(self._output)]

    def _writer(self) -> Writer:
        """A writer that goes on with the provider's numbers; it opens a stream that has not
        begun."""
        writer = Writer()
        number = _object(self._last).get("sequence_number") if self._last is not None else None
        writer.number = number + 1 if isinstance(number, int) else 0
        if not self._begun:
            writer.event("response.created", response=self._state)
        return writer


def _object(event: sse.Event) -> dict[str, Any]:
    """The data of an event; {} for anything but an object, which the decoder has reported."""
    try:
        value = exact_json.loads(event.data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
