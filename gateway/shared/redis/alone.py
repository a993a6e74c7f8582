"""What a member knows and decides by itself. Pure.

It has a copy of the circuits, and of all that its own calls hold: so it can go on without the
engine, and tell the engine again what it held.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.shared.circuits import CircuitId, State
from gateway.shared.engine import (
    Admit,
    Close,
    Command,
    EndProbe,
    Engine,
    Give,
    Join,
    Leave,
    News,
    Open,
    Permit,
)
from gateway.shared.limits import (
    Charge,
    Decision,
    LimitStates,
    Renew,
    Reserve,
    Seed,
    Settle,
    shares,
)
from gateway.shared.redis import messages
from gateway.shared.redis.names import Names
from gateway.shared.slots import Ticket
from gateway.text.limits import AMOUNT_MAX, WhenDown

_CARRIED_OUT: Final = (Open, Close, EndProbe, Give, Settle, Renew, Seed)
"""Commands that also take effect here, at once."""


class Alone:
    """One member's own knowledge. `when_down` holds of slots, and of limits that say nothing of
    their own; `members` says among how many a limit is shared."""

    def __init__(self, when_down: WhenDown, members: Callable[[], int]) -> None:
        self.engine: Final = Engine()
        self.is_away = True
        self._when_down = when_down
        self._members = members
        self._waiting: dict[Ticket, Join] = {}
        self._holds: dict[Ticket, Reserve] = {}
        self._held_there: dict[Ticket, Reserve] = {}
        """Those of them that only the engine counts. Without it they are counted here, before this
        process decides."""
        self._own: set[Ticket] = set()
        """Those of them that were granted without the engine: they count in the rates here."""
        self._slots: dict[Ticket, Admit] = {}
        self._seeds: dict[tuple[str, str], Seed] = {}
        """(limit id, period) → what was spent before this member counted."""
        self._used: dict[tuple[str, str], int] = {}
        """(limit id, period) → what all members have used of a budget, as the engine said last."""
        self._may_use: dict[tuple[str, str], int] = {}
        """What this process may use of a budget until the engine is back."""

    def __repr__(self) -> str:
        return f"<Alone is_away={self.is_away} {self.engine!r}>"

    def begin(self, now: float) -> None:
        """The engine is away from now on."""
        self.is_away = True
        for join in self._waiting.values():
            self.engine.do(join, now)

    def end(self, now: float) -> None:
        """The engine is back: it has the order of those that wait."""
        self.is_away = False
        self._may_use.clear()
        for ticket in self._waiting:
            self.engine.do(Leave(ticket), now)
        for ticket in self.engine.slots.promised():
            self.engine.slots.forgo(ticket)

    def told(self, command: Command, now: float) -> list[News]:
        """Notes a command of this member, and carries out what takes effect here."""
        if isinstance(command, Join):
            self._waiting[command.ticket] = command
        elif isinstance(command, Leave):
            self._waiting.pop(command.ticket, None)
        elif isinstance(command, Settle):
            command = self._settled(command)
        elif isinstance(command, Seed):
            self._seeds.setdefault((command.charge.limit_id, command.charge.period), command)
        elif isinstance(command, Give):
            self._slots.pop(command.ticket, None)
        if self.is_away or isinstance(command, _CARRIED_OUT):
            return self.engine.do(command, now)[1]
        return []

    def _settled(self, command: Settle) -> Settle:
        """The part of a settlement that is counted here."""
        self._holds.pop(command.ticket, None)
        self._held_there.pop(command.ticket, None)
        charges = self._counted_here(command.charges, is_own=command.ticket in self._own)
        self._own.discard(command.ticket)
        return command._replace(charges=charges)

    def _counted_here(self, charges: tuple[Charge, ...], *, is_own: bool) -> tuple[Charge, ...]:
        """Budgets as they are. Of rates this process's share, of calls that it admitted alone: what
        the engine admits may be more, and would use the share up for a long time."""
        if all(charge.period for charge in charges):
            return charges
        return tuple(
            charge if charge.period else self._part(charge)
            for charge in charges
            if charge.period or is_own
        )

    def woken(self, ticket: Ticket) -> None:
        """The engine has called a ticket."""
        self._waiting.pop(ticket, None)

    def holds(self, ticket: Ticket) -> bool:
        """Whether a call holds a reservation, with the engine's knowledge or without."""
        return ticket in self._holds

    def has_slot(self, ticket: Ticket) -> bool:
        return ticket in self._slots

    def probes(self, ticket: Ticket, circuit_id: CircuitId, generation: int) -> bool:
        """Whether a call is the probe of a circuit, also as this process knows it."""
        circuit = self.engine.circuits.get(circuit_id)
        is_its = circuit.state is State.PROBING and circuit.prober == ticket
        return is_its and circuit.generation == generation

    # --- the engine's answers ---------------------------------------------------------------------

    def heard(self, command: Command, answer: Any, now: float) -> None:
        """Notes what the engine has granted to this member."""
        if isinstance(answer, Permit) and isinstance(command, Admit):
            self._admitted(command, answer, now)
        elif isinstance(answer, Decision) and isinstance(command, Reserve):
            self._reserved(command, answer, now)

    def _admitted(self, command: Admit, permit: Permit, now: float) -> None:
        self._waiting.pop(command.ticket, None)
        if permit.has_slot:
            self._slots[command.ticket] = command
            self.engine.slots.take(command.ticket, command.circuit_ids[0])
            self.engine.slots_max[command.circuit_ids[0]] = self._part_of(command.slots_max or 0)
        circuits = self.engine.circuits
        for circuit_id, generation, is_probe in zip(*permit[1:4], strict=True):
            circuit = circuits.get(circuit_id)
            if not is_probe or circuit.generation > generation:
                continue
            if circuit.state is State.CLOSED:  # the news of its opening is still on the way
                circuits.open(circuit_id, 0.0, None, now)
            if circuit.state is State.OPEN:
                circuit.generation = generation
                circuits.start_probe(circuit_id, command.ticket)

    def _reserved(self, command: Reserve, decision: Decision, now: float) -> None:
        self._may_use.clear()
        periods = {charge.limit_id: charge.period for charge in command.charges}
        for level in decision.levels:
            self._used[level.limit_id, periods[level.limit_id]] = level.used
        if decision.is_granted:
            self._holds[command.ticket] = self._held_there[command.ticket] = command

    # --- without the engine -----------------------------------------------------------------------

    def decide(self, command: Command, now: float) -> tuple[Any, list[News]]:
        """The answer of this process alone, and what its calls must know."""
        if self._held_there:
            self._count_here(now)
        if isinstance(command, Admit):
            return self._admit(command, now)
        if isinstance(command, Reserve):
            return self._reserve(command, now), []
        return self.engine.do(command, now) if isinstance(command, LimitStates) else (None, [])

    def _count_here(self, now: float) -> None:
        for command in self._held_there.values():
            held = self._counted_here(command.charges, is_own=False)
            self.engine.do(command._replace(charges=held, anyway=True), now)
        self._held_there.clear()

    def _admit(self, command: Admit, now: float) -> tuple[Permit | None, list[News]]:
        slots_max = command.slots_max
        if slots_max is not None:
            if self._when_down == "closed":
                return None, []
            command = command._replace(slots_max=self._part_of(slots_max))
        permit, news = self.engine.do(command, now)
        if permit is None or slots_max is None:
            return permit, news
        self._slots[command.ticket] = command._replace(slots_max=slots_max)
        return permit._replace(is_alone=True), news

    def _part_of(self, slots_max: int) -> int:
        return max(1, slots_max // self._members()) if self._when_down == "share" else slots_max

    def _reserve(self, command: Reserve, now: float) -> Decision:
        if any(self._when_down_of(charge) == "closed" for charge in command.charges):
            return Decision(False, (), is_alone=True)
        part = tuple(self._part(charge) for charge in command.charges)
        decision: Decision = self.engine.do(command._replace(charges=part), now)[0]
        if decision.is_granted:
            self._holds[command.ticket] = command
            self._own.add(command.ticket)
        caps = {charge.limit_id: charge.cap for charge in command.charges}
        levels = tuple(level._replace(cap=caps[level.limit_id]) for level in decision.levels)
        return Decision(decision.is_granted, levels, is_alone=True)

    def _when_down_of(self, charge: Charge) -> WhenDown:
        return charge.when_down or self._when_down

    def _part(self, charge: Charge) -> Charge:
        """What this process may use without asking: of a rate its share; of a budget what it has
        used, and its share of what was left by the engine's last answer."""
        if charge.cap is not None and self._when_down_of(charge) == "open":
            return charge._replace(cap=AMOUNT_MAX)
        if charge.cap is None or not charge.period:
            return shares([charge], self._members())[0]
        key = (charge.limit_id, charge.period)
        if key not in self._may_use:
            own = self.engine.limits.used(*key)
            left = max(0, charge.cap - max(own, self._used.get(key, 0)))
            self._may_use[key] = own + left // self._members()
        return charge._replace(cap=self._may_use[key])

    # --- what the engine must know again ----------------------------------------------------------

    def counted(self, member: str, now: float) -> list[Seed]:
        """All that this member has counted in its budgets, for an engine without memory: its seeds,
        and one of its own with what its calls have spent."""
        found = []
        for state in self.engine.limits.states(now):
            if state.period:
                seed = self._seeds.get((state.limit_id, state.period))
                before = seed.charge.amount if seed is not None else 0
                own = Charge(
                    state.limit_id,
                    state.spent - before,
                    period=state.period,
                    ends_at=state.ends_at,
                )
                found += [Seed(own, member)] if seed is None else [seed, Seed(own, member)]
        return found

    def all_held(self, names: Names, now: float) -> list[Any]:
        """The arguments of the function `restore`."""
        circuits, probes = [], []
        for each in self.engine.circuits:
            if each.state is State.CLOSED:
                continue
            name = names.circuit(each.id)
            left = messages.us(max(0.0, each.open_until - now))
            rest = messages.us(each.cooldown_s)
            circuits.append([name, left, messages.said(each.failure), each.generation, rest])
            if each.state is State.PROBING:
                probes.append([name, each.generation, names.ticket(each.prober)])
        slots = [
            [names.ticket(ticket), names.circuit(admit.circuit_ids[0]), admit.slots_max]
            for ticket, admit in self._slots.items()
        ]
        waiting = [messages.join(each, names) for each in self._waiting.values()]
        holds = [messages.reserve(each, names) for each in self._holds.values()]
        return [names.member, circuits, probes, slots, waiting, holds]
