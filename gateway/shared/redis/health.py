"""How a member gets on with the engine, for metrics and reports. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25)
"""Upper ends of the histogram of answers."""


class EngineAway(Exception):
    """The engine cannot be used now; the message says why, and names the cure where there is
    one."""


@dataclass(frozen=True, slots=True)
class Member:
    """One gateway of the group."""

    name: str
    host: str
    pid: int
    version: str
    config: str
    """A digest of its configuration; members with another one were started otherwise."""
    silent_s: float
    """Since its last word."""
    keys: int = -1
    """The version of the client keys that it uses; -1 where it takes none from the cluster."""

    @classmethod
    def read(cls, name: str, silent_us: int, facts: str) -> Member:
        try:
            known = msgspec.json.decode(facts, type=dict[str, Any])
        except msgspec.MsgspecError:
            known = {}
        text = {key: str(known.get(key, "")) for key in ("host", "version", "config")}
        pid, keys = known.get("pid"), known.get("keys")
        return cls(
            name,
            text["host"],
            pid if isinstance(pid, int) else 0,
            text["version"],
            text["config"],
            silent_us / 1e6,
            int(keys) if isinstance(keys, str) and keys.isdecimal() else -1,
        )


@dataclass(frozen=True, slots=True)
class Group:
    """A cluster as one of its members sees it."""

    up: bool
    """Whether the engine is there."""
    reason: str | None
    """Why it is away; None while it is there."""
    round_trip_ms: float
    """Of the last heartbeat."""
    clock_offset_s: float
    """The engine's clock against that of this host."""
    members: list[Member]
    """Empty while the engine is away."""

    @property
    def odd(self) -> list[Member]:
        """The members with another configuration than most."""
        counted = Counter(member.config for member in self.members)
        usual = max(counted, key=counted.__getitem__, default="")
        return [member for member in self.members if member.config != usual]


@dataclass(slots=True)
class Health:
    """What one member has seen. Times are of its monotonic clock, in seconds."""

    members_min: int = 1
    """How many share before the engine has said how many there are."""
    is_up: bool = False
    reason: str | None = None
    """Why the engine is away; None before it was first there or missed."""
    members: int = 0
    round_trip_s: float = 0.0
    clock_offset_s: float = 0.0
    slots_over: int = 0
    outbox: int = 0
    connects: int = 0
    asks: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(command, `answered`, `late` or `away`) → how many."""
    news: Counter[str] = field(default_factory=Counter)
    took: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    took_sum_s: float = 0.0
    _away_since: float | None = None
    _away_s: float = 0.0

    def sharing(self) -> int:
        """Among how many members a limit is shared without the engine."""
        return max(1, self.members or self.members_min)

    def met(self, members: int, took_s: float, offset_s: float) -> None:
        """The engine has answered a heartbeat."""
        self.members, self.round_trip_s, self.clock_offset_s = members, took_s, offset_s

    def asked(self, command: str, result: str, took_s: float | None = None) -> None:
        self.asks[command, result] += 1
        if took_s is not None:
            self.took[bisect_left(BUCKETS_S, took_s)] += 1
            self.took_sum_s += took_s

    def received(self, kind: str) -> None:
        """A message has come."""
        self.news[kind] += 1

    def up(self, now: float) -> None:
        if self._away_since is not None:
            self._away_s += now - self._away_since
        self._away_since, self.is_up = None, True
        self.connects += 1

    def away(self, reason: str, now: float) -> None:
        self.is_up, self.reason = False, reason
        if self._away_since is None:
            self._away_since = now

    def away_s(self, now: float) -> float:
        """Seconds without the engine, all together."""
        return self._away_s + (now - self._away_since if self._away_since is not None else 0.0)
