"""A streamed answer, whatever the reads bring: content, silence, a cut, a JSON body instead."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import orjson
import pytest

from gateway import sse
from gateway.dialects import DIALECTS, Encoded
from gateway.failures import Failed, Failure, Kind
from gateway.shared.replay import Replay
from gateway.types import Attempt, Batch, Chunk, Timeouts
from gateway.upstream.http1 import Pool
from gateway.upstream.stream import (
    COMPLETE_S,
    FINISHED_S,
    LINGER_S,
    SETTLED_S,
    AnswerStream,
    transport_failure,
)
from gateway.upstream.tap import Record
from gateway.upstream.transport import Request, Trouble
from gateway.upstream.whole import decode_whole, loads
from tests.dialects.said import ERROR, FINISH, HIGH, LAST, LOW, SMILE, TEXT
from tests.makers import Clock, model
from tests.splits import splits
from tests.upstream.fakes import JSON, Piece, Response, trouble

TIMEOUTS = Timeouts(first_token_s=60.0, idle_s=60.0, heartbeat_s=15.0, total_s=3600.0)


def event(**choice: Any) -> bytes:
    body = {
        "id": "1",
        "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": None, **choice}],
    }
    return b"data: " + orjson.dumps(body) + b"\n\n"


HELLO, WORLD = event(delta={"content": "Hello"}), event(delta={"content": " world"})
END, DONE = event(finish_reason="stop"), b"data: [DONE]\n\n"
WHOLE = HELLO + WORLD + END + DONE


class Reading:
    """An answer that is read, and what came of it."""

    def __init__(
        self,
        response: Response,
        timeouts: Timeouts = TIMEOUTS,
        dialect: str = "chat",
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.attempt = Attempt(model("custom"), 1)
        record = Record(self.attempt, Replay(), "me")
        face = DIALECTS[dialect]
        self.stream = AnswerStream(response, face, Encoded("/x", {}), timeouts, self.clock, record)
        self.batches: list[list[Chunk]] = []
        self.failed: Failed | None = None

    async def read(self) -> None:
        try:
            await self.stream.begin(self.clock() + 60)
            async for batch in self.stream:
                self.batches.append(list(batch.chunks))
        except Failed as failed:
            self.failed = failed

    @property
    def text(self) -> str:
        chunks = [chunk for batch in self.batches for chunk in batch]
        return "".join(
            choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"]
        )


class Ends:
    """Collects the ends that are reported."""

    def __init__(self) -> None:
        self.failures: list[Failure | None] = []
        self.closes = 0

    def ended(self, failure: Failure | None) -> None:
        self.failures.append(failure)

    def closed(self) -> None:
        self.closes += 1


async def read(
    *pieces: Piece,
    response: Response | None = None,
    timeouts: Timeouts = TIMEOUTS,
    dialect: str = "chat",
    clock: Clock | None = None,
) -> Reading:
    reading = Reading(response or Response(*pieces), timeouts, dialect, clock)
    await reading.read()
    return reading


@pytest.mark.anyio
@pytest.mark.parametrize("pieces", list(splits(WHOLE)))
async def test_a_stream_however_it_is_cut(pieces: list[bytes]) -> None:
    reading = await read(*pieces)
    assert reading.failed is None
    assert reading.text == "Hello world"
    assert reading.attempt.finish_reason == "stop"
    assert reading.stream.model == "m"


@pytest.mark.anyio
@pytest.mark.parametrize("taken", [0, 1, 2, 100])
@pytest.mark.parametrize("pieces", list(splits(WHOLE)))
async def test_a_taker_and_the_reader_share_the_stream(pieces: list[bytes], taken: int) -> None:
    """In order, and nothing twice: the taker takes the first ones, and the reader has the rest."""
    reading = Reading(Response(*pieces))
    taker = Takes(taken, reading.batches)
    reading.stream.offer_to(taker)
    await reading.read()
    assert reading.failed is None
    assert not any(batch.is_last for batch in taker.taken)
    assert reading.text == "Hello world"
    assert reading.attempt.finish_reason == "stop"


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["reset", WORLD + b"data: {\n\n", b'data: {"error": "no"}\n\n'])
async def test_the_reader_has_the_failure_of_a_stream_that_is_taken(end: Piece) -> None:
    reading, ends = Reading(Response(HELLO, WORLD, END[:9], end)), Ends()
    taker = Takes(100, reading.batches)
    reading.stream.watch(ends)
    reading.stream.offer_to(taker)
    await reading.read()
    assert reading.failed is not None
    assert [failure is not None for failure in ends.failures] == [True]
    assert [len(batch.chunks) for batch in taker.taken] == [1]


@pytest.mark.anyio
async def test_the_fault_of_a_taker_is_not_the_provider_s() -> None:
    def fails(batch: Batch) -> bool:
        raise KeyError(batch)

    reading = Reading(Response(HELLO, WORLD, END))
    reading.stream.offer_to(fails)
    with pytest.raises(KeyError):
        await reading.read()


class Takes:
    """Takes some batches, and refuses the others."""

    def __init__(self, count: int, into: list[list[Chunk]]) -> None:
        self.taken: list[Batch] = []
        self._count = count
        self._into = into

    def __call__(self, batch: Batch) -> bool:
        if len(self.taken) == self._count:
            return False
        self.taken.append(batch)
        self._into.append(list(batch.chunks))
        return True


class Ticking(Response):
    """Every read takes `step_s`."""

    def __init__(self, clock: Clock, step_s: float, *pieces: Piece) -> None:
        super().__init__(*pieces)
        self._clock = clock
        self._step_s = step_s

    async def receive(self, timeout_s: float) -> bytes:
        self._clock.now += self._step_s
        return await super().receive(timeout_s)


@pytest.mark.anyio
async def test_what_arrives_together_goes_out_together() -> None:
    assert [len(batch) for batch in (await read(HELLO + WORLD, END + DONE)).batches] == [2, 1]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("pieces", "is_last"),
    [
        ([HELLO + WORLD, END + DONE], [False, True]),
        ([WHOLE], [True]),
        ([HELLO, END, b""], [False, True]),
        ([HELLO + END, b": ping\n\n", DONE], [False, True]),
        ([HELLO, WORLD + b"data: {\n\n"], [False, False]),
    ],
)
async def test_the_batch_that_completes_an_answer_is_the_last(
    pieces: list[bytes], is_last: list[bool]
) -> None:
    reading, ends = Reading(Response(*pieces)), Ends()
    await reading.stream.begin(reading.clock() + 60)
    reading.stream.watch(ends)
    seen: list[bool] = []
    with suppress(Failed):
        async for batch in reading.stream:
            seen.append(batch.is_last)
            assert bool(ends.failures) == batch.is_last
    await reading.stream.aclose()
    assert ends.closes == 1
    assert seen == is_last
    assert [failure is None for failure in ends.failures] == [any(is_last)]


@pytest.mark.anyio
@pytest.mark.parametrize("end", [[], ["reset"], ["timeout"], ["protocol"]])
async def test_nothing_that_happens_after_the_finish_breaks_an_answer(end: list[Piece]) -> None:
    reading = await read(HELLO, END, *end)
    assert reading.failed is None
    assert reading.text == "Hello"


@pytest.mark.anyio
async def test_a_stream_that_says_done_without_a_finish_reason_is_cut() -> None:
    reading = await read(HELLO, DONE)
    assert reading.failed is not None
    assert reading.failed.failure.kind is Kind.TRUNCATED
    assert (reading.text, reading.attempt.finish_reason) == ("Hello", None)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json", "Text/Event-Stream; charset=utf-8"]
)
@pytest.mark.parametrize(
    "pieces", [[HELLO, WORLD, END, DONE], [b"\n", b": wait\n\n", WHOLE], [WHOLE[:2], WHOLE[2:]]]
)
async def test_an_event_stream_is_known_by_its_first_byte(
    content_type: str, pieces: list[bytes]
) -> None:
    reading = await read(response=Response(*pieces, headers={"content-type": content_type}))
    assert (reading.failed, reading.text) == (None, "Hello world")
    assert len(reading.batches) == len(
        [piece for piece in pieces if b"delta" in piece or b"finish" in piece]
    )


@pytest.mark.anyio
async def test_a_whole_body_is_known_by_its_first_byte_although_it_is_called_a_stream() -> None:
    refusal = await read(b"\n\n", b'{"error": {"code": 429, "message": "slow down"}}')
    assert refusal.failed is not None
    assert refusal.failed.failure.kind is Kind.RATE_LIMIT
    page = await read(b"<html>data: {}\n\n</html>")
    assert page.failed is not None
    assert page.failed.failure.kind is Kind.MALFORMED


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_nothing_is_waited_for_behind_the_last_event(dialect: str) -> None:
    end = LAST[dialect] or (b"data: [DONE]\n\n" if dialect == "google" else b"")
    for pieces in (
        [TEXT[dialect]("Hello"), FINISH[dialect] + end],
        [TEXT[dialect]("Hello") + FINISH[dialect] + end],
    ):
        response = Response(*pieces, "timeout")
        reading = await read(response=response, dialect=dialect)
        assert (reading.failed, reading.text, reading.attempt.finish_reason) == (
            None,
            "Hello",
            "stop",
        )
        assert len(response.waits) == len(pieces)


ENDINGS: list[list[Piece]] = [
    [],
    ["timeout"],
    ["timeout", "timeout"],
    ["timeout", "reset"],
    [b": ping\n\n"],
    ["reset"],
]


@pytest.mark.anyio
@pytest.mark.parametrize("rest", ENDINGS)
async def test_a_connection_is_closed_once_its_body_has_ended(rest: list[Piece]) -> None:
    response = Response(WHOLE, *rest)
    reading = Reading(response)
    await reading.read()
    for _ in range(2):
        await reading.stream.aclose()
    for _ in range(5):
        await asyncio.sleep(0)
    assert response.closed == 1
    assert response.waits == [60, 0.0, LINGER_S][: 2 + (rest[:1] == ["timeout"])]


@pytest.mark.anyio
async def test_a_connection_whose_body_ends_behind_its_last_event_serves_the_next_call() -> None:
    may_end, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: "
            b"chunked\r\n\r\n"
        )
        writer.write(b"%x\r\n%s\r\n" % (len(WHOLE), WHOLE))
        await may_end.wait()
        writer.write(b"0\r\n\r\n")
        await reader.read()
        writer.close()
        gone.set()

    pool = Pool()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        response = await pool.send(Request("GET", f"http://127.0.0.1:{port}/", (), b"", 5.0), 5.0)
        record = Record(Attempt(model("custom"), 1), Replay(), "me")
        stream = AnswerStream(
            response, DIALECTS["chat"], Encoded("/", {}), TIMEOUTS, Clock(), record
        )
        await stream.begin(Clock()() + 60)
        assert [batch async for batch in stream]
        await stream.aclose()
        assert "idle=0 busy=1" in repr(pool)
        may_end.set()
        while "idle=1" not in repr(pool):
            await asyncio.sleep(0)
        await pool.aclose()
        await gone.wait()


@pytest.mark.anyio
async def test_a_format_without_a_last_event_ends_almost_at_once() -> None:
    response = Response(TEXT["google"]("Hello"), FINISH["google"], "timeout")
    assert (await read(response=response, dialect="google")).failed is None
    assert response.waits[-1] == COMPLETE_S
    response = Response(
        TEXT["google"]("Hello"),
        FINISH["google"],
        TEXT["google"](" world"),
        FINISH["google"],
        "timeout",
    )
    assert (await read(response=response, dialect="google")).text == "Hello world"


@pytest.mark.anyio
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("dialect", ["chat", "anthropic", "google"])
async def test_an_error_behind_the_finish_reason_is_written_down_and_nothing_else(
    dialect: str, together: bool, caplog: pytest.LogCaptureFixture
) -> None:
    pieces = [TEXT[dialect]("Hello"), FINISH[dialect], ERROR[dialect]]
    with caplog.at_level("WARNING", "gateway.upstream"):
        reading = await read(*([b"".join(pieces)] if together else pieces), dialect=dialect)
    assert (reading.failed, reading.text, reading.attempt.finish_reason) == (None, "Hello", "stop")
    assert ["verloaded" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.anyio
async def test_content_behind_the_finish_reason_keeps_the_stream_open() -> None:
    clock = Clock()
    reading = await read(
        response=Ticking(clock, 1.5, HELLO, END, WORLD, WORLD.replace(b"world", b"!"), DONE),
        clock=clock,
    )
    assert (reading.failed, reading.text) == (None, "Hello world !")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "noise", [b": ping\n\n", event(delta={"content": ""}), b"\n", b"event: ping\n\n", b" "]
)
@pytest.mark.parametrize("head", [b"", b"{", event(delta={"role": "assistant"})])
async def test_the_first_content_has_its_limit_whatever_comes_before_it(
    head: bytes, noise: bytes
) -> None:
    clock = Clock()
    response = Ticking(clock, 1.0, *[piece for piece in (head,) if piece], *[noise] * 500)
    reading = await read(response=response, clock=clock)
    assert reading.failed is not None
    assert reading.failed.failure.kind is Kind.TIMEOUT
    assert len(response.waits) == 60


@pytest.mark.anyio
async def test_a_stream_that_only_pings_has_an_end() -> None:
    clock = Clock()
    reading = await read(
        response=Ticking(clock, 1.0, HELLO, *[b": ping\n\n"] * 500),
        clock=clock,
        timeouts=Timeouts(total_s=99),
    )
    assert reading.failed is not None
    assert (reading.failed.failure.kind, clock.now) == (Kind.TIMEOUT, Clock().now + 99)


@pytest.mark.anyio
async def test_an_empty_answer_keeps_the_next_model_waiting_for_a_moment_only() -> None:
    response = Response(END, "timeout")
    reading = await read(response=response)
    assert (reading.failed, response.waits) == (None, [60, SETTLED_S])


@pytest.mark.anyio
async def test_a_call_without_a_name_ends_in_an_error_behind_what_came() -> None:
    start = event(delta={"tool_calls": [{"index": 0, "id": "a", "function": {"name": ""}}]})
    for pieces in splits(HELLO + start + END + DONE):
        reading = await read(*pieces)
        assert reading.failed is not None
        assert (reading.failed.failure.kind, reading.text) == (Kind.MALFORMED, "Hello")
        assert reading.attempt.finish_reason is None


@pytest.mark.anyio
async def test_choices_that_were_not_asked_for_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = HELLO.replace(b'"index":0', b'"index":3')
    with caplog.at_level("WARNING", "gateway.upstream"):
        assert (await read(other + HELLO + other + END + DONE)).text == "Hello"
        decode_whole(
            DIALECTS["chat"], {"choices": [ANSWER["choices"][0], {"index": 1}]}, Encoded("/x", {})
        )
    counts = [record.getMessage().partition(": ")[2].partition(" ")[0] for record in caplog.records]
    assert counts == ["2", "1"]


@pytest.mark.anyio
async def test_the_wait_after_the_finish_is_short() -> None:
    response = Response(HELLO, END, "timeout")
    assert (await read(response=response)).failed is None
    assert response.waits[-1] == FINISHED_S


@pytest.mark.anyio
async def test_pings_after_the_finish_keep_no_stream_open() -> None:
    clock = Clock()

    class Pinging(Response):
        async def receive(self, timeout_s: float) -> bytes:
            clock.now += 0.5
            return await super().receive(timeout_s)

    response = Pinging(HELLO, END, *[b": ping\n\n"] * 100)
    assert (await read(response=response, clock=clock)).failed is None
    assert response.waits == [60, 15, 2, 1.5, 1, 0.5]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("pieces", "kind", "text"),
    [
        ([HELLO], Kind.TRUNCATED, "Hello"),
        ([HELLO, "reset"], Kind.UNAVAILABLE, "Hello"),
        ([HELLO, "protocol"], Kind.MALFORMED, "Hello"),
        ([HELLO, b"data: {broken\n\n"], Kind.MALFORMED, "Hello"),
        ([HELLO + b"data: {broken\n\n"], Kind.MALFORMED, "Hello"),
        (
            [HELLO + WORLD + b'data: {"error": {"message": "x"}}\n\n'],
            Kind.UNAVAILABLE,
            "Hello world",
        ),
        ([HELLO, event(delta="x")], Kind.MALFORMED, "Hello"),
        ([], Kind.TRUNCATED, ""),
        ([b": ping\n\n"], Kind.TRUNCATED, ""),
        ([b"data: {broken\n\n"], Kind.MALFORMED, ""),
    ],
)
async def test_a_stream_that_is_not_whole_says_so_behind_what_it_did_say(
    pieces: list[Piece], kind: Kind, text: str
) -> None:
    reading = await read(*pieces)
    assert reading.failed is not None
    assert reading.failed.failure.kind is kind
    assert reading.text == text


@pytest.mark.anyio
async def test_a_broken_end_is_raised_again_and_again() -> None:
    reading = Reading(Response(HELLO + b"data: {broken\n\n"))
    await reading.read()
    found = []
    for _ in range(2):
        with pytest.raises(Failed) as raised:
            await reading.stream.__anext__()
        found.append(raised.value.failure.kind)
    assert found == [Kind.MALFORMED] * 2


# --- silence --------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_silence_is_a_sign_of_life_until_it_has_lasted_too_long() -> None:
    response = Response(
        HELLO, "timeout", "timeout", WORLD, "timeout", "timeout", "timeout", "timeout", END
    )
    reading = await read(response=response)
    assert [len(batch) for batch in reading.batches] == [1, 0, 0, 1, 0, 0, 0]
    assert reading.failed is not None
    assert reading.failed.failure.kind is Kind.TIMEOUT
    assert response.waits == [60, 15, 15, 15, 15, 15, 15, 15]


@pytest.mark.anyio
async def test_a_short_limit_is_kept_although_the_heartbeat_is_longer() -> None:
    response = Response(HELLO, "timeout", END)
    reading = await read(response=response, timeouts=Timeouts(idle_s=5.0, heartbeat_s=15.0))
    assert reading.failed is not None
    assert response.waits[1] == 5.0


@pytest.mark.anyio
async def test_a_provider_that_only_pings_leaves_the_client_without_a_sign_of_life() -> None:
    clock = Clock()

    class Pinging(Response):
        async def receive(self, timeout_s: float) -> bytes:
            clock.now += 10
            return await super().receive(timeout_s)

    response = Pinging(HELLO, *[b": ping\n\n"] * 6, END)
    assert [] in (await read(response=response, clock=clock)).batches


@pytest.mark.anyio
async def test_no_read_waits_beyond_the_end_of_the_whole_stream() -> None:
    response = Response(HELLO, "timeout", END)
    await read(response=response, timeouts=Timeouts(total_s=3.0))
    assert response.waits[1] == 3.0


@pytest.mark.anyio
async def test_a_stream_has_an_end() -> None:
    reading = Reading(Response(HELLO, WORLD, END))
    await reading.stream.begin(reading.clock() + 60)
    await reading.stream.__anext__()
    reading.clock.now += 3601
    with pytest.raises(Failed, match="totalSeconds") as raised:
        await reading.stream.__anext__()
    assert raised.value.failure.kind is Kind.TIMEOUT


@pytest.mark.anyio
async def test_the_first_content_has_one_limit_for_all_reads_before_it() -> None:
    response = Response(b": ping\n\n", b": ping\n\n", HELLO)
    reading = Reading(response)
    await reading.stream.begin(reading.clock() + 7)
    assert response.waits == [7, 7, 7], "the clock does not move"


# --- no stream at all -----------------------------------------------------------------------------

ANSWER = {
    "model": "m",
    "choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}],
}


@pytest.mark.anyio
async def test_a_server_that_ignores_stream_is_understood() -> None:
    body = orjson.dumps(ANSWER)
    reading = await read(response=Response(body[:9], body[9:], headers=JSON))
    assert reading.failed is None
    assert reading.text == "Hello"
    assert reading.attempt.finish_reason == "stop"


def array(*events: bytes) -> bytes:
    return b"[" + b",\r\n".join(event.removeprefix(b"data: ").strip() for event in events) + b"]\n"


@pytest.mark.anyio
async def test_an_array_of_chunks_is_read_to_its_end() -> None:
    body = array(HELLO, WORLD, END)
    reading = await read(response=Response(body[:9], body[9:], headers=JSON))
    assert reading.failed is None
    assert reading.text == "Hello world"
    assert reading.attempt.finish_reason == "stop"


@pytest.mark.anyio
async def test_a_character_cut_in_two_is_joined_in_an_array_of_chunks() -> None:
    body = array(TEXT["chat"](HIGH), TEXT["chat"](LOW), END)
    assert (await read(response=Response(body, headers=JSON))).text == SMILE


@pytest.mark.anyio
async def test_half_a_character_in_an_error_is_replaced() -> None:
    reading = await read(HELLO, b'data: {"error":{"message":"busy ' + HIGH.encode() + b'"}}\n\n')
    assert reading.failed is not None
    assert reading.failed.failure.message == "busy \ufffd"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (array(HELLO, WORLD), Kind.TRUNCATED),
        (array(HELLO, WORLD, END)[:-3], Kind.MALFORMED),
        (array(HELLO, b'{"error": {"message": "overloaded", "code": 503}}'), Kind.OVERLOADED),
    ],
)
async def test_an_array_that_is_not_whole_gives_nothing(body: bytes, kind: Kind) -> None:
    reading = await read(response=Response(body, headers=JSON))
    assert reading.failed is not None
    assert reading.failed.failure.kind is kind
    assert reading.batches == []


@pytest.mark.anyio
@pytest.mark.parametrize("mark", [b"", sse.BOM])
@pytest.mark.parametrize("headers", [{}, JSON, {"content-type": "text/plain"}])
async def test_events_under_another_name_are_understood(
    headers: dict[str, str], mark: bytes
) -> None:
    reading = await read(response=Response(mark + WHOLE, headers=headers))
    assert reading.failed is None
    assert reading.text == "Hello world"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body", [b"<html>503</html>", b"", b"[]", b'"x"', b"null", b"{}", b'{"choices": 1}']
)
async def test_a_page_instead_of_an_answer_is_a_failure(body: bytes) -> None:
    reading = await read(response=Response(body, headers={"content-type": "text/html"}))
    assert reading.failed is not None
    assert reading.failed.failure.kind in (Kind.MALFORMED, Kind.EMPTY, Kind.TRUNCATED)


# --- the parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("connect", Kind.UNAVAILABLE),
        ("dns", Kind.UNAVAILABLE),
        ("tls", Kind.UNAVAILABLE),
        ("reset", Kind.UNAVAILABLE),
        ("timeout", Kind.TIMEOUT),
        ("protocol", Kind.MALFORMED),
        ("too_large", Kind.MALFORMED),
    ],
)
def test_trouble_of_the_connection_is_a_failure_of_the_attempt(kind: Trouble, found: Kind) -> None:
    failure = transport_failure(trouble(kind))
    assert (failure.kind, failure.code, failure.status) == (found, kind, None)


def test_a_byte_order_mark_before_an_answer_is_taken_off() -> None:
    assert loads(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_a_list_around_an_object_is_taken_off() -> None:
    assert loads(b' [{"a": 1}]\n') == {"a": 1}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[1]", b"[{}, {}]", b"1", b"\xff"])
def test_a_body_that_is_not_an_object_is_malformed(body: bytes) -> None:
    with pytest.raises(Failed) as raised:
        loads(body)
    assert raised.value.failure.kind is Kind.MALFORMED
    assert raised.value.failure.status == 200


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"choices": 1}',
        b'{"choices": [1]}',
        b'{"content": [1]}',
        b'{"candidates": [[]]}',
        b'{"a": {}}',
    ],
)
def test_no_shape_of_an_answer_is_a_fault_of_ours(dialect: str, body: bytes) -> None:
    with pytest.raises(Failed):
        decode_whole(DIALECTS[dialect], loads(body), Encoded("/x", {}))
