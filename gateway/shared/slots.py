"""Slots at models with `maxConcurrent`, and the order of the calls that wait.

Theory of operation. A ticket is one call. `Slots` counts, per circuit id, which tickets hold a
slot. A slot that becomes free while tickets wait is promised at once to the first of them, so that
a newcomer cannot overtake; a promised slot counts as taken. A promise ends in `take` (the call uses
it), or in `forgo` (the call was served elsewhere, waits again, or is over), and then passes on to
the next ticket in line. `FairOrder` says who is next: start-time fair queueing, in which each
agent's tickets are 1/weight apart in virtual time, so that agents take turns by their weight
whatever the number of calls each has waiting.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from gateway.shared.circuits import CircuitId

Ticket = int | str | tuple[int, int]
"""Names one call among all of a gateway's processes: (the worker's process id, a number) in the
supervisor."""


class Waiting(NamedTuple):
    """One ticket's place in the order; the order of the fields is the order of service."""

    starts: float
    """Virtual time."""
    number: int
    """Counts the tickets that joined; no two are equal."""
    ticket: Ticket
    agent: str
    weight: int
    circuit_ids: Sequence[CircuitId]
    """The models that the call waits for."""


class FairOrder:
    """The waiting tickets, in the order in which they are served."""

    def __init__(self) -> None:
        self._line: list[Waiting] = []
        self._by_ticket: dict[Ticket, Waiting] = {}
        self._finishes: dict[str, float] = {}
        """Agent → the virtual time at which its last ticket's turn ends."""
        self._now = 0.0
        self._joined = 0

    def __len__(self) -> int:
        return len(self._line)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(list(self._line))

    def join(
        self, ticket: Ticket, agent: str, weight: int, circuit_ids: Sequence[CircuitId]
    ) -> None:
        """Adds a ticket behind its agent's others; one that waits already loses its place."""
        self.leave(ticket, served=False)
        starts = max(self._now, self._finishes.get(agent, 0.0))
        self._finishes[agent] = starts + 1.0 / weight
        self._joined += 1
        waiting = Waiting(starts, self._joined, ticket, agent, weight, circuit_ids)
        self._by_ticket[ticket] = waiting
        insort(self._line, waiting)

    def leave(self, ticket: Ticket, *, served: bool) -> None:
        """Removes a ticket, if it waits. One that leaves unserved gives its turn back to its
        agent."""
        waiting = self._by_ticket.pop(ticket, None)
        if waiting is None:
            return
        del self._line[bisect_left(self._line, waiting)]
        if served:
            self._now = max(self._now, waiting.starts)
        else:
            self._finishes[waiting.agent] -= 1.0 / waiting.weight
        if not self._line:
            self._finishes.clear()
            self._now = 0.0

    def first_for(self, circuit_id: CircuitId) -> Ticket | None:
        """The first ticket that waits for a model."""
        return next(
            (waiting.ticket for waiting in self._line if circuit_id in waiting.circuit_ids), None
        )

    def all_for(self, circuit_id: CircuitId) -> list[Ticket]:
        """The tickets that wait for one of the models behind a circuit, in order."""
        length = len(circuit_id)
        return [
            waiting.ticket
            for waiting in self._line
            if any(other[:length] == circuit_id for other in waiting.circuit_ids)
        ]


class Slots:
    """The calls that hold a slot, and those to which one is promised. Only models with
    `maxConcurrent` are counted."""

    def __init__(self) -> None:
        self._holders: dict[CircuitId, set[Ticket]] = {}
        """Holders, and those to whom a slot is promised."""
        self._promises: dict[Ticket, CircuitId] = {}

    def count(self, circuit_id: CircuitId) -> int:
        """Slots that are held or promised."""
        return len(self._holders.get(circuit_id, ()))

    def held(self) -> dict[str, int]:
        """Slots that are held or promised, by the model's circuit id as one string."""
        return {"/".join(circuit_id): len(holders) for circuit_id, holders in self._holders.items()}

    def has_room(self, ticket: Ticket, circuit_id: CircuitId, slots_max: int) -> bool:
        """Whether `take` would succeed."""
        return self._promises.get(ticket) == circuit_id or self.count(circuit_id) < slots_max

    def take(self, ticket: Ticket, circuit_id: CircuitId) -> None:
        """Takes a slot, the promised one if there is one. `give` must follow."""
        if self._promises.get(ticket) == circuit_id:
            del self._promises[ticket]
        self._holders.setdefault(circuit_id, set()).add(ticket)

    def give(self, ticket: Ticket, circuit_id: CircuitId) -> bool:
        """Frees a slot; False when the ticket holds none there."""
        holders = self._holders.get(circuit_id)
        if holders is None or ticket not in holders:
            return False
        holders.discard(ticket)
        if not holders:
            del self._holders[circuit_id]
        return True

    def held_by(self, is_holder: Callable[[Ticket], bool]) -> list[tuple[Ticket, CircuitId]]:
        """The slots of certain tickets."""
        return [
            (ticket, circuit_id)
            for circuit_id, holders in self._holders.items()
            for ticket in holders
            if is_holder(ticket)
        ]

    def promise(self, ticket: Ticket, circuit_id: CircuitId) -> None:
        """Keeps a slot for a waiting ticket."""
        self._holders.setdefault(circuit_id, set()).add(ticket)
        self._promises[ticket] = circuit_id

    def promised(self) -> list[Ticket]:
        """The tickets to which a slot is promised."""
        return list(self._promises)

    def forgo(self, ticket: Ticket) -> CircuitId | None:
        """Ends a promise; returns where a slot became free by that."""
        circuit_id = self._promises.pop(ticket, None)
        if circuit_id is not None:
            self.give(ticket, circuit_id)
        return circuit_id
