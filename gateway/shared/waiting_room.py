"""Where calls wait when every model of their chain has failed, is cooling down or is full.

The order of service is the engine's; this room holds the futures of this process's own calls. It is
bounded: a call that finds it full is answered at once. A client that leaves takes its call out of
the room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from gateway.shared.engine import Join, Leave, News, Woken
from gateway.shared.port import Shared
from gateway.shared.slots import Ticket
from gateway.types import Call, Model

CALLS_MAX: Final = 500
EARLY_S: Final = 0.002
"""Timers have millisecond resolution and may fire early; this margin avoids waking just before a
cooldown ends."""


class WaitingRoom:
    """The waiting calls of this process. It outlives every reload."""

    def __init__(self, shared: Shared, calls_max: int = CALLS_MAX) -> None:
        self.calls_max = calls_max
        self._shared = shared
        self._alarms: dict[Ticket, asyncio.Future[None]] = {}
        shared.subscribe(self._receive)

    def __len__(self) -> int:
        return len(self._alarms)

    @property
    def is_full(self) -> bool:
        return len(self._alarms) >= self.calls_max

    async def wait(self, call: Call, models: Sequence[Model], delay_s: float) -> None:
        """Returns after `delay_s`, or earlier when one of `models` becomes available."""
        call.waits += 1
        loop = asyncio.get_running_loop()
        alarm: asyncio.Future[None] = loop.create_future()
        self._alarms[call.ticket] = alarm
        agent = call.agent
        self._shared.tell(
            Join(call.ticket, agent.name, agent.weight, tuple(model.key for model in models))
        )
        timer = loop.call_later(delay_s + EARLY_S, _ring, alarm)
        try:
            await alarm
        finally:
            timer.cancel()
            if self._alarms.pop(call.ticket, None) is not None:
                self._shared.tell(Leave(call.ticket))

    def leave(self, call: Call) -> None:
        """The call is over, or is being served: a slot that was promised to it passes on."""
        if call.waits:
            self._shared.tell(Leave(call.ticket))

    def _receive(self, news: News) -> None:
        if isinstance(news, Woken):
            alarm = self._alarms.pop(news.ticket, None)
            if alarm is not None:
                _ring(alarm)


def _ring(alarm: asyncio.Future[None]) -> None:
    if not alarm.done():
        alarm.set_result(None)
