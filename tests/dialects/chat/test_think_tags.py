from __future__ import annotations

import itertools

import pytest

from gateway.dialects.chat import StreamDecoder, decode_response
from gateway.dialects.chat.think_tags import Splitter, split
from gateway.hub.contracts import Encoded
from gateway.sse import Decoder
from tests.splits import splits

CASES = [
    ("<think>\nHm, 1 < 2\n</think>\n\nYes.", "Yes.", "Hm, 1 < 2"),
    ("\n<think>a</think>b <think>c</think>", "b <think>c</think>", "a"),
    ("<think></think>Yes", "Yes", ""),
    ("<think>cut off </thi", "", "cut off </thi"),
    ("Use <think> for this.", "Use <think> for this.", ""),
    ("  plain", "  plain", ""),
    ("<thinking>no</thinking>", "<thinking>no</thinking>", ""),
    ("<thi", "<thi", ""),
    ("", "", ""),
]


@pytest.mark.parametrize(("content", "text", "reasoning"), CASES)
def test_however_it_is_cut(content: str, text: str, reasoning: str) -> None:
    assert split(content) == (text, reasoning)
    for places in itertools.combinations(range(len(content) + 1), 2):
        splitter = Splitter()
        pieces = [content[: places[0]], content[places[0] : places[1]], content[places[1] :]]
        said = [*map(splitter.feed, pieces), splitter.flush()]
        assert ("".join(one.text for one in said), "".join(one.reasoning for one in said)) == (
            text,
            reasoning,
        )


def test_only_where_it_was_asked_for() -> None:
    body = {"choices": [{"message": {"content": "<think>a</think>b"}, "finish_reason": "stop"}]}
    plain = decode_response(body, Encoded("/", {}))["choices"][0]["message"]
    apart = decode_response(body, Encoded("/", {}, think_tags=True))["choices"][0]["message"]
    assert plain["content"] == "<think>a</think>b"
    assert (apart["content"], apart["reasoning_content"]) == ("b", "a")


def test_a_stream() -> None:
    pieces = [b"<thi", b"nk>Let me", b" see</", b"think>\\n", b"\\nYes"]
    events = [b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % piece for piece in pieces]
    whole = b"".join(events) + b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    for cut in splits(whole):
        events_of, decoder = Decoder(), StreamDecoder(Encoded("/", {}, think_tags=True))
        chunks = [
            chunk
            for piece in cut
            for event in events_of.decode(piece)
            for chunk in decoder.decode(event)
        ]
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "Let me see"
        assert "".join(delta.get("content", "") for delta in deltas) == "Yes"
