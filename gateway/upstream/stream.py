"""A streamed answer as it arrives: up to the first content, then read by read to one of its
ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from gateway import sse
from gateway.dialects import Encoded, Upstream
from gateway.dialects.chat import as_chunks
from gateway.failures import UNREADABLE, Failed, Failure, Kind
from gateway.hub import halves
from gateway.hub.framing import Framing, ServerSentEvents
from gateway.hub.half_events import JoinedEvents
from gateway.redact import redact
from gateway.types import Batch, Chunk, Taker, Timeouts, Watcher
from gateway.upstream.tap import Record
from gateway.upstream.transport import Response, TransportError
from gateway.upstream.whole import (
    ANSWER_BYTES_MAX,
    count_unasked,
    decode_whole,
    listed,
    loads,
    unreadable,
)

log = logging.getLogger("gateway.upstream")

FINISHED_S: Final = 2.0
"""How long a stream may stay open after its finish reason, for token counts that come late."""
SETTLED_S: Final = 0.5
"""The same for an answer that says nothing: the next model waits to be asked."""
COMPLETE_S: Final = 0.1
"""The same for an answer that has its counts too, in a format without a last event."""
LINGER_S: Final = 1.0
"""How long the end of a body is waited for behind the last event of its stream, by no call: a
connection whose body has ended serves the next one."""


_lingering: Final[set[asyncio.Task[None]]] = set()
"""The loop itself would forget them."""


class AnswerStream:
    """One streamed answer: bytes in, chunks out, as a `types.Chunks`. `clock` is monotonic, in
    seconds.

    Once content has come, comments and pings are signs of life of a provider that thinks: they
    postpone `idle_s`, and never `total_s`.
    """

    def __init__(
        self,
        response: Response,
        face: Upstream,
        encoded: Encoded,
        timeouts: Timeouts,
        clock: Callable[[], float],
        record: Record,
        conceal: Callable[[Failure], Failure] = lambda failure: failure,
        events: Framing | None = None,
    ) -> None:
        self._conceal = conceal
        self._response = response
        self._timeouts = timeouts
        self._clock = clock
        self._record = record
        self._ends_at = clock() + timeouts.total_s
        self._given_at = clock()
        self._ready: list[Chunk] = []
        """Decoded, and not yet taken."""
        self._passed: list[sse.Event] = []
        """On the native lane: the events behind `_ready`, and those that say nothing to the hub."""
        self._joined = JoinedEvents()
        self._face = face
        self._encoded = encoded
        self._decoder = face.StreamDecoder(encoded)
        self._events = events if events is not None else ServerSentEvents()
        self._json: bool | None = None
        """Whether the body is one JSON value after all; None before its first byte."""
        self._whole = bytearray()
        self._ended = False
        self._is_whole = False
        self._lingers = False
        """The response is closed once its body has ended."""
        self._silent_s = 0.0
        self._finished_at: float | None = None
        self._watcher: Watcher | None = None
        self._taker: Taker | None = None
        self._refused: Batch | None = None
        """The batch that the taker has refused, for the reader."""
        self._broken: Failed | None = None
        """A failure that was found behind chunks of the same read; raised once those are out."""

    @property
    def model(self) -> str | None:
        """The model that answers, once the provider has said it."""
        return self._decoder.model

    async def begin(self, deadline: float) -> list[Chunk]:
        """Waits for the first chunks with content, or with an end, and shows them; they stay to be
        taken.

        `deadline` holds whatever else comes: comments, pings, deltas that say nothing, half a body.
        Raises `Failed` and `TransportError`.
        """
        while not self._ready:
            if self._broken is not None:
                raise self._broken
            if self._ended:
                raise Failed(
                    Failure(Kind.TRUNCATED, "the provider's stream ended before it said anything")
                )
            left_s = min(deadline, self._ends_at) - self._clock()
            if self._decoder.finished:
                await self._read_finished(min(left_s, self._patience_s(SETTLED_S)))
            elif left_s > 0:
                self._feed(await self._response.receive(left_s))
            else:
                raise Failed(
                    Failure(Kind.TIMEOUT, "no content came within timeouts.firstTokenSeconds")
                )
        return self._ready

    def __aiter__(self) -> AnswerStream:
        return self

    async def __anext__(self) -> Batch:
        try:
            while not self._ready and not self._passed:
                wait_s = self._wait_s()
                if self._decoder.finished:
                    await self._read_finished(wait_s)
                else:
                    try:
                        await self._response.listen(wait_s, self._take)
                    except TransportError as error:
                        self._note_silence(error, wait_s)
                if self._refused is not None:
                    batch, self._refused = self._refused, None
                    return batch
                if not self._ready and not self._passed and self._is_quiet():
                    self._given_at = self._clock()
                    return Batch(())  # a sign of life for the client
            return self._batch()
        except Failed as failed:
            failed.failure = self._conceal(failed.failure)
            self._report(failed.failure)
            raise

    def _take(self, data: bytes) -> bool:
        """Takes a read. Returns whether the next one may come as this one did: nothing is left for
        the reader."""
        self._silent_s = 0.0
        try:
            self._feed(data)
        except UNREADABLE as error:
            raise unreadable(error) from error
        taker = self._taker
        if taker is None or self._ended or self._broken is not None or self._decoder.finished:
            return False
        if self._clock() >= self._ends_at - self._timeouts.heartbeat_s:
            return False  # near the end, each wait is shorter than the last
        if not self._ready and not self._passed:
            return not self._is_quiet()
        batch = self._batch()
        if taker(batch):
            return True
        self._refused = batch
        return False

    def _batch(self) -> Batch:
        """What is ready, which counts as given from now on."""
        events = self._events_passed() if self._encoded.native else None
        batch = Batch(self._ready, events, self._ended and self._broken is None)
        self._ready = []
        self._given_at = self._clock()
        self._record.see(batch.chunks)
        if batch.is_last:
            self._note_end()
        return batch

    def offer_to(self, taker: Taker) -> None:
        self._taker = taker

    def watch(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def _note_end(self) -> None:
        """The answer is whole."""
        if not self._is_whole:
            self._is_whole = True
            self._record.done()
            self._report(None)

    def _report(self, failure: Failure | None) -> None:
        if self._watcher is not None:
            self._watcher.ended(failure)

    def _events_passed(self) -> list[sse.Event] | None:
        """The provider's own events behind what is ready, on the native lane; None where it sent no
        events."""
        if self._json:
            return None
        events, self._passed = self._passed, []
        return events

    def taken(self) -> list[Chunk]:
        """The bytes that are read and not yet given to a reader."""
        chunks, self._ready = self._ready, []
        return chunks

    async def aclose(self) -> None:
        if self._watcher is not None:
            self._watcher.closed()
        self._ended = True
        if self._decoder.ended and not self._lingers:
            self._lingers = True
            await self._let_end()
        elif not self._lingers:
            await self._response.aclose()

    async def _let_end(self) -> None:
        """Closes the response behind its last event: at once where its body has ended too, else in
        the background."""
        try:
            await self._response.receive(0.0)
        except TransportError as error:
            if error.kind == "timeout":
                task = asyncio.create_task(self._linger())
                _lingering.add(task)
                task.add_done_callback(_lingering.discard)
                return
        await self._response.aclose()

    async def _linger(self) -> None:
        try:
            await self._response.receive(LINGER_S)
        except TransportError as error:
            log.debug("a body did not end behind its last event: %s", error)
        finally:
            await self._response.aclose()

    def _is_quiet(self) -> bool:
        """Whether nothing has come for a while, or nothing but a provider's own signs of life."""
        return not self._ended and (
            self._silent_s > 0 or self._clock() - self._given_at >= self._timeouts.heartbeat_s
        )

    def _wait_s(self) -> float:
        """How long to wait for the next read. Raises how the stream has ended."""
        if self._broken is not None:
            raise self._broken
        if self._ended:
            self._note_end()
            raise StopAsyncIteration
        left_s = self._ends_at - self._clock()
        if left_s <= 0:
            raise Failed(
                Failure(Kind.TIMEOUT, "the stream took longer than timeouts.totalSeconds allows")
            )
        if self._decoder.finished:
            return min(self._patience_s(FINISHED_S), left_s)
        limits = self._timeouts
        return min(limits.heartbeat_s, limits.idle_s - self._silent_s, left_s)

    def _note_silence(self, error: TransportError, wait_s: float) -> None:
        """No bytes came within `wait_s`. Raises `Failed` when it was silent for too long, or the
        connection broke."""
        self._silent_s += wait_s
        if error.kind != "timeout" or self._silent_s >= self._timeouts.idle_s:
            raise Failed(transport_failure(error)) from error

    async def _read_finished(self, wait_s: float) -> None:
        """The next chunks of a stream that has finished, or its end: a connection that breaks now
        breaks nothing."""
        try:
            data = await self._response.receive(wait_s) if wait_s > 0 else None
        except TransportError:
            data = None
        try:
            if data is None:
                self._ready = self._finish()
                return
            self._feed(data)
        except UNREADABLE as error:
            raise unreadable(error) from error
        if self._ready:
            self._finished_at = None  # content behind the finish reason: the end is further off

    def _patience_s(self, limit_s: float) -> float:
        """How long to wait for the next read: signs of life do not keep a stream open that has
        finished."""
        now = self._clock()
        if self._finished_at is None:
            self._finished_at = now
        return (COMPLETE_S if self._decoder.complete else limit_s) - (now - self._finished_at)

    def _finish(self) -> list[Chunk]:
        """The end of a whole answer. Raises `Failed` for an incomplete one."""
        self._ended = True
        self._passed += self._joined.flush()
        count_unasked(self.model, self._decoder.unasked)
        return self._decoder.flush()

    def _feed(self, data: bytes) -> None:
        """Reads the next bytes of the body, b"" for its end, into `_ready` and `_passed`."""
        if self._json is None:
            is_stream = self._events.begins(data, self._response.headers.get("content-type", ""))
            if is_stream is None:
                return
            self._json = not is_stream
        if self._json:
            self._ready = self._read_json(data)
            return
        self._ended = not data
        try:
            events = self._events.decode(data) if data else self._events.flush()
        except ValueError as error:
            raise Failed(Failure(Kind.MALFORMED, str(error))) from error
        self._ready = self._decode(events, end=not data)

    def _decode(self, events: list[sse.Event], *, end: bool) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            for event in events:
                chunks += self._decoder.decode(event)
                if self._encoded.native:
                    self._passed += self._joined.join(event)
                if self._decoder.ended:
                    break
        except (Failed, *UNREADABLE) as error:
            self._break(error)
            if self._decoder.finished:
                chunks += self._finish_broken()
            return chunks
        try:
            if end or self._decoder.ended:
                chunks += self._finish()
        except (Failed, *UNREADABLE) as error:
            self._break(error)
        return chunks

    def _break(self, error: Exception) -> None:
        """Keeps a failure until what came before it is out."""
        self._broken = error if isinstance(error, Failed) else unreadable(error)
        self._broken.failure = _whole_words(self._broken.failure)
        self._passed += self._joined.flush()

    def _finish_broken(self) -> list[Chunk]:
        """The end of an answer that was finished before its stream broke, which then has broken
        nothing."""
        assert self._broken is not None
        try:
            chunks = self._finish()
        except (Failed, *UNREADABLE):
            return []
        message = redact(self._conceal(self._broken.failure).message)
        self._broken = None
        log.warning("%s: after its finish reason: %s", self.model, message)
        return chunks

    def _read_json(self, data: bytes) -> list[Chunk]:
        """A server that ignored `stream` and answers with one JSON body, or with an error page and
        200."""
        if data:
            self._whole += data
            if len(self._whole) > ANSWER_BYTES_MAX:
                raise Failed(Failure(Kind.MALFORMED, "the provider's answer is too large"))
            return []
        self._ended = True
        items = listed(bytes(self._whole))
        if items:
            chunks = self._decode(items, end=True)
            if self._broken is not None:
                raise self._broken  # nothing has been given yet: another model may still answer
            return chunks
        chat = decode_whole(self._face, loads(bytes(self._whole)), self._encoded)
        self._decoder.model, self._decoder.finished = chat.get("model"), True
        return list(as_chunks(chat))


_KINDS: Final[Mapping[str, Kind]] = {
    "timeout": Kind.TIMEOUT,
    "protocol": Kind.MALFORMED,
    "too_large": Kind.MALFORMED,
}
"""Trouble of the connection → kind; anything else makes the provider unavailable."""

_SAID: Final[Mapping[str, str]] = {
    "connect": "cannot connect to the provider",
    "dns": "the provider's name cannot be resolved",
    "tls": "no secure connection to the provider (TLS)",
    "timeout": "the provider took too long to answer",
    "reset": "the connection to the provider broke off",
    "protocol": "the provider's answer is not valid HTTP",
    "too_large": "the provider's answer is too large",
}
"""What clients read of it: the error's own words name host and port, which are for the log."""


def transport_failure(error: TransportError) -> Failure:
    """Trouble of the connection as a failure of the attempt."""
    return Failure(
        _KINDS.get(error.kind, Kind.UNAVAILABLE),
        _SAID[error.kind],
        code=error.kind,
        detail=str(error),
    )


def _whole_words(failure: Failure) -> Failure:
    """`failure` with a message that has no half of a character in it."""
    message = halves.plain(failure.message)
    return failure if message == failure.message else failure.with_(message=message)
