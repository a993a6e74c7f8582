"""The request path, on one screen: a call goes through its agent's chain until one model has
committed to an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Protocol

from gateway.chain import Ask, Policy, Step, Steps, Wait, attempts, exhausted
from gateway.failures import Failed, Failure, Kind
from gateway.shared.breaker import Breaker
from gateway.shared.engine import Permit
from gateway.types import Attempt, Call, Model, Reply


class Upstream(Protocol):
    """Makes one attempt."""

    async def open(self, attempt: Attempt, call: Call) -> Reply:
        """The committed reply. Raises `Failed`, also for one that says nothing."""
        ...


class Room(Protocol):
    """Where calls wait; see `shared/waiting_room.py`."""

    @property
    def is_full(self) -> bool: ...

    async def wait(self, call: Call, models: Sequence[Model], delay_s: float) -> None:
        """Returns after `delay_s`, or earlier when one of `models` becomes available."""
        ...

    def leave(self, call: Call) -> None:
        """The call is over, or is being served."""
        ...


class Relay:
    """Takes calls through their chains. `clock` (monotonic, in seconds) and `jitter` (0 to 1) are
    injected."""

    def __init__(
        self,
        upstream: Upstream,
        breaker: Breaker,
        policy: Policy,
        room: Room,
        *,
        clock: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        self._upstream = upstream
        self._breaker = breaker
        self._policy = policy
        self._room = room
        self._clock = clock
        self._jitter = jitter

    async def answer(self, call: Call) -> Reply:
        """The reply of the first model that commits. Raises `Exhausted` when none does.

        Cancelled when the client leaves; whatever is under way then ends with it.
        """
        try:
            reply = await self._through_the_chain(call)
        finally:
            self._room.leave(call)
        if reply.empty_for_s is not None and self._policy.skips_before_limit:
            spent = Failure(Kind.RATE_LIMIT, "rate-limit headers report no remaining quota")
            self._breaker.cool_down(reply.attempt.model, reply.empty_for_s, spent)
        return reply

    async def _through_the_chain(self, call: Call) -> Reply:
        steps = attempts(call, self._breaker, self._policy, clock=self._clock, jitter=self._jitter)
        with closing(steps):
            step = next(steps, None)
            while step is not None:
                permit = None
                if isinstance(step, Ask):
                    permit = await step.question.answer
                elif isinstance(step, Wait):
                    if self._room.is_full:
                        break
                    await self._wait(call, step)
                else:
                    try:
                        return self._committed(step, await self._upstream.open(step, call))
                    except BaseException as error:
                        step.ended_at = self._clock()
                        if not isinstance(error, Failed):
                            raise
                        step.failure = error.failure  # the chain reads it there
                step = _next(steps, permit)
        raise exhausted(call, self._breaker, self._policy)

    async def _wait(self, call: Call, step: Wait) -> None:
        since = self._clock()
        try:
            await self._room.wait(call, step.models, step.delay_s)
        finally:
            until = self._clock()
            call.waited_s += until - since
            call.pauses += ((since, until),)

    def _committed(self, attempt: Attempt, reply: Reply) -> Reply:
        if reply.chunks is None:
            attempt.ended_at = self._clock()
            self._breaker.give(attempt.permit)
            self._breaker.finished(attempt.model)
        else:
            reply.chunks.watch(_Watcher(attempt, self._breaker, self._clock))
        return reply


def _next(steps: Steps, permit: Permit | None) -> Step | None:
    try:
        return steps.send(permit)
    except StopIteration:
        return None


class _Watcher:
    """Reports to the breaker how a committed stream ends, and gives its slot back."""

    def __init__(self, attempt: Attempt, breaker: Breaker, clock: Callable[[], float]) -> None:
        self._attempt = attempt
        self._breaker = breaker
        self._clock = clock

    def ended(self, failure: Failure | None) -> None:
        attempt = self._attempt
        if failure is None:
            self._breaker.finished(attempt.model)
            return
        attempt.failure = failure
        attempt.cooldown_s = self._breaker.failed_late(attempt.model, failure)

    def closed(self) -> None:
        if self._attempt.ended_at is None:
            self._attempt.ended_at = self._clock()
            self._breaker.give(self._attempt.permit)
