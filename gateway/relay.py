"""The request path, on one screen: a call goes through its agent's chain until one model has committed to an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from typing import Protocol

from gateway.breaker import Breaker
from gateway.chain import Policy, Wait, attempts, exhausted
from gateway.failures import Failed
from gateway.types import Attempt, Call, Chunk, Reply
from gateway.upstream.client import EmptyAnswer


class Upstream(Protocol):
    """Makes one attempt."""

    async def open(self, attempt: Attempt, call: Call) -> Reply:
        """The committed reply. Raises `Failed`."""
        ...


class Relay:
    """Takes calls through their chains. `clock`, `sleep` and `jitter` are injected: the policy waits for nothing
    itself."""

    def __init__(
        self,
        upstream: Upstream,
        breaker: Breaker,
        policy: Policy,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        jitter: Callable[[], float],
    ) -> None:
        self._upstream = upstream
        self._breaker = breaker
        self._policy = policy
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    async def answer(self, call: Call) -> Reply:
        """The reply of the first model that commits. Raises `Exhausted` when none does.

        Cancelled when the client leaves; whatever is under way then ends with it.
        """
        steps: Iterator[Attempt | Wait] = attempts(
            call, self._breaker, self._policy, clock=self._clock, jitter=self._jitter
        )
        empty: Reply | None = None
        with closing(steps):  # type: ignore[type-var]  # a generator, which has close()
            for step in steps:
                if isinstance(step, Wait):
                    if empty is not None:
                        break
                    call.waited_s += step.delay_s
                    await self._sleep(step.delay_s)
                    continue
                try:
                    return self._watched(await self._upstream.open(step, call))
                except Failed as failed:
                    step.failure = failed.failure
                    step.ended_at = self._clock()
                    if isinstance(failed, EmptyAnswer):
                        empty = failed.reply
        if empty is not None:
            return empty  # nobody said more, and this model did say that it had finished
        raise exhausted(call, self._breaker, self._policy)

    def _watched(self, reply: Reply) -> Reply:
        if reply.chunks is None:
            reply.attempt.ended_at = self._clock()
        else:
            reply.chunks = self._until_it_breaks(reply.attempt, reply.chunks)
        return reply

    async def _until_it_breaks(
        self, attempt: Attempt, chunks: AsyncIterator[list[Chunk]]
    ) -> AsyncIterator[list[Chunk]]:
        """The chunks; a model that breaks off after its commit is held to account as well."""
        try:
            async for batch in chunks:
                yield batch
        except Failed as failed:
            attempt.failure = failed.failure
            attempt.cooldown_s = self._breaker.failed_late(attempt.model, failed.failure)
            raise
        finally:
            attempt.ended_at = self._clock()
