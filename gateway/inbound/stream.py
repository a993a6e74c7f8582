"""Sends a stream to the client, whatever the client does: reads, stops reading, or leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any, Final

from gateway.failures import Failed, Failure
from gateway.hub.contracts import StreamEncoder
from gateway.inbound.errors import in_band
from gateway.inbound.http import ClientLeft, Headers, Receive, Send
from gateway.inbound.interrupt import Interrupt
from gateway.types import Reply

EVENT_STREAM: Final[Headers] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
LOOK_AFTER_S: Final = 0.02
"""When a call begins to be watched for a client that leaves."""


class StoppedReading(Exception):
    """The client holds the connection open and reads nothing."""


class EventStream:
    """The answer to a streaming call. It begins with the first content, or with the first heartbeat
    before it."""

    def __init__(self, send: Send, interrupt: Interrupt, keep_alive: bytes) -> None:
        """`keep_alive` is sent while the answer has not begun."""
        self._send = send
        self._keep_alive = keep_alive
        self._interrupt = interrupt
        self.begun = False
        """The status line is out: what fails from now on is told inside the stream."""

    async def begin(self, headers: Headers) -> None:
        if not self.begun:
            self.begun = True
            await self._send(
                {"type": "http.response.start", "status": 200, "headers": [*EVENT_STREAM, *headers]}
            )

    async def write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data})

    async def while_waiting(
        self, work: Coroutine[Any, Any, Reply], every_s: float, headers: Headers
    ) -> Reply:
        """What `work` returns or raises; a heartbeat is sent after each silence of `every_s`
        seconds."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait((task,), timeout=every_s))[0]:
                await self.begin(headers)
                await self.write(self._keep_alive)
        except BaseException:
            task.cancel()
            await asyncio.wait((task,))
            await _let_go(task)
            raise
        return task.result()

    async def relay(self, reply: Reply, encoder: StreamEncoder, headers: Headers) -> Failure | None:
        """The whole of a committed stream, to one of its two ends. Returns the failure that broke
        it off, or None.

        Interrupted with `StoppedReading` when one write waits longer than the model's `write_s`.
        """
        assert reply.chunks is not None
        broken: Failure | None = None
        async with aclosing(reply.chunks) as chunks:
            with Watchdog(self._interrupt, reply.attempt.model.timeouts.write_s) as watchdog:
                await self.begin(headers)
                try:
                    async for batch in chunks:
                        data = (
                            encoder.encode(batch)
                            if batch.chunks or batch.events
                            else encoder.keep_alive()
                        )
                        if data:
                            watchdog.sending()
                            await self.write(data)
                            watchdog.sent()
                    end = encoder.done()
                except Failed as failed:
                    broken = failed.failure
                    end = encoder.error(in_band(broken, reply.attempt))
                watchdog.sending()
                await self.end(end)
        return broken


async def _let_go(task: asyncio.Task[Reply]) -> None:
    """Closes the reply that came in the moment in which nobody wanted it any more."""
    if task.cancelled() or task.exception() is not None:
        return
    chunks = task.result().chunks
    if chunks is not None:
        await chunks.aclose()


class Watchdog:
    """Ends a call whose write takes too long. One timer per stream, moved on rather than renewed at
    every write."""

    def __init__(self, interrupt: Interrupt, limit_s: float) -> None:
        self._interrupt = interrupt
        self._limit_s = limit_s
        self._loop = interrupt.loop
        self._since: float | None = None
        self._timer: asyncio.TimerHandle

    def __enter__(self) -> Watchdog:
        self._timer = self._loop.call_later(self._limit_s, self._look)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def sending(self) -> None:
        self._since = self._loop.time()

    def sent(self) -> None:
        self._since = None

    def _look(self) -> None:
        late_s = 0.0 if self._since is None else self._loop.time() - self._since
        if late_s >= self._limit_s:
            self._interrupt.fire(StoppedReading())
            return
        self._timer = self._loop.call_later(self._limit_s - late_s, self._look)


class Presence:
    """Ends the call when its client leaves; a context around everything done for it once its body
    is read.

    Looks only after `LOOK_AFTER_S`: the answer of a call that is quicker is not worth a task to
    watch it.
    """

    def __init__(self, interrupt: Interrupt, receive: Receive) -> None:
        self._interrupt = interrupt
        self._receive = receive
        self._watcher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle

    def __enter__(self) -> Presence:
        self._timer = self._interrupt.loop.call_later(LOOK_AFTER_S, self._begin)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _begin(self) -> None:
        self._watcher = self._interrupt.loop.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._interrupt.fire(ClientLeft())
