from __future__ import annotations

import pytest

from gateway import sse
from tests.splits import splits

STREAM = (
    b": keep-alive\n\n"
    b'event: message_start\ndata: {"a":1}\n\n'
    b"data:no space\n\n"
    b"data: one\ndata: two\n\n"
    b"id: 7\nretry: 5\n\n"
    b"data\n\n"
    b'data: {"t":"a\xe2\x80\xa8b\xc2\x85c \xf0\x9f\x99\x88"}   \n\n'
    b"data: [DONE]\n\n"
)
EVENTS = [
    sse.Event(b"message_start", b'{"a":1}'),
    sse.Event(b"", b"no space"),
    sse.Event(b"", b"one\ntwo"),
    sse.Event(b"", b""),
    sse.Event(b"", b'{"t":"a\xe2\x80\xa8b\xc2\x85c \xf0\x9f\x99\x88"}   '),
    sse.Event(b"", b"[DONE]"),
]


def read(pieces: list[bytes]) -> list[sse.Event]:
    decoder = sse.Decoder()
    events = [event for piece in pieces for event in decoder.decode(piece)]
    return events + decoder.flush()


def decode(pieces: list[bytes]) -> list[sse.Event]:
    """The events with what they say, as a caller would write them."""
    return [sse.Event(event.name, event.data) for event in read(pieces)]


@pytest.mark.parametrize("pieces", list(splits(STREAM)))
def test_events_are_the_same_wherever_the_bytes_are_cut(pieces: list[bytes]) -> None:
    assert decode(pieces) == EVENTS


@pytest.mark.parametrize("pieces", list(splits(sse.BOM + b"data: a\n\ndata: b\n\n")))
def test_a_byte_order_mark_belongs_to_no_field(pieces: list[bytes]) -> None:
    assert decode(pieces) == [sse.Event(b"", b"a"), sse.Event(b"", b"b")]


def test_a_byte_order_mark_elsewhere_is_text() -> None:
    assert decode([b"data: \xef\xbb\xbf\n\n"]) == [sse.Event(b"", sse.BOM)]


def test_the_last_blank_line_may_be_missing() -> None:
    assert decode([b"data: a\n\ndata: b"]) == [sse.Event(b"", b"a"), sse.Event(b"", b"b")]


def test_an_event_without_end_is_refused() -> None:
    decoder = sse.Decoder()
    for _ in range(16):
        decoder.decode(b"x" * 1024 * 1024)
    with pytest.raises(sse.EventTooLarge):
        decoder.decode(b"x")


def test_what_is_encoded_is_decoded() -> None:
    assert decode([sse.comment(b"hi"), sse.encode(b'{"a":1}'), sse.DONE]) == [
        sse.Event(b"", b'{"a":1}'),
        sse.Event(b"", b"[DONE]"),
    ]


@pytest.mark.parametrize("bare", [b'{"error": {\n  "code": 503\n}}', b'[{"error": 1}]'])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
def test_a_bare_error_is_an_event(bare: bytes, end: bytes) -> None:
    """No field of the format, but how providers break off a stream."""
    assert [event.data.strip() for event in decode([b"data: 1\n\n" + bare + end])] == [b"1", bare]


@pytest.mark.parametrize("pieces", list(splits(STREAM)))
def test_an_event_keeps_its_own_bytes(pieces: list[bytes]) -> None:
    meaningless = (b": keep-alive\n\n", b"id: 7\nretry: 5\n\n")
    wanted = STREAM
    for block in meaningless:
        wanted = wanted.replace(block, b"")
    assert b"".join(event.raw for event in read(pieces)) == wanted


def test_own_bytes_end_in_a_blank_line_also_where_the_stream_has_none() -> None:
    assert [event.raw for event in read([b"event: x\r\ndata: a"])] == [b"event: x\ndata: a\n\n"]


@pytest.mark.parametrize("event", [sse.Event(b"x", b"a"), sse.Event(b"", b"a\nb")])
def test_an_event_made_here_has_bytes_that_say_it(event: sse.Event) -> None:
    assert decode([event.raw]) == [event]
