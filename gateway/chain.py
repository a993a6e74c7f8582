"""Which model to try next.

`attempts` is the whole policy as an iterator: it yields an `Attempt` to make or a `Wait` to keep, and reads
`attempt.failure` when asked for the next. It waits for nothing and sends nothing, so a test reads like a transcript:
sonnet, haiku, wait 1 s, sonnet.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.failures import VERDICTS, Exhausted, Failure, Kind, Verdict
from gateway.shared.circuits import Breaker, Permit
from gateway.shared.slots import Capacity
from gateway.types import Attempt, Call, Model

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
    """Every model has failed or rests: try again after `delay_s`."""

    delay_s: float
    models: tuple[Model, ...]
    """Those that may still serve the call: none but these is worth being woken for."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the chain goes by."""

    backoff: Backoff = field(default_factory=Backoff)
    verdicts: Mapping[Kind, Verdict] = field(default_factory=lambda: VERDICTS)
    leave_early: bool = True
    """Whether a model rests once its headers say that its budget is spent."""


def attempts(
    call: Call,
    breaker: Breaker,
    policy: Policy,
    capacity: Capacity,
    *,
    clock: Callable[[], float],
    jitter: Callable[[], float],
) -> Generator[Attempt | Wait, None, None]:
    """What to do for `call`, step by step, until nothing is left to do.

    Each attempt is appended to `call.attempts`. Whoever iterates sets `failure` or `committed_at` on it; closing the
    iterator after neither (the client left) gives the model's permit back unused.
    """
    candidates = list(call.agent.models)
    rounds = waits = 0
    last_resort = False
    while True:
        tried = False
        for model in list(candidates):
            if model not in candidates or not capacity.has_room(call, model):
                continue
            permit = breaker.admit_as_last_resort(model) if last_resort else breaker.admit(model)
            if permit is None:
                continue
            tried = True
            attempt = Attempt(model, number=len(call.attempts) + 1, started_at=clock())
            call.attempts.append(attempt)
            try:
                yield attempt
            finally:
                _settle(attempt, permit, breaker)
            if attempt.failure is None:
                return
            verdict = policy.verdicts[attempt.failure.kind]
            if verdict.moves_on == "never":
                return
            candidates = _left(candidates, call.attempts, verdict)
        rounds += tried
        delay_s = _delay_s(candidates, call, breaker, policy.backoff, rounds, waits, clock, jitter)
        if delay_s is None:
            if call.attempts or last_resort:
                return
            last_resort = True
            continue
        waits += 1
        yield Wait(delay_s, tuple(candidates))


def _settle(attempt: Attempt, permit: Permit, breaker: Breaker) -> None:
    if attempt.failure is not None:
        attempt.cooldown_s = breaker.failed(permit, attempt.failure)
    elif attempt.committed_at is not None:
        breaker.succeeded(permit)
    else:
        breaker.released(permit)


def _left(candidates: list[Model], attempts: Sequence[Attempt], verdict: Verdict) -> list[Model]:
    """The models that may still serve this request: a request that does not fit does not fit later either, and what a
    model got wrong twice it is not asked for a third time."""
    attempt = attempts[-1]
    failed, kind = attempt.model, attempt.failure.kind if attempt.failure else None
    if verdict.moves_on == "larger_window":
        window = failed.context_window or 0
        return [model for model in candidates if (model.context_window or 0) > window and model is not failed]
    same = [one for one in attempts if one.model is failed and one.failure and one.failure.kind is kind]
    if kind in (Kind.UNSUPPORTED, Kind.TOO_LARGE) or (kind is Kind.BAD_OUTPUT and len(same) > 1):
        return [model for model in candidates if model is not failed]
    return candidates


def _delay_s(
    candidates: Sequence[Model],
    call: Call,
    breaker: Breaker,
    backoff: Backoff,
    rounds: int,
    waits: int,
    clock: Callable[[], float],
    jitter: Callable[[], float],
) -> float | None:
    """How long to wait before the next round, aimed at the first model to wake; None when it is not worth it."""
    if not candidates or rounds >= backoff.rounds:
        return None
    left_s = call.received_at + backoff.wait_max_s - clock()
    earliest_s = min(breaker.resting_s(model) for model in candidates)
    if earliest_s > left_s or left_s <= 0:
        return None
    return min(max(earliest_s, backoff.delay_s(waits, jitter)), left_s)


def exhausted(call: Call, breaker: Breaker, policy: Policy) -> Exhausted:
    """Why `call` got no answer: its own failures, and what put those models to rest that were not tried."""
    tried = {attempt.model for attempt in call.attempts}
    failures: list[Failure] = [attempt.failure for attempt in call.attempts if attempt.failure is not None]
    for model in call.agent.models:
        reason = breaker.reason(model)
        if model not in tried and reason is not None:
            failures.append(reason)
    if not failures:
        failures = [Failure(Kind.OVERLOADED, "every model of the chain is busy with other calls")]
    rests = [breaker.resting_s(model) for model in call.agent.models]
    return Exhausted(failures, min((rest for rest in rests if rest > 0), default=None))
