"""A provider's own events with half characters in them: joined where they belong together, and else
as they came."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway import sse
from gateway.hub.half_events import JoinedEvents

HIGH, LOW = "\\ud83d", "\\ude48"


def text(piece: str, index: int = 0, field: str = "text") -> str:
    delta = f'{{"type":"x_delta","{field}":"{piece}"}}'
    return f'{{"type":"content_block_delta","index":{index},"delta":{delta}}}'


def flat(piece: str, item: str = "msg_1") -> str:
    """As the other API has it, with the filling that differs from event to event."""
    filling = piece.strip("\\") and "x" * len(piece)
    fields = f'"item_id":"{item}","delta":"{piece}","obfuscation":"{filling}"'
    return f'{{"type":"response.output_text.delta",{fields}}}'


STOP = '{"type":"content_block_stop","index":0}'
PING = '{"type":"ping"}'


def passed(*events: str) -> list[dict[str, Any]]:
    joined = JoinedEvents()
    out = [
        found for data in events for found in joined.join(sse.Event(b"", data.encode()))
    ] + joined.flush()
    return [json.loads(event.data) for event in out]


def texts(*events: str) -> list[str]:
    """What each event says, which is valid text."""
    found = []
    for body in passed(*events):
        delta = body.get("delta")
        said = (
            delta
            if isinstance(delta, str)
            else next(reversed((delta or {}).values()), body["type"])
        )
        found.append(said.encode().decode())
    return found


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ([text("a" + HIGH), text(LOW + "b")], ["a", "🙈b"]),
        ([flat("a" + HIGH), flat(LOW + "b")], ["a", "🙈b"]),
        ([text(HIGH), text(LOW)], ["", "🙈"]),
        ([text(HIGH), text(LOW + HIGH), text(LOW)], ["", "🙈", "🙈"]),
        ([text("a" + HIGH), PING, text(LOW)], ["ping", "a", "🙈"]),
        ([text("a" + HIGH), text("b")], ["a\ufffd", "b"]),
        ([text("a" + HIGH), STOP], ["a\ufffd", "content_block_stop"]),
        ([text("a" + HIGH)], ["a\ufffd"]),
        ([text(LOW + "a")], ["\ufffda"]),
        ([text("a" + HIGH + "b")], ["a\ufffdb"]),
        ([text("a" + HIGH), text(LOW, index=1)], ["a\ufffd", "\ufffd"]),
        ([text("a" + HIGH), text(LOW, field="thinking")], ["a\ufffd", "\ufffd"]),
        ([flat("a" + HIGH), flat(LOW, item="msg_2")], ["a\ufffd", "\ufffd"]),
        ([text(HIGH + LOW)], ["🙈"]),
    ],
)
def test_halves_are_joined_or_named(events: list[str], wanted: list[str]) -> None:
    assert texts(*events) == wanted


@pytest.mark.parametrize(
    "data", [text("a"), text(HIGH + LOW), text("\\\\ud83d"), "[DONE]", "{", PING, "[]", '"\\ud83d"']
)
def test_every_other_event_passes_byte_for_byte(data: str) -> None:
    event = sse.Event(b"x", data.encode(), b"event:  x\ndata:" + data.encode())
    joined = JoinedEvents()
    assert joined.join(event) == [event]
    assert joined.flush() == []


def test_an_event_behind_a_lone_half_passes_byte_for_byte_too() -> None:
    joined = JoinedEvents()
    assert joined.join(sse.Event(b"", text(HIGH).encode())) == []
    odd = sse.Event(b"", b' {"type" : "content_block_stop"}')
    assert joined.join(odd)[-1] == odd


def test_numbers_stay_exact() -> None:
    found = passed(f'{{"type":"x","delta":"{HIGH}","n":123456789012345678901234567890}}')
    assert found[0]["n"] == 123456789012345678901234567890
