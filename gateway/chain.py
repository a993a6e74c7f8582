"""Which model to try next.

`attempts` is the whole policy as an iterator: it yields an `Attempt` to make or a `Wait` to keep,
and reads `attempt.failure` when asked for the next. It waits for nothing and sends nothing, so a
test reads like a transcript: sonnet, haiku, wait 1 s, sonnet.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.failures import VERDICTS, Exhausted, Failure, Kind, Verdict
from gateway.shared.breaker import Breaker
from gateway.shared.engine import Permit
from gateway.shared.port import Pending
from gateway.types import Attempt, Call, Model, Skipped

_ONCE: Final = frozenset({
    Kind.UNSUPPORTED, Kind.TOO_LARGE, Kind.EMPTY, Kind.REQUEST_DENIED, Kind.CANNOT_AFFORD,
    Kind.NOT_THE_API,
    Kind.TRANSLATION_REFUSED,
})  # fmt: skip
"""Failures that the same request would meet again at the same model."""

_ONCE_PER_ACCOUNT: Final = frozenset({Kind.REQUEST_DENIED, Kind.CANNOT_AFFORD})
"""Those of them that another account of the same model may answer otherwise: it has other rights
and another balance."""

WAIT_MIN_S: Final = 0.05
"""Full jitter may draw 0, and a wait of 0 would be a busy loop."""

_DOUBLINGS_MAX: Final = 64
"""Every ceiling is reached by then, and a float would overflow at some point."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often and how long a call waits for its chain to recover."""

    first_s: float = 1.0
    max_s: float = 30.0
    rounds: int = 4
    """Times the whole chain is tried."""
    wait_max_s: float = 60.0
    """All waits of one call together, counted from its arrival."""

    def delay_s(self, waits: int, jitter: Callable[[], float]) -> float:
        """The wait after `waits` earlier ones; `jitter` draws from 0 to 1."""
        ceiling = min(self.first_s * 2.0 ** min(waits, _DOUBLINGS_MAX), self.max_s)
        return max(WAIT_MIN_S, ceiling * jitter())


@dataclass(frozen=True, slots=True)
class Wait:
    """Every model has failed or is cooling down: try again after `delay_s`."""

    delay_s: float
    models: tuple[Model, ...]
    """Those that may still serve the call; it wakes only for one of these."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of a chain."""

    backoff: Backoff = field(default_factory=Backoff)
    verdicts: Mapping[Kind, Verdict] = field(default_factory=lambda: VERDICTS)
    skips_before_limit: bool = True
    """Whether a model is skipped once its rate-limit headers report no remaining quota."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Another process decides whether a model may be tried: send its answer, a `Permit` or None,
    into the iterator."""

    question: Pending


Step = Attempt | Wait | Ask
Steps = Generator[Step, Permit | None, None]


def attempts(
    call: Call,
    breaker: Breaker,
    policy: Policy,
    *,
    clock: Callable[[], float],
    jitter: Callable[[], float],
) -> Steps:
    """The steps for `call`, one by one, until none is left.

    Each attempt is appended to `call.attempts`. The caller sets `failure` or `committed_at` on it;
    closing the iterator after neither (the client left) gives the model's permit back unused. A
    committed attempt keeps its slot: the caller gives `attempt.permit` back after the last byte.
    """
    plan = _Plan(call, breaker, policy, clock, jitter)
    while True:
        tried = False
        for model in list(plan.candidates):
            if model not in plan.candidates:
                continue
            permit = yield from _permit(call, model, breaker, last_resort=plan.last_resort)
            if permit is None:
                continue
            tried = True
            attempt = Attempt(
                model, number=len(call.attempts) + 1, started_at=clock(), permit=permit
            )
            call.attempts.append(attempt)
            try:
                yield attempt
            finally:
                _settle(attempt, permit, breaker)
            if attempt.failure is None or not plan.goes_on_after(attempt, attempt.failure):
                return
        wait = plan.next_round(tried=tried)
        if wait is not None:
            yield wait
        elif not plan.may_try_last_resort():
            return


def _permit(
    call: Call, model: Model, breaker: Breaker, *, last_resort: bool
) -> Generator[Ask, Permit | None, Permit | None]:
    permit = breaker.admit(call, model, last_resort=last_resort)
    if isinstance(permit, Pending):
        permit = yield Ask(permit)
    if permit is not None and permit.is_alone and "places" not in call.decided_alone:
        call.decided_alone = (*call.decided_alone, "places")
    return permit


def _settle(attempt: Attempt, permit: Permit, breaker: Breaker) -> None:
    if attempt.failure is None and attempt.committed_at is not None:
        breaker.succeeded(permit)
        return
    if attempt.failure is not None:
        attempt.cooldown_s = breaker.failed(permit, attempt.failure)
    else:
        breaker.released(permit)
    breaker.give(permit)


class _Plan:
    """The models that are left to try for one call."""

    def __init__(
        self,
        call: Call,
        breaker: Breaker,
        policy: Policy,
        clock: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        self._call = call
        self._breaker = breaker
        self._policy = policy
        self._clock = clock
        self._jitter = jitter
        self._rounds = 0
        self._waits = 0
        self.candidates: list[Model] = list(call.agent.models)
        self.last_resort = False
        """No model was available: those whose circuit a configuration error opened are tried
        early."""

    def goes_on_after(self, attempt: Attempt, failure: Failure) -> bool:
        """Whether another model may be tried; drops the candidates that no longer may."""
        verdict = self._policy.verdicts[failure.kind]
        if verdict.moves_on == "never":
            return False
        if verdict.moves_on == "larger_window":
            window = attempt.model.context_window or 0
            self.candidates = [
                model for model in self.candidates if (model.context_window or 0) > window
            ]
        elif failure.kind in _ONCE_PER_ACCOUNT:
            self.candidates = [model for model in self.candidates if model is not attempt.model]
        elif self._cannot_serve(attempt.model, failure.kind):
            entry = attempt.model.entry
            self.candidates = [model for model in self.candidates if model.entry != entry]
        return True

    def _cannot_serve(self, model: Model, kind: Kind) -> bool:
        """Whether `model` cannot take this request at all, or has produced bad output twice.

        Both concern the model, whichever of its accounts was asked.
        """
        if kind in _ONCE:
            return True
        own = (one for one in self._call.attempts if one.model.entry == model.entry)
        kinds = [one.failure.kind for one in own if one.failure is not None]
        return kind is Kind.BAD_OUTPUT and kinds.count(kind) > 1

    def next_round(self, *, tried: bool) -> Wait | None:
        """The wait before the next round, aimed at the end of the shortest cooldown; None when it
        is not worth it."""
        self._rounds += tried
        backoff = self._policy.backoff
        if not self.candidates or self._rounds >= backoff.rounds:
            return None
        left_s = self._call.received_at + backoff.wait_max_s - self._clock()
        earliest_s = min(self._breaker.cooldown_left_s(model) for model in self.candidates)
        if earliest_s > left_s or left_s <= 0:
            return None
        delay_s = min(max(earliest_s, backoff.delay_s(self._waits, self._jitter)), left_s)
        self._waits += 1
        return Wait(delay_s, tuple(self.candidates))

    def may_try_last_resort(self) -> bool:
        """Whether to go through the chain once more, with permits for the last resort."""
        if self._call.attempts or self.last_resort:
            return False
        self.last_resort = True
        return True


def _skipped(call: Call, breaker: Breaker, policy: Policy) -> list[Skipped]:
    """The models that were not tried: those that are cooling down, and where none was tried also
    those that are busy.

    None after a failure that ends the call: then it does not matter why.
    """
    last = call.attempts[-1].failure if call.attempts else None
    if last is not None and policy.verdicts[last.kind].moves_on == "never":
        return []
    tried = {attempt.model for attempt in call.attempts}
    found = (
        Skipped(model, breaker.cooldown_left_s(model), breaker.reason(model))
        for model in call.agent.models
        if model not in tried
    )
    return [skipped for skipped in found if skipped.failure is not None or not tried]


def exhausted(call: Call, breaker: Breaker, policy: Policy) -> Exhausted:
    """Why `call` got no answer: its own failures, and what keeps the models away that were not
    tried.

    Those models are written to `call.skipped`.
    """
    call.skipped = _skipped(call, breaker, policy)
    failures: list[Failure] = [
        attempt.failure for attempt in call.attempts if attempt.failure is not None
    ]
    failures += [skipped.failure for skipped in call.skipped if skipped.failure is not None]
    if not failures:
        failures = [
            Failure(Kind.OVERLOADED, "all models of this agent are at their maxConcurrent limit")
        ]
    cooldowns_s = [breaker.cooldown_left_s(model) for model in call.agent.models]
    return Exhausted(failures, min((each for each in cooldowns_s if each > 0), default=None))
