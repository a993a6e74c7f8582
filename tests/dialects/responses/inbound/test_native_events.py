"""On the native lane the provider's bytes are the client's, and the encoder can end the stream at
any event."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import sse
from gateway.dialects import DIALECTS
from gateway.dialects.responses import inbound
from gateway.hub.contracts import Batch, Encoded, Refusal
from tests import goldens
from tests.dialects.responses.inbound.makers import answer, ending, function, stream, tool_call
from tests.dialects.responses.inbound.strict import check, parse
from tests.dialects.responses.inbound.test_streams import CASES, offered
from tests.splits import splits

BROKEN = Refusal(502, "gone", "server_error", "upstream_stream_error")
STREAMS = [
    case for case in goldens.stream_cases("responses") if case not in ("error_event", "failed")
]


def batches(pieces: list[bytes]) -> list[Batch]:
    """What the upstream face makes of the provider's bytes."""
    events, decoder = sse.Decoder(), DIALECTS["responses"].StreamDecoder(Encoded("/", {}))
    found = []
    for piece in pieces:
        read = events.decode(piece)
        found.append(Batch([chunk for event in read for chunk in decoder.decode(event)], read))
    return found


@pytest.mark.parametrize("case", STREAMS)
def test_events_pass_unchanged_wherever_they_are_cut(case: str) -> None:
    data = goldens.stream_bytes("responses", case)
    wanted = b"".join(event.raw for event in sse.Decoder().decode(data))
    for pieces in splits(data):
        encoder = inbound.StreamEncoder(answer())
        sent = b"".join(encoder.encode(batch) for batch in batches(pieces)) + encoder.done()
        assert sent == wanted
        assert encoder.response is not None
        assert encoder.response["status"] in ("completed", "incomplete")


CALLED = stream(
    answer(tools=[function("look")]),
    [tool_call(0, "c1", "look", "{}"), tool_call(1, "c2", "look", "{}"), *ending()],
)


@pytest.mark.parametrize("chunks", [row[1] for row in CASES], ids=[row[0] for row in CASES])
def test_the_final_response_is_the_provider_s_own(chunks: Any) -> None:
    data = stream(offered(), chunks)
    encoder = inbound.StreamEncoder(answer())
    sent = encoder.encode(Batch([], sse.Decoder().decode(data)))
    assert sent + encoder.done() == data
    assert encoder.response == parse(data)[-1]["response"]


def test_an_answer_breaks_off_behind_any_event_with_the_next_number() -> None:
    events = sse.Decoder().decode(CALLED)
    for end in range(len(events)):
        encoder = inbound.StreamEncoder(answer())
        data = encoder.encode(Batch([], events[:end])) + encoder.error(BROKEN)
        failed = check(data)[-1]["response"]
        done = [event for event in parse(data) if event["type"] == "response.output_item.done"]
        assert failed["output"] == [event["item"] for event in done]


def test_an_answer_that_breaks_off_at_its_end_has_one_end() -> None:
    encoder = inbound.StreamEncoder(answer())
    data = encoder.encode(Batch([], sse.Decoder().decode(CALLED))) + encoder.error(BROKEN)
    types = [event["type"] for event in check(data)]
    assert types[-2:] == ["error", "response.failed"]
    assert "response.completed" not in types


def test_a_keep_alive_repeats_the_provider_s_state() -> None:
    events = sse.Decoder().decode(CALLED)
    encoder = inbound.StreamEncoder(answer())
    data = encoder.encode(Batch([], []))
    assert encoder.keep_alive() == sse.comment()
    for event in events[:-1]:
        data += encoder.encode(Batch([], [event])) + encoder.keep_alive()
    data += encoder.encode(Batch([], events[-1:])) + encoder.keep_alive() + encoder.done()
    beats = [event for event in check(data, numbered=False) if "sequence_number" not in event]
    assert len(beats) == len(events) - 1
    assert {event["response"]["id"] for event in beats} == {"resp_call1"}


def test_events_without_names_and_with_a_last_line_of_their_own_are_read() -> None:
    data = CALLED.replace(b"event: response.completed\n", b"") + b"data: [DONE]\n\n"
    encoder = inbound.StreamEncoder(answer())
    assert encoder.encode(Batch([], sse.Decoder().decode(data))) + encoder.done() == data
    assert encoder.response is not None
    assert len(encoder.response["output"]) == 2


def test_items_that_the_last_event_leaves_out_are_put_back_for_the_store() -> None:
    last = parse(CALLED)[-1]
    short = (
        b"event: response.completed\ndata: "
        b'{"type":"response.completed","response":{"id":"resp_call1"}}\n\n'
    )
    data = CALLED[: CALLED.index(b"event: response.completed")] + short
    encoder = inbound.StreamEncoder(answer())
    encoder.encode(Batch([], sse.Decoder().decode(data)))
    encoder.done()
    assert encoder.response is not None
    assert encoder.response["output"] == last["response"]["output"]


def test_an_end_that_the_provider_owes_is_written() -> None:
    events = sse.Decoder().decode(CALLED)
    encoder = inbound.StreamEncoder(answer())
    data = encoder.encode(Batch([], events[:-1])) + encoder.done()
    assert len(check(data)[-1]["response"]["output"]) == 2
