"""The state that the processes of a gateway share, as one pure state machine: commands in, answers
and news out.

`Engine.do(command, now)` is the whole interface. The engine has no I/O, no clock and no
configuration: limits, weights and cooldowns travel as arguments, so that a reload changes nothing
here. It runs in the process itself (`local.py`) or in the supervisor of several workers
(`workers.py`); a model test drives both with the same commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from gateway.failures import Failure
from gateway.shared.circuits import Change, CircuitId, Circuits, State
from gateway.shared.entries import BYTES_MAX, Entries, Key
from gateway.shared.limits import (
    Decision,
    Limits,
    LimitState,
    LimitStates,
    Renew,
    Reserve,
    Seed,
    Settle,
)
from gateway.shared.slots import FairOrder, Slots, Ticket


class Permit(NamedTuple):
    """Permission to try a model once, and the circuits as they were when it was given."""

    ticket: Ticket
    circuit_ids: tuple[CircuitId, ...]
    """The model's circuit first, its credential's last."""
    generations: tuple[int, ...]
    probes: tuple[bool, ...]
    """Whether the call is the probe of each circuit."""
    has_slot: bool = False
    is_alone: bool = False
    """The engine was away: this process decided with its share of the slots."""


# --- commands -------------------------------------------------------------------------------------


class Admit(NamedTuple):
    """May this call try this model now? Answer: `Permit`, or None."""

    ticket: Ticket
    circuit_ids: tuple[CircuitId, ...]
    slots_max: int | None = None
    """The model's `maxConcurrent`."""
    anyway: bool = False
    """Start a probe although the cooldown is not over: the last resort of a chain."""


class Open(NamedTuple):
    """A failure opens a circuit."""

    circuit_id: CircuitId
    cooldown_s: float
    failure: Failure | None


class Close(NamedTuple):
    """A probe succeeded (`generation` as in its permit), or the operator fixed the cause (None)."""

    circuit_id: CircuitId
    generation: int | None = None


class EndProbe(NamedTuple):
    """A probe ended without saying anything about the model."""

    circuit_id: CircuitId
    generation: int


class Give(NamedTuple):
    """A call no longer needs its slot."""

    ticket: Ticket
    circuit_id: CircuitId


class Join(NamedTuple):
    """A call waits for any of these models."""

    ticket: Ticket
    agent: str
    weight: int
    circuit_ids: tuple[CircuitId, ...]


class Leave(NamedTuple):
    """A call waits no longer and needs no promised slot."""

    ticket: Ticket


class Receive(NamedTuple):
    """Another process reports a change of a circuit; it is applied and not reported again."""

    change: Change


class Keep(NamedTuple):
    """A worker keeps something that another one may need: reasoning to replay, a stored answer."""

    key: Key
    entry: Any
    size: int


class Recall(NamedTuple):
    """Answer: the kept entries, by their places in `keys`."""

    keys: list[Key]


class Gone(NamedTuple):
    """A process has ended: what its calls held becomes free. Their tickets begin with its id."""

    process_id: int


class Snapshot(NamedTuple):
    """Answer: a list of `Change`, one per open circuit, with what is left of its cooldown."""


Command = (
    Admit | Open | Close | EndProbe | Give | Join | Leave | Receive | Keep | Recall | Gone |
    Snapshot
    | Reserve | Settle | Renew | Seed | LimitStates
)  # fmt: skip


# --- news -----------------------------------------------------------------------------------------


class Woken(NamedTuple):
    """A waiting call may try again; a slot may be promised to it."""

    ticket: Ticket


News = Change | Woken


class Engine:
    """Circuits, slots, the fair order, and limits."""

    def __init__(self) -> None:
        self.circuits: Final = Circuits()
        self.slots: Final = Slots()
        self.order: Final = FairOrder()
        self.entries: Final = Entries(bytes_max=2 * BYTES_MAX)
        """What the workers keep for each other; empty in a single process."""
        self.limits: Final = Limits()
        self.slots_max: Final[dict[CircuitId, int]] = {}
        """The limit as it was stated last."""
        self._news: list[News] = []

    def __repr__(self) -> str:
        open_ids = ["/".join(each.id) for each in self.circuits if each.state is not State.CLOSED]
        return (
            f"<Engine open={open_ids} slots={self.slots.held()} "
            f"waiting={len(self.order)} holds={len(self.limits)}>"
        )

    def do(self, command: Command, now: float) -> tuple[Any, list[News]]:
        """(the answer, what the processes must know). `now` is monotonic, in seconds."""
        answer = _HANDLERS[type(command)](self, command, now)
        if not self._news:
            return answer, []
        news, self._news = self._news, []
        return answer, news

    def admit(self, command: Admit, now: float) -> Permit | None:
        ticket, circuit_ids, slots_max, anyway = command
        circuits = [self.circuits.get(each) for each in circuit_ids]
        for circuit in circuits:
            if circuit.state is State.PROBING or not (anyway or circuit.is_ready(now)):
                return None
        model_id = circuit_ids[0]
        if slots_max is not None:
            self.slots_max[model_id] = slots_max
            if not self.slots.has_room(ticket, model_id, slots_max):
                return None
            self.slots.take(ticket, model_id)
            self.order.leave(ticket, served=True)  # or a second slot is promised to it
        self._forgo(ticket, now)
        probes = tuple(circuit.state is State.OPEN for circuit in circuits)
        for circuit, is_probe in zip(circuits, probes, strict=True):
            if is_probe:
                self.circuits.start_probe(circuit.id, ticket)
        generations = tuple(circuit.generation for circuit in circuits)
        return Permit(ticket, circuit_ids, generations, probes, slots_max is not None)

    def open(self, command: Open, now: float) -> bool:
        change = self.circuits.open(command.circuit_id, command.cooldown_s, command.failure, now)
        self._tell(change)
        return change is not None

    def close(self, command: Close, now: float) -> bool:
        circuit_id, generation = command
        circuits = self.circuits
        change = (
            circuits.close(circuit_id)
            if generation is None
            else circuits.close_probed(circuit_id, generation)
        )
        self._tell(change)
        if change is not None:
            self._wake_all(circuit_id)
        return change is not None

    def end_probe(self, command: EndProbe, now: float) -> None:
        self.circuits.end_probe(*command)

    def give(self, command: Give, now: float) -> None:
        if self.slots.give(command.ticket, command.circuit_id):
            self._hand_on(command.circuit_id, now)

    def join(self, command: Join, now: float) -> None:
        self._forgo(command.ticket, now)
        self.order.join(*command)

    def leave(self, command: Leave, now: float) -> None:
        self.order.leave(command.ticket, served=False)
        self._forgo(command.ticket, now)

    def receive(self, command: Receive, now: float) -> None:
        self.circuits.receive(command.change, now)
        if command.change.state == "closed":
            self._news.append(command.change)
            self._wake_all(command.change.circuit_id)

    def keep(self, command: Keep, now: float) -> None:
        self.entries.put(*command)

    def recall(self, command: Recall, now: float) -> dict[int, Any]:
        found = ((place, self.entries.get(key)) for place, key in enumerate(command.keys))
        return {place: entry for place, entry in found if entry is not None}

    def gone(self, command: Gone, now: float) -> None:
        def is_its(ticket: Any) -> bool:
            return isinstance(ticket, tuple) and ticket[0] == command.process_id

        for waiting in self.order:
            if is_its(waiting.ticket):
                self.leave(Leave(waiting.ticket), now)
        for circuit in self.circuits:
            if circuit.state is State.PROBING and is_its(circuit.prober):
                self.circuits.end_probe(circuit.id, circuit.generation)
        for ticket, circuit_id in self.slots.held_by(is_its):
            self._forgo(ticket, now)
            self.give(Give(ticket, circuit_id), now)
        self.limits.gone(is_its)

    def reserve(self, command: Reserve, now: float) -> Decision:
        return self.limits.reserve(command, now)

    def settle(self, command: Settle, now: float) -> None:
        self.limits.settle(command, now)

    def renew(self, command: Renew, now: float) -> None:
        self.limits.renew(command, now)

    def seed(self, command: Seed, now: float) -> None:
        self.limits.seed(command, now)

    def limit_states(self, command: LimitStates, now: float) -> tuple[LimitState, ...]:
        wanted = {(charge.limit_id, charge.period) for charge in command.wanted}
        states = self.limits.states(now)
        return tuple(
            state for state in states if not wanted or (state.limit_id, state.period) in wanted
        )

    def snapshot(self, command: Snapshot, now: float) -> list[Change]:
        return [
            Change(each.id, "open", max(0.0, each.open_until - now), each.failure, each.generation)
            for each in self.circuits
            if each.state is not State.CLOSED
        ]

    def _forgo(self, ticket: Ticket, now: float) -> None:
        freed = self.slots.forgo(ticket)
        if freed is not None:
            self._hand_on(freed, now)

    def _hand_on(self, model_id: CircuitId, now: float) -> None:
        """Promises a free slot to the next ticket in line.

        A slot of a model that is cooling down is promised to no ticket: the call could only pass it
        on.
        """
        if not self._is_ready(model_id, now) or self.slots.count(model_id) >= self.slots_max.get(
            model_id, 0
        ):
            return
        ticket = self.order.first_for(model_id)
        if ticket is not None:
            self.slots.promise(ticket, model_id)
            self._wake(ticket)

    def _is_ready(self, model_id: CircuitId, now: float) -> bool:
        return all(self.circuits.get(each).is_ready(now) for each in (model_id, model_id[:-1]))

    def _wake_all(self, circuit_id: CircuitId) -> None:
        for ticket in self.order.all_for(circuit_id):
            self._wake(ticket)

    def _wake(self, ticket: Ticket) -> None:
        self.order.leave(ticket, served=True)
        self._news.append(Woken(ticket))

    def _tell(self, change: Change | None) -> None:
        if change is not None:
            self._news.append(change)


_HANDLERS: Final[Mapping[type, Callable[..., Any]]] = {
    Admit: Engine.admit,
    Open: Engine.open,
    Close: Engine.close,
    EndProbe: Engine.end_probe,
    Give: Engine.give,
    Join: Engine.join,
    Leave: Engine.leave,
    Receive: Engine.receive,
    Keep: Engine.keep,
    Recall: Engine.recall,
    Gone: Engine.gone,
    Snapshot: Engine.snapshot,
    Reserve: Engine.reserve,
    Settle: Engine.settle,
    Renew: Engine.renew,
    Seed: Engine.seed,
    LimitStates: Engine.limit_states,
}
