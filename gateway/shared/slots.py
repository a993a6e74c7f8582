"""How many calls a model serves at a time, and who is next when a place becomes free.

Only models that state `maxConcurrent` are counted. A place that becomes free while calls wait for it is promised to one
of them at once, so that a newcomer cannot overtake; the order among the waiting is fair by agent, whatever the number
of calls each agent has waiting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway.types import Agent, Call, Model

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """One waiting call's place in the order."""

    call: Call
    models: Sequence[Model]
    """Those it waits for."""
    starts: float
    """Virtual time: the lower, the earlier."""


class FairOrder:
    """Start-time fair queueing: each agent's calls stand 1/weight apart, so that agents take turns by their weight."""

    def __init__(self) -> None:
        self._tickets: list[Ticket] = []
        self._finished: dict[str, float] = {}
        self._now = 0.0

    def __len__(self) -> int:
        return len(self._tickets)

    def __iter__(self) -> Iterator[Ticket]:
        """The waiting calls, in the order in which they shall be served."""
        return iter(sorted(self._tickets, key=lambda ticket: ticket.starts))

    def join(self, call: Call, models: Sequence[Model]) -> Ticket:
        """A place at the end of the agent's own calls, waiting for `models`."""
        agent: Agent = call.agent
        starts = max(self._now, self._finished.get(agent.name, 0.0))
        self._finished[agent.name] = starts + 1.0 / agent.weight
        ticket = Ticket(call, models, starts)
        self._tickets.append(ticket)
        return ticket

    def leave(self, ticket: Ticket, *, served: bool) -> None:
        """The call waits no longer. A call that left unserved gives its turn back to its agent."""
        self._tickets.remove(ticket)
        name = ticket.call.agent.name
        if served:
            self._now = max(self._now, ticket.starts)
        else:
            self._finished[name] -= 1.0 / ticket.call.agent.weight
        if not self._tickets:
            self._finished.clear()
            self._now = 0.0


class Capacity:
    """Places taken and promised. `next_in_line` names the waiting call that gets a freed place, and wakes it."""

    def __init__(self, next_in_line: Callable[[Model], Call | None] = lambda model: None) -> None:
        self._next_in_line = next_in_line
        self._taken: Counter[Key] = Counter()
        self._promised: dict[Call, Model] = {}
        """Call → the model whose place is kept for it; the place counts as taken."""

    def has_room(self, call: Call, model: Model) -> bool:
        """Whether `call` may be sent to `model` now."""
        if model.max_concurrent is None or self._is_promised(call, model):
            return True
        return self._taken[model.key] < model.max_concurrent

    def take(self, call: Call, model: Model) -> None:
        """`call` is sent to `model`; `give` must follow. What it was promised elsewhere goes on to the next."""
        if model.max_concurrent is not None and self._is_promised(call, model):
            del self._promised[call]
            return
        self.forgo(call)
        if model.max_concurrent is not None:
            self._taken[model.key] += 1

    def give(self, model: Model) -> None:
        """A call to `model` is over."""
        if model.max_concurrent is None:
            return
        following = self._next_in_line(model)
        if following is not None:
            self._promised[following] = model
            return
        self._taken[model.key] -= 1
        if not self._taken[model.key]:
            del self._taken[model.key]

    def forgo(self, call: Call) -> None:
        """`call` does not need what it was promised."""
        model = self._promised.pop(call, None)
        if model is not None:
            self.give(model)

    def _is_promised(self, call: Call, model: Model) -> bool:
        promised = self._promised.get(call)
        return promised is not None and promised.key == model.key
