"""Sends a stream to the client, whatever the client does: reads, stops reading, or leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from contextlib import aclosing
from typing import Any, Final

from gateway.failures import Failed, Failure
from gateway.hub.contracts import StreamEncoder
from gateway.inbound.errors import in_band
from gateway.inbound.exchange import Exchange, Sent, sent
from gateway.inbound.http import Headers
from gateway.inbound.interrupt import Interrupt
from gateway.types import Batch, Chunks, Reply, Taker

EVENT_STREAM: Final[Headers] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class StoppedReading(Exception):
    """The client holds the connection open and reads nothing."""


class EventStream:
    """The answer to a streaming call. It begins with the first content, or with the first heartbeat
    before it."""

    def __init__(self, exchange: Exchange, interrupt: Interrupt, keep_alive: bytes) -> None:
        """`keep_alive` is sent while the answer has not begun."""
        self._exchange = exchange
        self._keep_alive = keep_alive
        self._interrupt = interrupt
        self.begun = False
        """The status line is out: a failure from now on is reported inside the stream."""
        self.ended = False
        """One of the two ends is out."""

    def begin(self, headers: Headers) -> Sent:
        """Sends the head, unless that is done."""
        if self.begun:
            return None
        self.begun = True
        return self._exchange.begin(200, [*EVENT_STREAM, *headers])

    async def while_waiting(
        self, work: Coroutine[Any, Any, Reply], every_s: float, headers: Headers
    ) -> Reply:
        """What `work` returns or raises; a heartbeat is sent after each silence of `every_s`
        seconds."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait((task,), timeout=every_s))[0]:
                await sent(self.begin(headers))
                await sent(self._exchange.write(self._keep_alive))
        except BaseException:
            task.cancel()
            await asyncio.wait((task,))
            await _let_go(task)
            raise
        return task.result()

    async def relay(self, reply: Reply, encoder: StreamEncoder, headers: Headers) -> Failure | None:
        """The whole of a committed stream, to one of its two ends. Returns the failure that broke
        it off, or None.

        What arrives while the client reads is passed on at once (`_passing`). Interrupted with
        `StoppedReading` when one write waits longer than the model's `write_s`.
        """
        assert reply.chunks is not None
        broken: Failure | None = None
        async with aclosing(reply.chunks) as chunks:
            with Watchdog(self._interrupt, reply.attempt.model.timeouts.write_s) as watchdog:
                await sent(self.begin(headers))
                chunks.offer_to(self._passing(encoder))
                try:
                    end = await self._each(chunks, encoder, watchdog) + encoder.done()
                except Failed as failed:
                    broken = failed.failure
                    end = encoder.error(in_band(broken, reply.attempt))
                self.ended = True
                if (slow := self._exchange.end(end)) is not None:
                    await watchdog.over(slow)
        return broken

    def _passing(self, encoder: StreamEncoder) -> Taker:
        """What sends each batch at once, while the client reads."""
        exchange = self._exchange

        def take(batch: Batch) -> bool:
            if exchange.is_full:
                return False
            if data := encoder.encode(batch):
                exchange.write(data)
            return True

        return take

    async def _each(self, chunks: Chunks, encoder: StreamEncoder, watchdog: Watchdog) -> bytes:
        """Sends the batches that the stream's reader is given. Returns the bytes of the last one,
        which leave together with the end. Raises `Failed`."""
        async for batch in chunks:
            if batch.chunks or batch.events:
                data = encoder.encode(batch)
            else:
                data = b"" if batch.is_last else encoder.keep_alive()
            if batch.is_last:
                return data
            if data and (slow := self._exchange.write(data)) is not None:
                await watchdog.over(slow)
        return b""


async def _let_go(task: asyncio.Task[Reply]) -> None:
    """Closes a reply that arrived just after its client left."""
    if task.cancelled() or task.exception() is not None:
        return
    chunks = task.result().chunks
    if chunks is not None:
        await chunks.aclose()


class Watchdog:
    """Ends a call whose write takes too long. One timer per stream that has had to wait, moved on
    rather than renewed at every write."""

    def __init__(self, interrupt: Interrupt, limit_s: float) -> None:
        self._interrupt = interrupt
        self._limit_s = limit_s
        self._loop = interrupt.loop
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Watchdog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def over(self, slow: Awaitable[None]) -> None:
        """Waits for a write."""
        self._since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._limit_s, self._look)
        await slow
        self._since = None

    def _look(self) -> None:
        late_s = 0.0 if self._since is None else self._loop.time() - self._since
        if late_s >= self._limit_s:
            self._interrupt.fire(StoppedReading())
            return
        self._timer = self._loop.call_later(self._limit_s - late_s, self._look)
