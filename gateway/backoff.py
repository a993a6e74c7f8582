"""The waits between rounds, once every model of a chain has failed: exponential, with full jitter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

WAIT_MIN_S = 0.05
"""Full jitter may draw nothing at all; a wait of nothing would be a busy loop."""

_DOUBLINGS_MAX = 64
"""Beyond these any ceiling is reached, and a float would overflow at some point."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often and how long a call waits for its chain to recover."""

    first_s: float = 1.0
    max_s: float = 30.0
    rounds: int = 4
    """Times the whole chain is tried."""
    wait_max_s: float = 60.0
    """All waits of one call together, counted from its arrival."""

    def delay_s(self, waits: int, jitter: Callable[[], float]) -> float:
        """The wait after `waits` earlier ones; `jitter` draws from 0 to 1."""
        ceiling = min(self.first_s * 2.0 ** min(waits, _DOUBLINGS_MAX), self.max_s)
        return max(WAIT_MIN_S, ceiling * jitter())
