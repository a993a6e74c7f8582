"""A streamed answer, whatever the reads bring: content, silence, a cut, a JSON body instead."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from gateway import sse
from gateway.dialects import DIALECTS, Encoded
from gateway.failures import Failed, Kind
from gateway.shared.replay import Vault
from gateway.types import Attempt, Chunk, Timeouts
from gateway.upstream.stream import FINISHED_S, AnswerStream, decode_whole, loads, transport_failure
from gateway.upstream.tap import Record
from gateway.upstream.transport import Trouble
from tests.makers import Clock, model
from tests.splits import splits
from tests.upstream.fakes import JSON, Piece, Response, trouble

TIMEOUTS = Timeouts(first_token_s=60.0, idle_s=60.0, heartbeat_s=15.0, total_s=3600.0)


def event(**choice: Any) -> bytes:
    body = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": None, **choice}]}
    return b"data: " + orjson.dumps(body) + b"\n\n"


HELLO, WORLD = event(delta={"content": "Hello"}), event(delta={"content": " world"})
END, DONE = event(finish_reason="stop"), b"data: [DONE]\n\n"
WHOLE = HELLO + WORLD + END + DONE


class Reading:
    """An answer that is read, and what came of it."""

    def __init__(self, response: Response, timeouts: Timeouts = TIMEOUTS) -> None:
        self.clock = Clock()
        self.attempt = Attempt(model("custom"), 1)
        record = Record(self.attempt, Vault(), "me")
        face = DIALECTS["chat"]
        self.stream = AnswerStream(response, face, Encoded("/x", {}), timeouts, self.clock, record)
        self.batches: list[list[Chunk]] = []
        self.failed: Failed | None = None

    async def read(self) -> None:
        try:
            await self.stream.begin(self.clock() + 60)
            async for batch in self.stream:
                self.batches.append(batch)
        except Failed as failed:
            self.failed = failed

    @property
    def text(self) -> str:
        chunks = [chunk for batch in self.batches for chunk in batch]
        return "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])


def read(*pieces: Piece, response: Response | None = None, timeouts: Timeouts = TIMEOUTS) -> Reading:
    async def work() -> Reading:
        reading = Reading(response or Response(*pieces), timeouts)
        await reading.read()
        return reading

    return asyncio.run(work())


@pytest.mark.parametrize("pieces", list(splits(WHOLE)))
def test_a_stream_however_it_is_cut(pieces: list[bytes]) -> None:
    reading = read(*pieces)
    assert reading.failed is None
    assert reading.text == "Hello world"
    assert reading.attempt.finish_reason == "stop"
    assert reading.stream.model == "m"


def test_what_arrives_together_goes_out_together() -> None:
    assert [len(batch) for batch in read(HELLO + WORLD, END + DONE).batches] == [2, 1]


@pytest.mark.parametrize("end", [[], ["reset"], ["timeout"], ["protocol"]])
def test_nothing_that_happens_after_the_finish_breaks_an_answer(end: list[Piece]) -> None:
    reading = read(HELLO, END, *end)
    assert reading.failed is None
    assert reading.text == "Hello"


def test_a_server_that_says_done_has_finished() -> None:
    reading = read(HELLO, DONE)
    assert reading.failed is None
    assert reading.attempt.finish_reason == "stop"


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "Text/Event-Stream; charset=utf-8"])
@pytest.mark.parametrize("pieces", [[HELLO, WORLD, END, DONE], [b"\n", b": wait\n\n", WHOLE], [WHOLE[:2], WHOLE[2:]]])
def test_an_event_stream_is_known_by_its_first_byte(content_type: str, pieces: list[bytes]) -> None:
    reading = read(response=Response(*pieces, headers={"content-type": content_type}))
    assert (reading.failed, reading.text) == (None, "Hello world")
    assert len(reading.batches) == len([piece for piece in pieces if b"delta" in piece or b"finish" in piece])


def test_a_whole_body_is_known_by_its_first_byte_although_it_is_called_a_stream() -> None:
    refusal = read(b"\n\n", b'{"error": {"code": 429, "message": "slow down"}}')
    assert refusal.failed is not None
    assert refusal.failed.failure.kind is Kind.RATE_LIMIT
    page = read(b"<html>data: {}\n\n</html>")
    assert page.failed is not None
    assert page.failed.failure.kind is Kind.MALFORMED


def test_after_the_finish_nobody_waits_for_long() -> None:
    response = Response(HELLO, END, "timeout")
    assert read(response=response).failed is None
    assert response.waits[-1] == FINISHED_S


def test_pings_after_the_finish_keep_no_stream_open() -> None:
    clock = Clock()

    class Pinging(Response):
        async def receive(self, timeout_s: float) -> bytes:
            clock.now += 0.5
            return await super().receive(timeout_s)

    async def work() -> Reading:
        reading = Reading(response)
        reading.stream._clock = clock
        await reading.read()
        return reading

    response = Pinging(HELLO, END, *[b": ping\n\n"] * 100)
    assert asyncio.run(work()).failed is None
    assert response.waits == [60, 15, 2, 1.5, 1, 0.5]


@pytest.mark.parametrize(
    ("pieces", "kind", "text"),
    [
        ([HELLO], Kind.TRUNCATED, "Hello"),
        ([HELLO, "reset"], Kind.UNAVAILABLE, "Hello"),
        ([HELLO, "protocol"], Kind.MALFORMED, "Hello"),
        ([HELLO, b"data: {broken\n\n"], Kind.MALFORMED, "Hello"),
        ([HELLO + b"data: {broken\n\n"], Kind.MALFORMED, "Hello"),
        ([HELLO + WORLD + b'data: {"error": {"message": "x"}}\n\n'], Kind.UNAVAILABLE, "Hello world"),
        ([HELLO, event(delta="x")], Kind.MALFORMED, "Hello"),
        ([], Kind.TRUNCATED, ""),
        ([b": ping\n\n"], Kind.TRUNCATED, ""),
        ([b"data: {broken\n\n"], Kind.MALFORMED, ""),
    ],
)
def test_a_stream_that_is_not_whole_says_so_behind_what_it_did_say(pieces: list[Piece], kind: Kind, text: str) -> None:
    reading = read(*pieces)
    assert reading.failed is not None
    assert reading.failed.failure.kind is kind
    assert reading.text == text


def test_a_broken_end_is_raised_again_and_again() -> None:
    async def work() -> list[Kind]:
        reading = Reading(Response(HELLO + b"data: {broken\n\n"))
        await reading.read()
        found = []
        for _ in range(2):
            with pytest.raises(Failed) as raised:
                await reading.stream.__anext__()
            found.append(raised.value.failure.kind)
        return found

    assert asyncio.run(work()) == [Kind.MALFORMED] * 2


# --- silence ---------------------------------------------------------------------------------------------------------


def test_silence_is_a_sign_of_life_until_it_has_lasted_too_long() -> None:
    response = Response(HELLO, "timeout", "timeout", WORLD, "timeout", "timeout", "timeout", "timeout", END)
    reading = read(response=response)
    assert [len(batch) for batch in reading.batches] == [1, 0, 0, 1, 0, 0, 0]
    assert reading.failed is not None
    assert reading.failed.failure.kind is Kind.TIMEOUT
    assert response.waits == [60, 15, 15, 15, 15, 15, 15, 15]


def test_a_short_limit_is_kept_although_the_heartbeat_is_longer() -> None:
    response = Response(HELLO, "timeout", END)
    reading = read(response=response, timeouts=Timeouts(idle_s=5.0, heartbeat_s=15.0))
    assert reading.failed is not None
    assert response.waits[1] == 5.0


def test_a_provider_that_only_pings_leaves_the_client_without_a_sign_of_life() -> None:
    clock = Clock()

    class Pinging(Response):
        async def receive(self, timeout_s: float) -> bytes:
            clock.now += 10
            return await super().receive(timeout_s)

    async def work() -> Reading:
        reading = Reading(Pinging(HELLO, *[b": ping\n\n"] * 6, END))
        reading.stream._clock = clock
        await reading.read()
        return reading

    assert [] in asyncio.run(work()).batches


def test_no_read_waits_beyond_the_end_of_the_whole_stream() -> None:
    response = Response(HELLO, "timeout", END)
    read(response=response, timeouts=Timeouts(total_s=3.0))
    assert response.waits[1] == 3.0


def test_a_stream_has_an_end() -> None:
    async def work() -> Reading:
        reading = Reading(Response(HELLO, WORLD, END))
        await reading.stream.begin(reading.clock() + 60)
        await reading.stream.__anext__()
        reading.clock.now += 3601
        with pytest.raises(Failed, match="totalSeconds") as raised:
            await reading.stream.__anext__()
        assert raised.value.failure.kind is Kind.TIMEOUT
        return reading

    asyncio.run(work())


def test_the_first_content_has_one_limit_for_all_reads_before_it() -> None:
    async def work() -> list[float]:
        response = Response(b": ping\n\n", b": ping\n\n", HELLO)
        reading = Reading(response)
        await reading.stream.begin(reading.clock() + 7)
        return response.waits

    assert asyncio.run(work()) == [7, 7, 7]  # on a clock that stands still


# --- no stream at all ------------------------------------------------------------------------------------------------

ANSWER = {"model": "m", "choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]}


def test_a_server_that_ignores_stream_is_understood() -> None:
    body = orjson.dumps(ANSWER)
    reading = read(response=Response(body[:9], body[9:], headers=JSON))
    assert reading.failed is None
    assert reading.text == "Hello"
    assert reading.attempt.finish_reason == "stop"


def array(*events: bytes) -> bytes:
    return b"[" + b",\r\n".join(event.removeprefix(b"data: ").strip() for event in events) + b"]\n"


def test_an_array_of_chunks_is_read_to_its_end() -> None:
    body = array(HELLO, WORLD, END)
    reading = read(response=Response(body[:9], body[9:], headers=JSON))
    assert reading.failed is None
    assert reading.text == "Hello world"
    assert reading.attempt.finish_reason == "stop"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (array(HELLO, WORLD), Kind.TRUNCATED),
        (array(HELLO, WORLD, END)[:-3], Kind.MALFORMED),
        (array(HELLO, b'{"error": {"message": "overloaded", "code": 503}}'), Kind.OVERLOADED),
    ],
)
def test_an_array_that_is_not_whole_gives_nothing(body: bytes, kind: Kind) -> None:
    reading = read(response=Response(body, headers=JSON))
    assert reading.failed is not None
    assert reading.failed.failure.kind is kind
    assert reading.batches == []


@pytest.mark.parametrize("mark", [b"", sse.BOM])
@pytest.mark.parametrize("headers", [{}, JSON, {"content-type": "text/plain"}])
def test_events_under_another_name_are_understood(headers: dict[str, str], mark: bytes) -> None:
    reading = read(response=Response(mark + WHOLE, headers=headers))
    assert reading.failed is None
    assert reading.text == "Hello world"


@pytest.mark.parametrize("body", [b"<html>503</html>", b"", b"[]", b'"x"', b"null", b"{}", b'{"choices": 1}'])
def test_a_page_is_no_answer(body: bytes) -> None:
    reading = read(response=Response(body, headers={"content-type": "text/html"}))
    assert reading.failed is not None
    assert reading.failed.failure.kind in (Kind.MALFORMED, Kind.EMPTY, Kind.TRUNCATED)


# --- the parts -------------------------------------------------------------------------------------------------------


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
def test_what_is_no_object_is_malformed(body: bytes) -> None:
    with pytest.raises(Failed) as raised:
        loads(body)
    assert raised.value.failure.kind is Kind.MALFORMED
    assert raised.value.failure.status == 200


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "body", [b"{}", b'{"choices": 1}', b'{"choices": [1]}', b'{"content": [1]}', b'{"candidates": [[]]}', b'{"a": {}}']
)
def test_no_shape_of_an_answer_is_a_fault_of_ours(dialect: str, body: bytes) -> None:
    with pytest.raises(Failed):
        decode_whole(DIALECTS[dialect], body, Encoded("/x", {}))
