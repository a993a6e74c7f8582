"""Which models are worth trying: turns what happens to calls into commands to the circuits.

Failures in a row are counted here, per process: three processes that see one failure each have not
seen three in a row. What opens a circuit at once (a rate limit, a refused key) is shared at once.

Every permit is settled exactly once, by `succeeded`, `failed` or `released`; a probe that is never
settled would block its model. A slot that a permit holds is given back with `give`, after the last
byte of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.failures import VERDICTS, Failure, Kind, Verdict
from gateway.shared.circuits import Change, Circuit, CircuitId, Shown, State
from gateway.shared.engine import Admit, Close, EndProbe, Give, News, Open, Permit
from gateway.shared.port import Pending, Shared
from gateway.types import Call, Model

COOLDOWN_MIN_S: Final = 1.0
"""A provider that says "retry in 0 s" is still left alone for a moment."""

EARLY_PROBE_S: Final = 10.0
"""How long after a probe that failed for a configuration error the model may be probed again before
its time."""

_NO_PROBES: Final = (False, False)


@dataclass(frozen=True, slots=True)
class Settings:
    """The numbers of `[breaker]`."""

    cooldown_max_s: float = 3600.0
    growth: float = 2.0
    """A failed probe's cooldown is this many times the last one."""
    verdicts: Mapping[Kind, Verdict] = field(default_factory=lambda: VERDICTS)


class Breaker:
    """The circuits of all models. `clock` is monotonic, in seconds."""

    def __init__(
        self, shared: Shared, clock: Callable[[], float], settings: Settings | None = None
    ) -> None:
        self._shared = shared
        self._clock = clock
        self._failures: dict[CircuitId, int] = {}
        """Failures in a row, of circuits that have some."""
        self.settings = settings or Settings()
        shared.subscribe(self._receive)

    def __repr__(self) -> str:
        now = self._clock()
        open_s = {
            "/".join(each.id): round(each.open_until - now)
            for each in self.circuits()
            if _is_open(each)
        }
        return f"<Breaker cooling_down={open_s}>"

    # --- permits ----------------------------------------------------------------------------------

    def admit(
        self, call: Call, model: Model, *, last_resort: bool = False
    ) -> Permit | Pending | None:
        """Permission to try `model` now. None while it cools down, is probed by another call, or
        has no free slot.

        As a `last_resort` a model is probed before its time if a configuration error, such as a
        rejected key, opened its circuit: the operator may have fixed it since. If not, it is asked
        once in `EARLY_PROBE_S`, however many calls want it.
        """
        own, account = self._of(model)
        ids = (own.id, account.id)
        if own.state is State.CLOSED and account.state is State.CLOSED:
            if model.max_concurrent is None and not call.waits:
                return Permit(call.ticket, ids, (own.generation, account.generation), _NO_PROBES)
        elif not self._may_probe(own, account, last_resort):
            return None
        permit: Permit | Pending | None = self._shared.ask(
            Admit(call.ticket, ids, model.max_concurrent, last_resort)
        )
        return permit

    def _may_probe(self, own: Circuit, account: Circuit, last_resort: bool) -> bool:
        now = self._clock()
        if last_resort:
            return all(self._may_be_fixed(each, now) for each in (own, account) if _is_open(each))
        return own.is_ready(now) and account.is_ready(now)

    def _may_be_fixed(self, circuit: Circuit, now: float) -> bool:
        failure, opened_at = circuit.failure, circuit.open_until - circuit.cooldown_s
        return (
            circuit.state is State.OPEN
            and failure is not None
            and self.settings.verdicts[failure.kind].loud
            and not (circuit.is_retried and now < opened_at + EARLY_PROBE_S)
        )

    def succeeded(self, permit: Permit) -> None:
        """The model began to answer; circuits that this call probed close."""
        if permit.probes == _NO_PROBES:
            return
        for circuit_id, generation, is_probe in _circuits_of(permit):
            if is_probe:
                self._shared.tell(Close(circuit_id, generation))

    def failed(self, permit: Permit, failure: Failure) -> float:
        """The model failed. Returns the seconds of cooldown that follow from it."""
        verdict = self.settings.verdicts[failure.kind]
        blamed = permit.circuit_ids[_place(verdict)]
        if permit.probes == _NO_PROBES:
            return self._count(blamed, failure, verdict, was_probe=False)
        was_probe = False
        for circuit_id, generation, is_probe in _circuits_of(permit):
            if circuit_id == blamed and is_probe:
                was_probe = self._circuit(circuit_id).generation == generation
            if is_probe and (circuit_id != blamed or verdict.cooldown_s <= 0):
                self._shared.tell(EndProbe(circuit_id, generation))
        return self._count(blamed, failure, verdict, was_probe=was_probe)

    def released(self, permit: Permit) -> None:
        """The call ended without saying anything about the model: the client left, or the request
        was at fault."""
        if permit.probes == _NO_PROBES:
            return
        for circuit_id, generation, is_probe in _circuits_of(permit):
            if is_probe:
                self._shared.tell(EndProbe(circuit_id, generation))

    def give(self, permit: Permit) -> None:
        """The call needs its slot no longer."""
        if permit.has_slot:
            self._shared.tell(Give(permit.ticket, permit.circuit_ids[0]))

    # --- what happens without a permit ------------------------------------------------------------

    def finished(self, model: Model) -> None:
        """A complete answer resets the count of consecutive failures."""
        if not self._failures:
            return
        for circuit in self._of(model):
            if circuit.state is State.CLOSED:
                self._failures.pop(circuit.id, None)

    def failed_late(self, model: Model, failure: Failure) -> float:
        """A committed answer broke off; its permit was settled at the commit. Returns the seconds
        of cooldown."""
        verdict = self.settings.verdicts[failure.kind]
        return self._count(self._of(model)[_place(verdict)].id, failure, verdict, was_probe=False)

    def cool_down(self, model: Model, seconds: float, failure: Failure) -> None:
        """Skips a model before its limit is reached: its rate-limit headers report no remaining
        quota."""
        self._shared.tell(Open(model.key, min(seconds, self.settings.cooldown_max_s), failure))

    def key_changed(self, circuit_id: CircuitId) -> None:
        """The operator fixed the cause of an opening: the circuit closes at once."""
        self._shared.tell(Close(circuit_id))

    # --- questions --------------------------------------------------------------------------------

    def is_ready(self, model: Model) -> bool:
        """Whether the circuits of `model` would admit a call now."""
        now = self._clock()
        return all(circuit.is_ready(now) for circuit in self._of(model))

    def cooldown_left_s(self, model: Model) -> float:
        """Seconds until `model` may be tried; 0 for now. A model that is being probed counts as
        ready."""
        now = self._clock()
        return max([0.0, *(each.open_until - now for each in self._of(model) if _is_open(each))])

    def reason(self, model: Model) -> Failure | None:
        """The failure that opened a circuit of `model`, if one is open."""
        return next((circuit.failure for circuit in self._of(model) if _is_open(circuit)), None)

    def state(self, model: Model) -> Shown:
        """The state that decides about `model`: the worse one of its own and its credential's."""
        now = self._clock()
        shown = [circuit.shown(now) for circuit in self._of(model)]
        return next((state for state in _WORST_FIRST if state in shown), "closed")

    def circuits(self) -> list[Circuit]:
        """Every circuit that was ever needed, for reports and metrics."""
        return list(self._shared.circuits)

    def _of(self, model: Model) -> tuple[Circuit, Circuit]:
        circuits = self._shared.circuits.by_id
        return circuits[model.key], circuits[model.credential_key]

    def _circuit(self, circuit_id: CircuitId) -> Circuit:
        return self._shared.circuits.by_id[circuit_id]

    def _receive(self, news: News) -> None:
        if isinstance(news, Change) and news.state == "closed":
            self._failures.pop(news.circuit_id, None)

    def _count(
        self, circuit_id: CircuitId, failure: Failure, verdict: Verdict, *, was_probe: bool
    ) -> float:
        if verdict.cooldown_s <= 0:
            return 0.0
        failures = self._failures[circuit_id] = self._failures.get(circuit_id, 0) + 1
        if not was_probe and failures < verdict.after:
            return 0.0
        cooldown_s = self._cooldown_s(circuit_id, failure, verdict, was_probe=was_probe)
        self._shared.tell(Open(circuit_id, cooldown_s, failure))
        return cooldown_s

    def _cooldown_s(
        self, circuit_id: CircuitId, failure: Failure, verdict: Verdict, *, was_probe: bool
    ) -> float:
        stated = failure.retry_after_s
        cooldown_s = verdict.cooldown_s if stated is None else stated
        if was_probe:
            circuit = self._circuit(circuit_id)
            left_s = circuit.open_until - self._clock()  # of a model that was probed early
            longer_s = left_s if left_s > 0 else circuit.cooldown_s * self.settings.growth
            cooldown_s = max(cooldown_s, longer_s)
        return min(max(cooldown_s, COOLDOWN_MIN_S), self.settings.cooldown_max_s)


_WORST_FIRST: Final[tuple[Shown, ...]] = ("open", "half_open")


def _is_open(circuit: Circuit) -> bool:
    return circuit.state is not State.CLOSED


def _place(verdict: Verdict) -> int:
    """Which of a permit's circuits a failure is about."""
    return -1 if verdict.scope == "credential" else 0


def _circuits_of(permit: Permit) -> zip[tuple[CircuitId, int, bool]]:
    return zip(permit.circuit_ids, permit.generations, permit.probes, strict=True)
