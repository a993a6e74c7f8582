"""Hears of every call and tells metrics, log and ledger; nothing here waits for anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.failures import Failure
from gateway.observe.log import call_ended
from gateway.observe.metrics import Metrics
from gateway.types import Call

Sink = Callable[[Call, int, float], None]
"""Takes (call, status, seconds) of every finished call: the ledger."""


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
        seconds = ended_at - call.received_at if call is not None else 0.0
        self.metrics.ended(call, status, seconds, _overhead_s(call))
        if call is not None:
            for sink in self._sinks:
                sink(call, 502 if failure is not None else status, seconds)


def _overhead_s(call: Call | None) -> float | None:
    """Our own time before the answer began; None when it never did."""
    if call is None or not call.attempts or call.attempts[-1].committed_at is None:
        return None
    return call.overhead_s(call.attempts[-1].committed_at)
