"""All limits of a gateway together: seeded from the ledger, renewed, and shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from gateway.limits import pricing
from gateway.limits.limiter import Limiter
from gateway.limits.rows import Row, rows
from gateway.limits.seeding import seeds
from gateway.shared.limits import LimitStates, Seed
from gateway.shared.port import Pending, Shared
from gateway.text.limits import Limit
from gateway.types import Agent, Client, Model


class Overview:
    """`limits`, `agents` and `models` give what is in force now; `wall` is Unix time. Without a
    `ledger` every budget begins at nothing."""

    def __init__(
        self,
        limiter: Limiter,
        shared: Shared,
        *,
        limits: Callable[[], list[Limit]],
        agents: Callable[[], Mapping[str, Agent]],
        models: Callable[[], Mapping[str, Model]],
        wall: Callable[[], float],
        ledger: Path | None,
    ) -> None:
        self._limiter = limiter
        self._shared = shared
        self._limits = limits
        self._agents = agents
        self._models = models
        self._wall = wall
        self._ledger = ledger
        self._seeded: set[str] = set()
        """Limit ids."""

    def begin(self, since: float | None = None) -> None:
        """Seeds all budgets before the first call, with the calls before `since` (Unix time; now
        when None). Reads the ledger, and takes as long as that."""
        self._tell(self._seeds(self._new(since)))

    async def look_after(self) -> None:
        """To be called now and then: renews what long calls hold, and seeds budgets that are
        new."""
        self._limiter.renew()
        new = self._new()
        if new:
            self._tell(await asyncio.to_thread(self._seeds, new))

    async def rows(self, client: Client | None = None) -> list[Row]:
        """One row per limit, see `rows.rows`; of a client that is limited to agents, those that
        concern it."""
        limits = [limit for limit in self._limits() if client is None or _concerns(limit, client)]
        if not limits:
            return []
        limiter, now = self._limiter, self._wall()
        wanted = tuple(limiter.charge(limit, 0, now) for limit in limits)
        states = self._shared.ask(LimitStates(wanted))
        if isinstance(states, Pending):
            states = await states.answer
        return rows(limits, states, limiter.calendar, now, self._unpriced)

    def _new(self, since: float | None = None) -> list[Limit]:
        """Limits that are not seeded yet; their calls are counted from now on, or were by other
        workers `since` then."""
        new = [limit for limit in self._limits() if limit.id not in self._seeded]
        self._limiter.know(new, since)
        self._seeded.update(limit.id for limit in new)
        return new

    def _seeds(self, new: list[Limit]) -> list[Seed]:
        if any(limit.unit == "USD" for limit in new):
            for model in self._models().values():
                # loads the price library before a call needs it
                pricing.is_priced(model, self._wall())
        if self._ledger is None:
            return []
        limiter = self._limiter
        return seeds(self._ledger, new, limiter.known_since, limiter.calendar, self._models())

    def _tell(self, found: Iterable[Seed]) -> None:
        for seed in found:
            self._shared.tell(seed)

    def _unpriced(self, limit: Limit) -> list[str]:
        if limit.unit != "USD":
            return []
        scope, _, name = limit.owner.partition(" ")
        agent = self._agents().get(name) if scope == "agent" else None
        models = agent.models if agent is not None else self._models().values()
        unpriced = (model.entry for model in models if not pricing.is_priced(model, self._wall()))
        return list(dict.fromkeys(unpriced))


def _concerns(limit: Limit, client: Client) -> bool:
    scope, _, name = limit.owner.partition(" ")
    if client.agents is None or scope == "gateway":
        return True
    return name == client.name if scope == "key" else client.may_use(name)
