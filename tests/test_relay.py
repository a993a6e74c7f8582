"""The request path as transcripts: which models are asked, what the client gets, and what is
settled at every end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from gateway.chain import Backoff, Policy
from gateway.failures import Exhausted, Failed, Failure, Kind
from gateway.hub.chunks import delta, finish
from gateway.relay import Relay
from gateway.shared.breaker import Breaker
from gateway.shared.circuits import State
from gateway.shared.local import Local
from gateway.types import Attempt, Batch, Call, Chunk, Model, Reply, Taker, Watcher
from tests.makers import Clock, call, model

SONNET, HAIKU = model(name="sonnet"), model(name="haiku", model_id="claude-haiku-4-5")
LOCAL = model("custom", name="local", max_concurrent=1)
LIMITED = Failure(Kind.RATE_LIMIT, "slow down", status=429, retry_after_s=7.0)
BROKEN = Failure(Kind.UNAVAILABLE, "boom", status=500)
CUT = Failure(Kind.TRUNCATED, "cut")
EMPTY = Failure(Kind.EMPTY, "the provider's answer has no content", status=200)
HANG = "hang"

Answer = Failure | str


class Chunks:
    """A committed stream that says one word and then ends, or breaks."""

    def __init__(self, word: str, broken: Failure | None) -> None:
        self._batches = [[delta(content=word)], [finish("stop")]]
        self._broken = broken
        self._watcher: Watcher | None = None
        self.closed = 0

    def __aiter__(self) -> Chunks:
        return self

    def offer_to(self, taker: Taker) -> None:
        """Its reader is given every batch."""

    def watch(self, watcher: Watcher) -> None:
        self._watcher = watcher

    async def __anext__(self) -> Batch:
        assert self._watcher is not None
        if self._broken is not None and len(self._batches) == 1:
            self._watcher.ended(self._broken)
            raise Failed(self._broken)
        if not self._batches:
            self._watcher.ended(None)
            raise StopAsyncIteration
        return Batch(self._batches.pop(0))

    async def aclose(self) -> None:
        if self._watcher is not None:
            self._watcher.closed()
        self.closed += 1


class Upstream:
    """Scripted models: a failure, a word, or `HANG`; the last one from then on."""

    def __init__(
        self, clock: Clock, script: dict[str, list[Answer]], broken: Failure | None
    ) -> None:
        self.asked: list[str] = []
        self.hanging = asyncio.Event()
        self.chunks: list[Chunks] = []
        self._clock = clock
        self._script = script
        self._broken = broken

    async def open(self, attempt: Attempt, call: Call) -> Reply:
        name = attempt.model.name
        self.asked.append(name)
        self._clock.now += 1
        answers = self._script[name]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer == HANG:
            self.hanging.set()
            await asyncio.Event().wait()
        if isinstance(answer, Failure):
            raise Failed(answer)
        reply = Reply(attempt, attempt.model.model_id)
        if call.stream:
            reply.chunks = Chunks(answer, self._broken)
            self.chunks.append(reply.chunks)
        else:
            reply.chat = {"choices": [], "model": answer}
        attempt.committed_at = self._clock()
        return reply


class Room:
    """A room without real waiting: time passes at once, and is recorded."""

    def __init__(self, clock: Clock) -> None:
        self.is_full = False
        self.waits: list[float] = []
        self._clock = clock

    async def wait(self, call: Call, models: Sequence[Model], delay_s: float) -> None:
        self.waits.append(delay_s)
        self._clock.now += delay_s

    def leave(self, call: Call) -> None:
        pass


class Stage:
    """A relay, everything around it, and one call."""

    def __init__(
        self,
        *models: Model,
        stream: bool = False,
        broken: Failure | None = None,
        **script: list[Answer],
    ):
        self.clock = Clock(0.0)
        self.shared = Local(self.clock)
        self.breaker = Breaker(self.shared, self.clock)
        self.room = Room(self.clock)
        self.upstream = Upstream(self.clock, script, broken)
        self.policy = Policy(Backoff())
        self.call = call(*models, stream=stream)
        self.relay = Relay(
            self.upstream,
            self.breaker,
            self.policy,
            self.room,
            clock=self.clock,
            jitter=lambda: 1.0,
        )

    async def answer(self) -> Reply:
        return await self.relay.answer(self.call)

    def has_slot(self) -> bool:
        """Whether another call gets a slot at `LOCAL`; it keeps it."""
        return self.breaker.admit(call(LOCAL), LOCAL) is not None

    @property
    def is_settled(self) -> bool:
        """Nothing is held: no circuit is being probed, and every slot is free."""
        probing = [
            circuit.id for circuit in self.breaker.circuits() if circuit.state is State.PROBING
        ]
        return not probing and "slots={}" in repr(self.shared)


def word(reply: Reply) -> str:
    assert reply.chat is not None
    return str(reply.chat["model"])


async def read(reply: Reply) -> list[Chunk]:
    assert reply.chunks is not None
    chunks = [chunk async for batch in reply.chunks for chunk in batch.chunks]
    await reply.chunks.aclose()
    return chunks


@pytest.mark.anyio
async def test_the_first_model_answers() -> None:
    stage = Stage(SONNET, HAIKU, sonnet=["hello"])
    assert word(await stage.answer()) == "hello"
    assert stage.upstream.asked == ["sonnet"]
    assert [attempt.brief() for attempt in stage.call.attempts] == ["sonnet;200"]
    assert stage.call.attempts[0].ended_at == 1.0
    assert stage.is_settled


@pytest.mark.anyio
async def test_the_next_one_answers_without_a_wait() -> None:
    stage = Stage(SONNET, HAIKU, sonnet=[LIMITED], haiku=["hello"])
    assert word(await stage.answer()) == "hello"
    assert [attempt.brief() for attempt in stage.call.attempts] == [
        "sonnet;429;cooldown=7",
        "haiku;200",
    ]
    assert stage.room.waits == []


@pytest.mark.anyio
async def test_a_chain_that_is_cooling_down_is_waited_for() -> None:
    stage = Stage(SONNET, sonnet=[LIMITED, "hello"])
    assert word(await stage.answer()) == "hello"
    assert stage.room.waits == [7.0]
    assert stage.call.waited_s == 7.0
    assert [end - begin for begin, end in stage.call.pauses] == [7.0]
    assert stage.upstream.asked == ["sonnet", "sonnet"]


@pytest.mark.anyio
async def test_no_call_waits_in_a_full_room() -> None:
    stage = Stage(SONNET, sonnet=[LIMITED, "hello"])
    stage.room.is_full = True
    with pytest.raises(Exhausted) as raised:
        await stage.answer()
    assert raised.value.failures == (LIMITED,)
    assert raised.value.retry_after_s == 7.0
    assert stage.upstream.asked == ["sonnet"]


@pytest.mark.anyio
async def test_when_all_have_failed_each_failure_is_reported_in_order() -> None:
    stage = Stage(
        SONNET, HAIKU, sonnet=[BROKEN], haiku=[Failure(Kind.INVALID_REQUEST, "bad", status=400)]
    )
    with pytest.raises(Exhausted) as raised:
        await stage.answer()
    assert [failure.status for failure in raised.value.failures] == [500, 400]
    assert raised.value.speaker().kind is Kind.INVALID_REQUEST
    assert stage.is_settled


@pytest.mark.anyio
async def test_an_answer_without_content_moves_on_to_the_next_model() -> None:
    stage = Stage(SONNET, HAIKU, sonnet=[EMPTY], haiku=["hello"])
    assert word(await stage.answer()) == "hello"
    assert [attempt.failure and attempt.failure.kind for attempt in stage.call.attempts] == [
        Kind.EMPTY,
        None,
    ]


@pytest.mark.anyio
async def test_an_answer_without_content_is_never_given_to_the_client() -> None:
    stage = Stage(SONNET, HAIKU, sonnet=[EMPTY], haiku=[EMPTY])
    with pytest.raises(Exhausted) as raised:
        await stage.answer()
    assert raised.value.speaker() is EMPTY
    assert (stage.room.waits, stage.upstream.asked) == ([], ["sonnet", "haiku"])
    assert stage.is_settled


@pytest.mark.anyio
async def test_a_model_that_answered_without_content_is_not_asked_again_in_the_same_call() -> None:
    stage = Stage(SONNET, HAIKU, sonnet=[EMPTY], haiku=[LIMITED, "hello"])
    assert word(await stage.answer()) == "hello"
    assert (stage.room.waits, stage.upstream.asked) == ([7.0], ["sonnet", "haiku", "haiku"])


@pytest.mark.anyio
async def test_a_model_without_remaining_quota_cools_down() -> None:
    stage = Stage(SONNET, sonnet=["hello"])

    async def spent(attempt: Attempt, call: Call) -> Reply:
        reply = await Upstream.open(stage.upstream, attempt, call)
        reply.empty_for_s = 12.0
        return reply

    object.__setattr__(stage.upstream, "open", spent)
    await stage.answer()
    assert stage.breaker.cooldown_left_s(SONNET) == 12.0


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_stream_is_handed_on_and_closed_once_its_reader_is_done() -> None:
    stage = Stage(LOCAL, stream=True, local=["hello"])
    reply = await stage.answer()
    assert not stage.has_slot()
    assert [attempt.ended_at for attempt in stage.call.attempts] == [None]
    assert await read(reply) == [delta(content="hello"), finish("stop")]
    assert stage.upstream.chunks[0].closed == 1
    assert stage.call.attempts[0].ended_at is not None
    assert stage.is_settled


@pytest.mark.anyio
async def test_closing_twice_gives_the_place_back_once() -> None:
    stage = Stage(LOCAL, stream=True, local=["hello"])
    reply = await stage.answer()
    assert reply.chunks is not None
    await reply.chunks.aclose()
    await reply.chunks.aclose()
    assert stage.has_slot()
    assert not stage.has_slot()


@pytest.mark.anyio
async def test_a_model_whose_streams_keep_breaking_off_cools_down() -> None:
    stage = Stage(SONNET, HAIKU, stream=True, sonnet=["hello"], broken=CUT)
    for _ in range(3):
        reply = await stage.answer()
        with pytest.raises(Failed):
            await read(reply)
    assert stage.call.attempts[-1].cooldown_s == 60
    assert stage.breaker.state(SONNET) == "open"


@pytest.mark.anyio
async def test_a_stream_that_breaks_off_is_not_tried_again() -> None:
    stage = Stage(SONNET, HAIKU, stream=True, sonnet=["hello"], broken=CUT)
    reply = await stage.answer()
    with pytest.raises(Failed):
        await read(reply)
    assert reply.chunks is not None
    await reply.chunks.aclose()
    assert stage.upstream.asked == ["sonnet"]
    assert stage.call.attempts[0].failure is CUT
    assert stage.upstream.chunks[0].closed == 1
    assert stage.is_settled


# --- clients that leave ---------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    "prepare", [lambda stage: None, lambda stage: stage.breaker.cool_down(LOCAL, 1.0, LIMITED)]
)
async def test_leaving_settles_everything(prepare: Callable[[Stage], None]) -> None:
    stage = Stage(LOCAL, HAIKU, local=[HANG], haiku=["hello"])
    prepare(stage)
    stage.clock.now += 2
    task = asyncio.create_task(stage.answer())
    await stage.upstream.hanging.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stage.upstream.asked == ["local"]
    assert stage.call.attempts[0].failure is None
    assert stage.call.attempts[0].ended_at is not None
    assert stage.is_settled
    assert stage.breaker.admit(call(LOCAL), LOCAL) is not None


@pytest.mark.anyio
async def test_a_fault_of_the_gateway_settles_everything() -> None:
    stage = Stage(LOCAL, local=["hello"])

    async def broken(attempt: Attempt, call: Call) -> Reply:
        raise RuntimeError("ours")

    object.__setattr__(stage.upstream, "open", broken)
    with pytest.raises(RuntimeError):
        await stage.answer()
    assert stage.is_settled
