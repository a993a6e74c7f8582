"""A provider's own events with whole characters, for a client that is sent them as they come.

A strict reader refuses half a surrogate pair (`hub/halves.py`), so an event that ends in one waits
for the next piece of its text: joined, the character is in the second of them. All other events
pass byte for byte.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from gateway import sse
from gateway.hub import exact_json
from gateway.hub.halves import Halves, ends_in_half, has_halves, plain_value, starts_in_half

_SIGNS_OF_LIFE: Final = frozenset({"ping", "keepalive"})
"""Types of events that come between any two others."""
_PLACES: Final = ("type", "index", "output_index", "content_index", "summary_index", "item_id")
"""The fields that identify the text to which a piece belongs."""


class _Piece(NamedTuple):
    """A piece of a text: the event's body, and where its text is."""

    name: bytes
    body: dict[str, Any]
    holder: dict[str, Any]
    field: str

    @property
    def text(self) -> str:
        return str(self.holder[self.field])

    @property
    def key(self) -> tuple[Any, ...]:
        return (*(self.body.get(place) for place in _PLACES), self.field)

    def continues(self, other: _Piece) -> bool:
        return self.key == other.key and starts_in_half(self.text)


class JoinedEvents:
    """The events of one stream. Costs a search for an escape until the first half comes."""

    def __init__(self) -> None:
        self._halves = Halves()
        self._held: _Piece | None = None

    def join(self, event: sse.Event) -> list[sse.Event]:
        """The events that may pass once `event` has come."""
        if self._held is None and not has_halves(event.data):
            return [event]
        body = self._read(event)
        if body is None:
            return [*self.flush(), event]
        if body.get("type") in _SIGNS_OF_LIFE:
            return [event]
        piece = _piece(event.name, body)
        passed = self._let_go(piece)
        if piece is not None and ends_in_half(piece.text):
            self._held = piece
            return passed
        return [*passed, _written(event.name, body) if has_halves(event.data) else event]

    def flush(self) -> list[sse.Event]:
        """The event that still waits for its half."""
        held, self._held = self._held, None
        return [_written(held.name, held.body)] if held is not None else []

    def _read(self, event: sse.Event) -> dict[str, Any] | None:
        try:
            body = self._halves.loads(event.data)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    def _let_go(self, piece: _Piece | None) -> list[sse.Event]:
        """The event that waited. Its half moves to `piece`, where that begins with the other
        one."""
        held = self._held
        if held is not None and piece is not None and piece.continues(held):
            piece.holder[piece.field] = held.text[-1] + piece.text
            held.holder[held.field] = held.text[:-1]
        return self.flush()


def _piece(name: bytes, body: dict[str, Any]) -> _Piece | None:
    """The text of a delta: the delta itself, or its one text beside the type."""
    delta = body.get("delta")
    if isinstance(delta, str):
        return _Piece(name, body, body, "delta")
    if not isinstance(delta, dict):
        return None
    fields = [key for key, value in delta.items() if key != "type" and isinstance(value, str)]
    return _Piece(name, body, delta, fields[0]) if len(fields) == 1 else None


def _written(name: bytes, body: dict[str, Any]) -> sse.Event:
    return sse.Event(name, exact_json.dumps(plain_value(body)))
