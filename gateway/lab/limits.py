"""A real token bucket, with each provider's own headers about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil
from types import ModuleType

from gateway.lab.play import Played, error


class Limit:
    """`requests` at once, refilled evenly over `per_s` seconds. `clock` is monotonic and `wall`
    Unix time."""

    def __init__(
        self, requests: int, per_s: float, *, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._size = float(requests)
        self._rate = requests / per_s
        self._clock = clock
        self._wall = wall
        self._left = float(requests)
        self._at = clock()

    def applied(self, played: Played, api: ModuleType) -> Played:
        """`played` if the bucket holds a request, a 429 otherwise; both say how much is left and
        when it is full."""
        now = self._clock()
        self._left = min(self._size, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            played = error(api.error("rate_limit_bare"))
            played.headers["retry-after"] = str(max(1, ceil((1 - self._left) / self._rate)))
        else:
            self._left -= 1
        played.headers |= self._headers(api)
        return played

    def _headers(self, api: ModuleType) -> dict[str, str]:
        left, full_s = int(self._left), (self._size - self._left) / self._rate
        if api.__name__.endswith(".anthropic"):
            reset = datetime.fromtimestamp(self._wall() + full_s, UTC).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            )
            prefix = "anthropic-ratelimit-requests"
            return {f"{prefix}-remaining": str(left), f"{prefix}-reset": reset}
        if api.__name__.endswith(".google"):
            return {}
        return {
            "x-ratelimit-remaining-requests": str(left),
            "x-ratelimit-reset-requests": f"{full_s:.2f}s",
        }
