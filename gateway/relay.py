"""The request path, on one screen: a call goes through its agent's chain until one model has committed to an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Protocol

from gateway.chain import Policy, Wait, attempts, exhausted
from gateway.failures import Failed, Failure, Kind
from gateway.shared.circuits import Breaker
from gateway.shared.slots import Capacity
from gateway.types import Attempt, Call, Chunk, Chunks, Model, Reply
from gateway.upstream.client import EmptyAnswer


class Upstream(Protocol):
    """Makes one attempt."""

    async def open(self, attempt: Attempt, call: Call) -> Reply:
        """The committed reply. Raises `Failed`, with `EmptyAnswer` for one that says nothing."""
        ...


class Room(Protocol):
    """Where calls wait; see `waiting.py`."""

    @property
    def capacity(self) -> Capacity: ...

    @property
    def is_full(self) -> bool: ...

    async def wait(self, call: Call, models: Sequence[Model], delay_s: float) -> None:
        """Until `delay_s` are over, or sooner if one of `models` has become available."""
        ...


class Relay:
    """Takes calls through their chains. `clock` (monotonic, in seconds) and `jitter` (0 to 1) are injected."""

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
            self._room.capacity.forgo(call)
        if reply.empty_for_s is not None and self._policy.leave_early:
            spent = Failure(Kind.RATE_LIMIT, "its headers say that its budget is spent")
            self._breaker.rest(reply.attempt.model, reply.empty_for_s, spent)
        return reply

    async def _through_the_chain(self, call: Call) -> Reply:
        empty: Reply | None = None
        capacity = self._room.capacity
        steps = attempts(call, self._breaker, self._policy, capacity, clock=self._clock, jitter=self._jitter)
        with closing(steps):
            for step in steps:
                if isinstance(step, Wait):
                    if empty is not None or self._room.is_full:
                        break
                    await self._wait(call, step)
                    continue
                try:
                    return await self._attempt(step, call)
                except EmptyAnswer as failed:
                    empty = failed.reply
                except Failed:
                    continue  # the attempt holds its failure, and the chain reads it there
        if empty is not None:
            return empty  # nobody said more, and this model did say that it had finished
        raise exhausted(call, self._breaker, self._policy)

    async def _wait(self, call: Call, step: Wait) -> None:
        since = self._clock()
        try:
            await self._room.wait(call, step.models, step.delay_s)
        finally:
            call.waited_s += self._clock() - since

    async def _attempt(self, attempt: Attempt, call: Call) -> Reply:
        capacity, model = self._room.capacity, attempt.model
        capacity.take(call, model)
        try:
            reply = await self._upstream.open(attempt, call)
        except BaseException as error:
            attempt.ended_at = self._clock()
            capacity.give(model)
            if isinstance(error, Failed):
                attempt.failure = error.failure
            raise
        if reply.chunks is None:
            attempt.ended_at = self._clock()
            capacity.give(model)
            self._breaker.finished(model)
        else:
            reply.chunks = _Watched(reply.chunks, attempt, self._breaker, capacity, self._clock)
        return reply


class _Watched:
    """A committed stream whose model is held to account to its end."""

    def __init__(
        self, chunks: Chunks, attempt: Attempt, breaker: Breaker, capacity: Capacity, clock: Callable[[], float]
    ) -> None:
        self._chunks = chunks
        self._attempt = attempt
        self._breaker = breaker
        self._capacity = capacity
        self._clock = clock

    def __aiter__(self) -> _Watched:
        return self

    async def __anext__(self) -> list[Chunk]:
        try:
            return await self._chunks.__anext__()
        except Failed as failed:
            self._attempt.failure = failed.failure
            self._attempt.cooldown_s = self._breaker.failed_late(self._attempt.model, failed.failure)
            raise
        except StopAsyncIteration:
            self._breaker.finished(self._attempt.model)
            raise

    async def aclose(self) -> None:
        if self._attempt.ended_at is None:
            self._attempt.ended_at = self._clock()
            self._capacity.give(self._attempt.model)
        await self._chunks.aclose()
