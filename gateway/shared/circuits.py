"""Circuits as a table of transitions.

One circuit per (provider, base URL, credential, model), and one per (provider, base URL,
credential) for failures of the account. A circuit id is that tuple of strings.

    closed ──opens──▶ open ──cooldown over, a probe starts──▶ probing ──closes──▶ closed
                       ▲                                        │
                       └──────────── opens, or the probe ends ──┘

Rule 1: `TRANSITIONS` is the only place that says which event leads from which state to which, and
`Circuit.apply` is the only code that changes a state. Rule 2: every opening starts a new
generation. An answer counts only for the generation in which its call began, so a late success, or
the success of a probe that a newer failure has overtaken, closes nothing. Rule 3: every opening
that takes effect is news, also one that only makes a cooldown longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from gateway.failures import Failure

CircuitId = tuple[str, ...]
Shown = Literal["closed", "open", "half_open"]
"""A circuit's state as people see it: `half_open` says that the cooldown is over and one call may
try."""


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Event(Enum):
    OPENS = "opens"
    CLOSES = "closes"
    PROBE_STARTS = "probe starts"
    PROBE_ENDS = "probe ends"
    """The probe says nothing about the model: its client left, or its request was at fault."""


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.CLOSED, Event.OPENS): State.OPEN,
    (State.CLOSED, Event.CLOSES): State.CLOSED,
    (State.OPEN, Event.OPENS): State.OPEN,
    (State.OPEN, Event.CLOSES): State.CLOSED,
    (State.OPEN, Event.PROBE_STARTS): State.PROBING,
    (State.PROBING, Event.OPENS): State.OPEN,
    (State.PROBING, Event.CLOSES): State.CLOSED,
    (State.PROBING, Event.PROBE_ENDS): State.OPEN,
}
"""What is not in the table cannot happen; `Circuit.apply` raises `KeyError` for it."""


@dataclass(frozen=True, slots=True)
class Change:
    """News: a circuit opened, its cooldown became longer, or it closed."""

    circuit_id: CircuitId
    state: Literal["open", "closed"]
    cooldown_s: float = 0.0
    """From the moment of the news."""
    failure: Failure | None = None
    """The failure that opened it."""
    generation: int = 0
    is_own: bool = True
    """This process caused it; another one reports it otherwise."""


@dataclass(slots=True)
class Circuit:
    """One circuit. Times are seconds of one monotonic clock."""

    id: CircuitId
    state: State = State.CLOSED
    generation: int = 0
    """Counts the openings."""
    open_until: float = 0.0
    cooldown_s: float = 0.0
    """The length of the last cooldown; a failed probe makes the next one longer."""
    failure: Failure | None = None
    """The failure that opened it."""
    is_retried: bool = False
    """What opened it last was a failed probe."""
    prober: Any = None
    """The ticket of the call that probes it."""

    def apply(self, event: Event) -> None:
        self.state = TRANSITIONS[self.state, event]
        if event is Event.OPENS:
            self.generation += 1

    def is_ready(self, now: float) -> bool:
        """Whether a call may be admitted: the circuit is closed, or a probe may start."""
        if self.state is State.CLOSED:
            return True
        return self.state is State.OPEN and now >= self.open_until

    def shown(self, now: float) -> Shown:
        if self.state is State.CLOSED:
            return "closed"
        return "open" if now < self.open_until else "half_open"


class _ById(dict[CircuitId, Circuit]):
    def __missing__(self, circuit_id: CircuitId) -> Circuit:
        circuit = self[circuit_id] = Circuit(circuit_id)
        return circuit


class Circuits:
    """All circuits, made on first use. Pure: `now` is given."""

    def __init__(self) -> None:
        self.by_id: Final[Mapping[CircuitId, Circuit]] = _ById()
        """Has every id that is asked for. Only methods of this class change a circuit."""

    def __iter__(self) -> Iterator[Circuit]:
        return iter(list(self.by_id.values()))

    def get(self, circuit_id: CircuitId) -> Circuit:
        return self.by_id[circuit_id]

    def open(
        self, circuit_id: CircuitId, cooldown_s: float, failure: Failure | None, now: float
    ) -> Change | None:
        """Opens, or makes a running cooldown longer; None when a longer one is running already."""
        circuit = self.by_id[circuit_id]
        until = now + cooldown_s
        if circuit.state is State.OPEN and until <= circuit.open_until:
            return None
        circuit.is_retried = circuit.state is State.PROBING
        circuit.apply(Event.OPENS)
        circuit.open_until, circuit.cooldown_s, circuit.failure = until, cooldown_s, failure
        return Change(circuit_id, "open", cooldown_s, failure, circuit.generation)

    def close(self, circuit_id: CircuitId) -> Change | None:
        """Closes; None when it is closed already."""
        circuit = self.by_id[circuit_id]
        was_closed = circuit.state is State.CLOSED
        circuit.apply(Event.CLOSES)
        circuit.open_until, circuit.cooldown_s, circuit.failure = 0.0, 0.0, None
        return None if was_closed else Change(circuit_id, "closed", generation=circuit.generation)

    def close_probed(self, circuit_id: CircuitId, generation: int) -> Change | None:
        """Closes after a probe's success, unless the circuit has opened again since the probe
        started."""
        circuit = self.by_id[circuit_id]
        if circuit.state is not State.PROBING or circuit.generation != generation:
            return None
        return self.close(circuit_id)

    def start_probe(self, circuit_id: CircuitId, prober: Any = None) -> None:
        circuit = self.by_id[circuit_id]
        circuit.apply(Event.PROBE_STARTS)
        circuit.prober = prober

    def end_probe(self, circuit_id: CircuitId, generation: int) -> None:
        """Frees the probe's place, if the probe is still the circuit's."""
        circuit = self.by_id[circuit_id]
        if circuit.state is State.PROBING and circuit.generation == generation:
            circuit.apply(Event.PROBE_ENDS)

    def receive(self, change: Change, now: float) -> None:
        """Takes over a change that another process made, without making news of it."""
        if change.state == "closed":
            self.close(change.circuit_id)
            return
        self.open(change.circuit_id, change.cooldown_s, change.failure, now)
        circuit = self.by_id[change.circuit_id]
        circuit.generation = change.generation or circuit.generation
