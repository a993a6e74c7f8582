"""Which models are worth trying now.

One circuit per (provider, base URL, credential, model), and one per (provider, base URL, credential) for failures that
concern the account; shared by all agents, kept across reloads. Closed → open, until the stated time → half-open, where
one call may try while the others still pass it by → closed, or open again for longer.

Rule 1: an answer counts only for the circuit as it was when its call began. What was asked before a circuit opened says
nothing about the provider now, so a late success does not close it; a late failure may still lengthen the rest.
Rule 2: every permit is settled exactly once, by `succeeded`, `failed` or `released`: a probe that nobody settles would
keep its model away for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from gateway.failures import VERDICTS, Failure, Kind, Verdict
from gateway.types import Model

Key = tuple[str, ...]
State = Literal["closed", "open", "half_open"]

COOLDOWN_MIN_S: Final = 1.0
"""A provider that says "retry in 0 s" still gets a breath."""


@dataclass(slots=True)
class Circuit:
    """What is known of one model, or of one credential."""

    key: Key
    failures: int = 0
    """In a row."""
    open_until: float = 0.0
    cooldown_s: float = 0.0
    """How long the last rest was; a failed probe lengthens it."""
    is_open: bool = False
    probing: bool = False
    generation: int = 0
    """Counts the openings, so that late answers can be told."""
    failure: Failure | None = None
    """What opened it."""

    def state(self, now: float) -> State:
        if not self.is_open:
            return "closed"
        return "open" if now < self.open_until else "half_open"


class Permit(NamedTuple):
    """Leave to try a model once; remembers the circuits as they were."""

    circuits: tuple[tuple[Circuit, int, bool], ...]
    """(circuit, its generation, whether this call is its probe)."""


def _permit(circuits: Iterable[Circuit]) -> Permit:
    """One permit for all of them; of those that are open it is the probe."""
    for circuit in circuits:
        circuit.probing = circuit.is_open
    return Permit(tuple((circuit, circuit.generation, circuit.is_open) for circuit in circuits))


@dataclass(frozen=True, slots=True)
class Change:
    """A circuit that opened or closed."""

    key: Key
    state: State
    cooldown_s: float = 0.0
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The numbers of `[breaker]`."""

    cooldown_max_s: float = 3600.0
    growth: float = 2.0
    verdicts: Mapping[Kind, Verdict] = field(default_factory=lambda: VERDICTS)


class Breaker:
    """All circuits. `clock` is monotonic, in seconds; `on_change` hears of every opening and closing."""

    def __init__(
        self,
        clock: Callable[[], float],
        settings: Settings | None = None,
        on_change: Callable[[Change], None] = lambda change: None,
    ) -> None:
        self._clock = clock
        self._on_change = on_change
        self._circuits: dict[Key, Circuit] = {}
        self.settings = settings or Settings()

    def __repr__(self) -> str:
        now = self._clock()
        resting = {"/".join(c.key): round(c.open_until - now) for c in self._circuits.values() if c.is_open}
        return f"<Breaker resting={resting}>"

    def admit(self, model: Model) -> Permit | None:
        """Leave to try `model` now, or None: it rests, or another call is probing it."""
        circuits = self._of(model)
        return _permit(circuits) if self._are_ready(circuits) else None

    def is_ready(self, model: Model) -> bool:
        """Whether `model` would be admitted now; takes no permit."""
        return self._are_ready(self._of(model))

    def _are_ready(self, circuits: Iterable[Circuit]) -> bool:
        now = self._clock()
        return not any(circuit.is_open and (circuit.probing or now < circuit.open_until) for circuit in circuits)

    def admit_as_last_resort(self, model: Model) -> Permit | None:
        """Leave to try a model that rests for a fault of the operator's, when no other is left: a key may have been
        mended since, and nobody loses anything. None for one that rests for its provider's sake, or is being probed."""
        circuits = self._of(model)
        resting = [circuit for circuit in circuits if circuit.is_open]
        if any(circuit.probing or circuit.failure is None for circuit in resting):
            return None
        if not all(circuit.failure and self.settings.verdicts[circuit.failure.kind].loud for circuit in resting):
            return None
        return _permit(circuits)

    def succeeded(self, permit: Permit) -> None:
        """The model began to answer: its circuits close, unless they opened after this call began."""
        for circuit, generation, probe in permit.circuits:
            if circuit.generation != generation or (circuit.is_open and not probe):
                continue
            if circuit.is_open:
                self._close(circuit)

    def finished(self, model: Model) -> None:
        """An answer of the model came to its end: failures before it were not in a row."""
        for circuit in self._of(model):
            if not circuit.is_open:
                circuit.failures = 0

    def _close(self, circuit: Circuit) -> None:
        circuit.is_open = circuit.probing = False
        circuit.failures, circuit.cooldown_s, circuit.failure = 0, 0.0, None
        self._on_change(Change(circuit.key, "closed"))

    def failed(self, permit: Permit, failure: Failure) -> float:
        """The model failed. Returns how long it rests because of that, in seconds; 0 if it does not."""
        verdict = self.settings.verdicts[failure.kind]
        blamed = permit.circuits[-1 if verdict.scope == "credential" else 0]
        self._release(permit, besides=blamed[0])
        return self._count(blamed[0], failure, verdict, probe=blamed[2] and blamed[0].generation == blamed[1])

    def failed_late(self, model: Model, failure: Failure) -> float:
        """A committed answer broke off; its permit was settled at the commit."""
        verdict = self.settings.verdicts[failure.kind]
        circuit = self._of(model)[-1 if verdict.scope == "credential" else 0]
        return self._count(circuit, failure, verdict, probe=False)

    def released(self, permit: Permit) -> None:
        """The call ended without saying anything about the model: the client left, or the request was at fault."""
        self._release(permit, besides=None)

    def rest(self, model: Model, seconds: float, failure: Failure) -> None:
        """Leaves a model before it fails: its own headers say that its budget is spent."""
        circuit = self._of(model)[0]
        self._open(circuit, min(seconds, self.settings.cooldown_max_s), failure)

    def heard(self, change: Change) -> None:
        """What another process of this gateway has learnt; told to nobody."""
        circuit = self._circuit(change.key)
        until = self._clock() + change.cooldown_s
        if change.state == "closed":
            circuit.is_open = circuit.probing = False
            circuit.failures, circuit.cooldown_s, circuit.failure = 0, 0.0, None
        elif not circuit.is_open or until > circuit.open_until:
            circuit.generation += not circuit.is_open
            circuit.is_open, circuit.probing = True, False
            circuit.open_until, circuit.cooldown_s, circuit.failure = until, change.cooldown_s, change.failure

    def mended(self, key: Key) -> None:
        """What put this circuit to rest was mended by the operator: it closes at once."""
        circuit = self._circuits.get(key)
        if circuit is not None and circuit.is_open:
            self._close(circuit)

    def resting_s(self, model: Model) -> float:
        """Seconds until `model` may be tried; 0 for now. A model that is being probed counts as ready."""
        now = self._clock()
        return max(0.0, *(circuit.open_until - now for circuit in self._of(model) if circuit.is_open), 0.0)

    def reason(self, model: Model) -> Failure | None:
        """What put `model` to rest, if it rests."""
        return next((circuit.failure for circuit in self._of(model) if circuit.is_open), None)

    def state(self, model: Model) -> State:
        """The state that decides about `model`: the worse one of its own and its credential's."""
        now = self._clock()
        states = [circuit.state(now) for circuit in self._of(model)]
        return "open" if "open" in states else "half_open" if "half_open" in states else "closed"

    def circuits(self) -> list[Circuit]:
        """Every circuit that was ever needed, for `status` and metrics."""
        return list(self._circuits.values())

    def _of(self, model: Model) -> tuple[Circuit, Circuit]:
        return self._circuit(model.key), self._circuit(model.credential_key)

    def _circuit(self, key: Key) -> Circuit:
        circuit = self._circuits.get(key)
        if circuit is None:
            circuit = self._circuits[key] = Circuit(key)
        return circuit

    def _release(self, permit: Permit, besides: Circuit | None) -> None:
        for circuit, generation, probe in permit.circuits:
            if probe and circuit is not besides and circuit.generation == generation:
                circuit.probing = False

    def _count(self, circuit: Circuit, failure: Failure, verdict: Verdict, *, probe: bool) -> float:
        if verdict.cooldown_s <= 0:
            if probe:
                circuit.probing = False
            return 0.0
        circuit.failures += 1
        if not probe and circuit.failures < verdict.after:
            return 0.0
        cooldown_s = self._cooldown_s(circuit, failure, verdict, probe=probe)
        self._open(circuit, cooldown_s, failure)
        return cooldown_s

    def _cooldown_s(self, circuit: Circuit, failure: Failure, verdict: Verdict, *, probe: bool) -> float:
        stated = failure.retry_after_s
        cooldown_s = verdict.cooldown_s if stated is None else stated
        if probe:
            cooldown_s = max(cooldown_s, circuit.cooldown_s * self.settings.growth)
        return min(max(cooldown_s, COOLDOWN_MIN_S), self.settings.cooldown_max_s)

    def _open(self, circuit: Circuit, cooldown_s: float, failure: Failure) -> None:
        """Opens, or opens again; one that rests already may rest longer but not shorter."""
        until = self._clock() + cooldown_s
        resting = circuit.is_open and not circuit.probing
        if resting and until <= circuit.open_until:
            return
        circuit.is_open, circuit.probing = True, False
        circuit.open_until, circuit.cooldown_s, circuit.failure = until, cooldown_s, failure
        if not resting:
            circuit.generation += 1
            self._on_change(Change(circuit.key, "open", cooldown_s, failure))
