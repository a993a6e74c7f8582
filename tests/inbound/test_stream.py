"""Sending a stream: heartbeats, the one error event, a client that reads no more, a client that
leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, cast

import orjson
import pytest

from gateway.dialects.chat import inbound
from gateway.dialects.chat.inbound import KEEP_ALIVE as HEARTBEAT
from gateway.failures import Failed, Failure, Kind
from gateway.hub.chunks import delta, finish
from gateway.hub.contracts import Answer
from gateway.inbound.asgi import LOOK_AFTER_S, AsgiExchange
from gateway.inbound.http import ClientLeft, Receive, Send
from gateway.inbound.http11 import Connection, Http11Exchange
from gateway.inbound.interrupt import Interrupt
from gateway.inbound.stream import EventStream, StoppedReading, Watchdog
from gateway.types import Attempt, Batch, Chunk, Reply, Taker, Timeouts, Watcher
from tests.inbound.asgi import CHAT, scope
from tests.makers import model

Step = list[Chunk] | Failure
HELLO = [delta(0, content="Hello")]
END = [finish("stop")]
BROKEN = Failure(
    Kind.OVERLOADED, "Bearer sk-secret-123456 is overloaded", status=529, type="overloaded_error"
)


class Chunks:
    """A committed stream, as a script."""

    def __init__(self, *steps: Step, says_last: bool = False) -> None:
        self._steps = list(steps)
        self._says_last = says_last
        self.closed = False

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> Batch:
        if not self._steps:
            raise StopAsyncIteration
        step = self._steps.pop(0)
        if isinstance(step, Failure):
            raise Failed(step)
        return Batch(step, is_last=self._says_last and not self._steps)

    def offer_to(self, taker: Taker) -> None:
        """Its reader is given every batch."""

    def watch(self, watcher: Watcher) -> None:
        """Its end is reported to its reader alone."""

    async def aclose(self) -> None:
        self.closed = True


class Sent:
    """What a client was sent; `stuck` is a client that reads nothing after the headers."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.messages: list[MutableMapping[str, Any]] = []
        self._stuck = stuck

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.messages.append(message)
        if self._stuck and message["type"] == "http.response.body":
            await asyncio.Event().wait()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def is_complete(self) -> bool:
        return not self.messages[-1].get(
            "more_body", self.messages[-1]["type"] == "http.response.start"
        )


async def silent() -> MutableMapping[str, Any]:
    """A client that stays and says nothing."""
    await asyncio.Event().wait()
    return {}


def exchange(send: Send, receive: Receive = silent) -> AsgiExchange:
    return AsgiExchange(scope("POST", CHAT, {}), receive, send)


REQUEST = inbound.decode_request(
    {"model": "dev", "messages": [{"role": "user", "content": "Hi"}]}, {}
)


def reply(chunks: Chunks, write_s: float = 5.0) -> Reply:
    attempt = Attempt(model("anthropic", timeouts=Timeouts(write_s=write_s)), 1)
    return Reply(attempt, "claude-sonnet-5", chunks=chunks)


async def relayed(send: Sent, chunks: Chunks, write_s: float = 5.0) -> Failure | None:
    encoder = inbound.StreamEncoder(Answer("1", 0, "claude-sonnet-5", REQUEST))
    with Interrupt() as interrupt:
        stream = EventStream(exchange(send), interrupt, HEARTBEAT)
        return await stream.relay(reply(chunks, write_s), encoder, [(b"x-request-id", b"req_1")])


def events(body: bytes) -> list[str]:
    return [
        event.removeprefix("data: ")
        for event in body.decode().split("\n\n")
        if event.startswith("data: ")
    ]


@pytest.mark.anyio
async def test_a_whole_stream_ends_with_done() -> None:
    send, chunks = Sent(), Chunks(HELLO, END)
    assert await relayed(send, chunks) is None
    assert send.messages[0]["status"] == 200
    headers = dict(send.messages[0]["headers"])
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"cache-control"] == b"no-cache"
    assert headers[b"x-request-id"] == b"req_1"
    *_, last, done = events(send.body)
    assert orjson.loads(last)["choices"][0]["finish_reason"] == "stop"
    assert done == "[DONE]"
    assert send.is_complete
    assert chunks.closed


@pytest.mark.anyio
@pytest.mark.parametrize("last", [END, []])
async def test_the_last_events_leave_with_the_end(last: Step) -> None:
    send, chunks = Sent(), Chunks(HELLO, END, last, says_last=True)
    assert await relayed(send, chunks) is None
    assert [message["type"] for message in send.messages].count("http.response.body") == 3
    assert events(send.body)[-1] == "[DONE]"
    assert HEARTBEAT not in send.body
    assert send.is_complete
    assert chunks.closed


@pytest.mark.anyio
async def test_silence_is_a_comment() -> None:
    send = Sent()
    await relayed(send, Chunks(HELLO, [], [], END))
    assert HEARTBEAT.startswith(b":")
    assert send.body.count(HEARTBEAT) == 2
    assert "event:" not in send.body.decode()


@pytest.mark.anyio
async def test_a_broken_stream_ends_in_one_error_and_without_done() -> None:
    send, chunks = Sent(), Chunks(HELLO, BROKEN)
    assert await relayed(send, chunks) is BROKEN
    *content, last = events(send.body)
    error = orjson.loads(last)["error"]
    assert (error["type"], error["code"]) == ("server_error", "upstream_overloaded")
    assert error["message"] == "anthropic: *** is overloaded"
    assert error["upstream"]["status"] == 529
    assert not any("error" in event for event in content)
    assert b"[DONE]" not in send.body
    assert b"sk-secret" not in send.body
    assert send.is_complete
    assert chunks.closed


@pytest.mark.anyio
async def test_a_client_that_reads_nothing_is_given_up() -> None:
    send, chunks = Sent(stuck=True), Chunks(HELLO, END)
    with pytest.raises(StoppedReading):
        await relayed(send, chunks, write_s=0.01)
    assert chunks.closed
    assert len(send.messages) == 2


class Offering(Chunks):
    """Offers each batch, before its reader is given it."""

    def __init__(self, *steps: Step) -> None:
        super().__init__(*steps)
        self.refused = 0
        self._taker: Taker | None = None

    def offer_to(self, taker: Taker) -> None:
        self._taker = taker

    async def __anext__(self) -> Batch:
        while True:
            batch = await super().__anext__()
            if self._taker is None or not batch.chunks or not self._taker(batch):
                self.refused += 1
                return batch


class Wire:
    """A client's connection, which is full after so many writes until it is waited for."""

    scheme = "http"
    is_full = is_paused = False

    def __init__(self, full_after: int) -> None:
        self.transport = self.loop = cast(Any, self)
        self.body = b""
        self.waits = 0
        self._left = full_after

    def write(self, data: bytes) -> None:
        self.body += data
        self._left -= 1
        self.is_full = self._left < 0

    def drain(self) -> Wire:
        return self

    def __await__(self) -> Iterator[None]:
        self.waits += 1
        self.is_full = False
        return iter(())

    def answered(self) -> None:
        """The end of the answer."""


@pytest.mark.anyio
@pytest.mark.parametrize("full_after", [0, 1, 2, 100])
async def test_what_the_connection_has_room_for_is_passed_on_at_once(full_after: int) -> None:
    wire, chunks = Wire(full_after), Offering(HELLO, HELLO, [], HELLO, END)
    asked = Http11Exchange(cast(Connection, wire), "POST", b"/", "1.1", [], keeps_alive=True)
    encoder = inbound.StreamEncoder(Answer("1", 0, "claude-sonnet-5", REQUEST))
    with Interrupt() as interrupt:
        stream = EventStream(asked, interrupt, HEARTBEAT)
        assert await stream.relay(reply(chunks), encoder, []) is None
    said = [orjson.loads(event) for event in events(_unchunked(wire.body)) if event[0] == "{"]
    assert [each["choices"][0]["delta"].get("content") for each in said].count("Hello") == 3
    assert wire.body.count(HEARTBEAT) == 1
    assert (chunks.refused == 1) == (full_after == 100)
    assert bool(wire.waits) == (full_after != 100)
    assert wire.body.endswith(b"0\r\n\r\n")


def _unchunked(answer: bytes) -> bytes:
    """The body of an answer in chunks."""
    left, body = answer.partition(b"\r\n\r\n")[2], b""
    while left:
        size, _, left = left.partition(b"\r\n")
        body, left = body + left[: int(size, 16)], left[int(size, 16) + 2 :]
    return body


@pytest.mark.anyio
async def test_the_watchdog_counts_no_time_between_writes() -> None:
    """The provider may take its time; only a write that waits is the client's fault."""
    with Interrupt() as interrupt, Watchdog(interrupt, 0.005) as watchdog:
        await watchdog.over(asyncio.sleep(0))
        await quiet(0.03)


# --- before the commit ----------------------------------------------------------------------------


ANSWER = Reply(Attempt(model(), 1), "m", chat={})


async def waited(send: Sent, work: Coroutine[Any, Any, Reply], every_s: float = 0.005) -> Reply:
    with Interrupt() as interrupt:
        return await EventStream(exchange(send), interrupt, HEARTBEAT).while_waiting(
            work, every_s, [(b"x-request-id", b"req_1")]
        )


@pytest.mark.anyio
async def test_a_quick_answer_has_no_heartbeat_before_it() -> None:
    async def quick() -> Reply:
        return ANSWER

    send = Sent()
    assert await waited(send, quick()) is ANSWER
    assert send.messages == []


@pytest.mark.anyio
async def test_a_slow_answer_has_heartbeats_before_it() -> None:
    send, enough = Sent(), 3

    async def slow() -> Reply:
        while send.body.count(HEARTBEAT) < enough:
            await asyncio.sleep(0)
        return ANSWER

    assert await waited(send, slow()) is ANSWER
    assert send.messages[0]["type"] == "http.response.start"
    assert send.body == HEARTBEAT * enough


@pytest.mark.anyio
async def test_a_failure_comes_through() -> None:
    async def failing() -> Reply:
        raise Failed(BROKEN)

    with pytest.raises(Failed):
        await waited(Sent(), failing())


@pytest.mark.anyio
async def test_leaving_ends_the_work_that_was_waited_for() -> None:
    ended = []

    async def endless() -> Reply:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return ANSWER

    task = asyncio.create_task(waited(Sent(), endless()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


# --- presence -------------------------------------------------------------------------------------


def receiver(*messages: str) -> Callable[[], Coroutine[Any, Any, MutableMapping[str, Any]]]:
    left = list(messages)

    async def receive() -> MutableMapping[str, Any]:
        if not left:
            await asyncio.Event().wait()
        return {"type": left.pop(0)}

    return receive


@contextmanager
def watched(interrupt: Interrupt, *messages: str) -> Iterator[None]:
    """Watches a client that does this."""
    request = exchange(Sent(), receiver(*messages))
    request.watch(lambda: interrupt.fire(ClientLeft()))
    try:
        yield
    finally:
        request.close()


@pytest.mark.anyio
async def test_a_client_that_leaves_is_noticed() -> None:
    with (
        pytest.raises(ClientLeft),
        Interrupt() as interrupt,
        watched(interrupt, "http.request", "http.disconnect"),
    ):
        await asyncio.Event().wait()


@pytest.mark.anyio
async def test_no_client_is_watched_once_the_answer_is_out() -> None:
    before = len(asyncio.all_tasks())
    with Interrupt() as interrupt, watched(interrupt, "http.disconnect"):
        await asyncio.sleep(0)
    await quiet(LOOK_AFTER_S * 2)
    task = asyncio.current_task()
    assert task is not None
    assert (task.cancelling(), len(asyncio.all_tasks())) == (0, before)


async def quiet(seconds: float) -> None:
    """Lets everything happen that is due within this time."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


@pytest.mark.anyio
async def test_an_error_of_the_work_is_its_own() -> None:
    with (
        pytest.raises(ValueError, match="ours"),
        Interrupt() as interrupt,
        watched(interrupt, "http.disconnect"),
    ):
        raise ValueError("ours")


@pytest.mark.anyio
async def test_a_reply_that_comes_as_the_client_leaves_is_closed() -> None:
    chunks, here, send = Chunks(HELLO, END), asyncio.Event(), Sent(stuck=True)

    async def answering() -> Reply:
        await here.wait()
        return Reply(Attempt(model(), 1), "m", chunks=chunks)

    task = asyncio.create_task(waited(send, answering()))
    while len(send.messages) < 2:  # the head, and the heartbeat in which the client hangs
        await asyncio.sleep(0)
    here.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert chunks.closed
