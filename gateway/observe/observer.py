"""Receives every call and reports it to metrics, log and ledger, without waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.failures import Failure
from gateway.observe.log import call_ended
from gateway.observe.metrics import Metrics
from gateway.types import Call, Request

Sink = Callable[[Call, int, float], None]
"""Takes (call, status, seconds) of every finished call: the ledger. The call changes no more, so a
sink may keep it for its own thread to read; its request is gone."""

_FORGOTTEN: Final = Request({})
"""Takes the place of a finished call's request: what waits to be written holds no prompt."""


class Observer:
    """One per process; outlives every reload."""

    def __init__(self, metrics: Metrics, *sinks: Sink) -> None:
        self.metrics: Final = metrics
        self._sinks: Final = (call_ended, *sinks)

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        return self.metrics.in_flight.value

    def started(self) -> None:
        self.metrics.in_flight.value += 1

    def ended(
        self, call: Call | None, status: int, failure: Failure | None, ended_at: float
    ) -> None:
        """`failure` is what broke a committed stream off; the client had its 200 by then."""
        self.metrics.in_flight.value -= 1
        if call is None:
            self.metrics.ended(None, status, 0.0, None)
            return
        seconds = ended_at - call.received_at
        began_at = call.attempts[-1].committed_at if call.attempts else None
        overhead_s = call.overhead_s(began_at) if began_at is not None else None
        self.metrics.ended(call, status, seconds, overhead_s)
        call.request = _FORGOTTEN
        for sink in self._sinks:
            sink(call, 502 if failure is not None else status, seconds)
