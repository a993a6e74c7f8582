"""Where calls wait when every model of their chain has failed, rests or is full; woken when that changes.

A bounded room: what does not fit is told so at once. A client that leaves takes its call out of the room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from gateway.shared.slots import Capacity, FairOrder, Ticket
from gateway.types import Call, Model

PLACES_MAX: Final = 500
EARLY_S: Final = 0.002
"""Loops count whole milliseconds, and may ring one too early: a call that woke just before the end of a rest would have
to wait again, and that for longer."""


class WaitingRoom:
    """All calls that wait. One per process; outlives every reload.

    `is_ready` says whether a model may be tried now, its places aside. A place at one that rests is promised to nobody:
    whoever was woken for it could only hand it on to the next, who would do the same, round and round.
    """

    def __init__(self, is_ready: Callable[[Model], bool], places_max: int = PLACES_MAX) -> None:
        self.places_max = places_max
        self._is_ready = is_ready
        self.capacity: Final = Capacity(self._next_in_line)
        self._order = FairOrder()
        self._alarms: dict[Ticket, asyncio.Future[None]] = {}

    def __len__(self) -> int:
        return len(self._order)

    @property
    def is_full(self) -> bool:
        return len(self._order) >= self.places_max

    async def wait(self, call: Call, models: Sequence[Model], delay_s: float) -> None:
        """Until `delay_s` are over, or one of `models` has become available."""
        self.capacity.forgo(call)
        loop = asyncio.get_running_loop()
        alarm: asyncio.Future[None] = loop.create_future()
        ticket = self._order.join(call, models)
        self._alarms[ticket] = alarm
        timer = loop.call_later(delay_s + EARLY_S, _ring, alarm)
        try:
            await alarm
        finally:
            timer.cancel()
            if self._alarms.pop(ticket, None) is not None:
                self._order.leave(ticket, served=False)

    def wake_all(self, circuit: tuple[str, ...]) -> None:
        """A circuit has closed: whoever waits for one of its models may try, in fair order."""
        for ticket in list(self._order):
            if any(model.key[: len(circuit)] == circuit for model in ticket.models):
                self._wake(ticket)

    def _next_in_line(self, model: Model) -> Call | None:
        """Wakes the call that gets the place which became free at `model`."""
        if not self._is_ready(model):
            return None
        for ticket in self._order:
            if any(other.key == model.key for other in ticket.models):
                self._wake(ticket)
                return ticket.call
        return None

    def _wake(self, ticket: Ticket) -> None:
        self._order.leave(ticket, served=True)
        _ring(self._alarms.pop(ticket))


def _ring(alarm: asyncio.Future[None]) -> None:
    if not alarm.done():
        alarm.set_result(None)
