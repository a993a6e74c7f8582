"""An event that is read by the pattern of the one before says what it says when it is read whole.

An event with a name is always read whole, so each stream is read twice: as it is, and with names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import sse
from gateway.dialects import Encoded
from gateway.dialects.chat import StreamDecoder
from gateway.failures import UNREADABLE, Failed

MANY = settings(max_examples=100, deadline=None, derandomize=True)
Event = Mapping[str, Any]


def read(events: list[bytes], name: bytes, encoded: Encoded) -> list[Any]:
    """What each event says, the end, and what is known after it."""
    decoder = StreamDecoder(encoded)
    found: list[Any] = []
    try:
        for data in events:
            found.append(decoder.decode(sse.Event(name, data)))
        found.append(decoder.flush())
    except Failed as failed:
        found.append(failed.failure)
    except UNREADABLE as error:
        found.append(type(error))
    return [*found, decoder.model, decoder.finished, decoder.unasked]


def some(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def objects(fields: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict(fields))


texts = some("a", "a", "b", "", None, 1, ["a"], "\ud83d", "\ude42", "é", "<think>", "```json")
deltas = objects(
    {
        "content": texts,
        "role": some("assistant", None),
        "reasoning_content": some("r", "", None),
        "reasoning": some("r", None),
        "refusal": some(None, "no"),
        "tool_calls": some(None, [], [{"index": 0, "id": "c", "function": {"name": "f"}}]),
    }
)
choices = st.builds(
    lambda head, delta: {**head, "delta": delta},
    objects(
        {
            "index": some(0, 0, 0, 1, False, None, 0.0, [0]),
            "finish_reason": some(None, None, None, "", "stop", False),
            "logprobs": some(None, {}, {"content": []}, 1),
            "usage": some(None, {"prompt_tokens": 3}),
            "stop_reason": some(None, "x"),
        }
    ),
    deltas,
)
bodies = st.builds(
    lambda head, listed: {**head, "choices": listed},
    objects(
        {
            "id": some("a", "b", 1),
            "created": some(1, 2),
            "model": some("m", "m", None, ""),
            "obfuscation": some("x", "yy"),
            "service_tier": some("default", "flex", None),
            "usage": some(None, {"prompt_tokens": 2, "completion_tokens": 5}),
            "x_groq": some(None, {"id": "x"}, {"usage": {"prompt_tokens": 1}}),
            "error": some(None, "", {"message": "It broke."}),
        }
    ),
    st.lists(choices, min_size=1, max_size=2) | some(None, [], {}, "x"),
)
plain = st.builds(
    lambda word, more: {
        "model": "m",
        **more,
        "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}],
    },
    some("a", "b"),
    some({}, {}, {}, {"created": 1}, {"created": 2}),
)


def written(body: Event) -> bytes:
    """The event's JSON, with halves of characters as escapes."""
    return json.dumps(body).encode()


streams = st.lists(plain | plain | bodies, min_size=1, max_size=8)
requests = some(
    Encoded("/", {}),
    Encoded("/", {"n": 2}),
    Encoded("/", {}, unfence=True),
    Encoded("/", {}, think_tags=True),
)


@MANY
@given(streams, requests)
def test_a_stream_says_the_same_however_its_events_are_read(
    events: list[Event], encoded: Encoded
) -> None:
    data = [written(event) for event in events]
    assert read(data, b"", encoded) == read(data, b"message", encoded)


def test_a_repetition_of_the_last_text_is_dropped_behind_the_finish_reason() -> None:
    def event(text: str, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
        return orjson.dumps({"model": "m", "choices": [choice]})

    stream = [event("a"), event("", "stop"), event("a")]
    texts = [
        chunk["choices"][0]["delta"].get("content")
        for chunks in read(stream, b"", Encoded("/", {}))[:-3]
        for chunk in chunks
    ]
    assert texts == ["a", None]


@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning"])
def test_an_event_that_adds_text_alone_becomes_one_chunk(field: str) -> None:
    said = "content" if field == "content" else "reasoning_content"

    def event(text: str) -> bytes:
        choice = {"index": 0, "delta": {"role": "assistant", field: text}, "logprobs": None}
        return orjson.dumps({"model": "m", "obfuscation": text * 2, "choices": [choice]})

    decoder = StreamDecoder(Encoded("/", {}))
    for text in ("a", "b", "c"):
        (chunk,) = decoder.decode(sse.Event(b"", event(text)))
        (choice,) = chunk["choices"]
        assert choice == {"index": 0, "delta": {said: text}, "finish_reason": None}
