"""Streams of several choices, log probabilities, and the deprecated form."""

from __future__ import annotations

from typing import Any, Literal

import orjson
import pytest

from gateway import sse
from gateway.dialects.chat import StreamDecoder, StreamEncoder, as_chunks
from gateway.failures import Failed, Kind
from gateway.hub.chunks import delta, finish
from gateway.hub.contracts import Encoded

Finish = Literal["stated", "empty", "none"]
TOKEN = {"token": "\\xf0", "logprob": -1.0, "bytes": [240], "top_logprobs": []}


def chunk(index: int, reason: str | None = None, **more: Any) -> dict[str, Any]:
    fields = more.pop("delta", {"content": f"<{index}>"} if reason is None else {})
    return {"choices": [{"index": index, "delta": fields, "finish_reason": reason, **more}]}


def decoded(
    *bodies: dict[str, Any], n: int = 1, done: bool = True, finish: Finish = "stated"
) -> list[Any]:
    decoder = StreamDecoder(Encoded("/", {"n": n}, finish=finish))
    chunks = [
        found for body in bodies for found in decoder.decode(sse.Event(b"", orjson.dumps(body)))
    ]
    if done:
        chunks += decoder.decode(sse.Event(b"", b"[DONE]"))
    return chunks + decoder.flush()


def said(chunks: list[Any]) -> list[tuple[int, str]]:
    choices = [choice for found in chunks for choice in found["choices"]]
    return [
        (choice["index"], choice["finish_reason"] or choice["delta"]["content"])
        for choice in choices
    ]


def test_one_choice_may_end_before_the_next_begins() -> None:
    whole = [chunk(0), chunk(0, "stop"), chunk(1), chunk(1, "length")]
    assert said(decoded(*whole, n=2)) == [(0, "<0>"), (1, "<1>"), (0, "stop"), (1, "length")]
    for end in range(1, 4):
        with pytest.raises(Failed) as raised:
            decoded(*whole[:end], n=2, done=False)
        assert raised.value.failure.kind is Kind.TRUNCATED


def test_done_finishes_a_stream_with_fewer_choices() -> None:
    assert said(decoded(chunk(0), chunk(0, "stop"), n=2)) == [(0, "<0>"), (0, "stop")]


def test_done_ends_what_has_not_ended_and_nothing_twice() -> None:
    chunks = decoded(chunk(0), chunk(1), chunk(0, "length"), n=2, finish="none")
    assert said(chunks) == [(0, "<0>"), (1, "<1>"), (0, "length"), (1, "stop")]


@pytest.mark.parametrize(("finish", "reason"), [("empty", ""), ("none", None), ("none", "")])
def test_some_servers_end_without_a_finish_reason(finish: Finish, reason: str | None) -> None:
    chunks = decoded(chunk(0), chunk(0, reason, delta={}), finish=finish)
    assert said(chunks) == [(0, "<0>"), (0, "stop")]


@pytest.mark.parametrize(("finish", "reason"), [("stated", None), ("stated", ""), ("empty", None)])
def test_no_finish_is_made_up_for_any_other_server(finish: Finish, reason: str | None) -> None:
    with pytest.raises(Failed) as raised:
        decoded(chunk(0), chunk(0, reason, delta={}), finish=finish)
    assert raised.value.failure.kind is Kind.TRUNCATED


@pytest.mark.parametrize(("arguments", "is_whole"), [("{}", True), ('{"a"', False), ("", False)])
def test_whole_tool_calls_end_an_answer_without_a_finish_reason(
    arguments: str, is_whole: bool
) -> None:
    call = {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": arguments}}
    events = [chunk(0), chunk(0, delta={"tool_calls": [call]})]
    if is_whole:
        assert decoded(*events)[-1]["choices"][0]["finish_reason"] == "tool_calls"
    else:
        with pytest.raises(Failed):
            decoded(*events)


def test_a_token_without_text_keeps_its_probability() -> None:
    logprobs = {"content": [TOKEN], "refusal": None}
    first, *_ = decoded(chunk(0, delta={"content": ""}, logprobs=logprobs), chunk(0, "stop"))
    assert first["choices"][0] == {
        "index": 0,
        "delta": {"content": ""},
        "finish_reason": None,
        "logprobs": logprobs,
    }
    empty: dict[str, Any] = {"content": [], "refusal": None}
    assert (
        len(
            decoded(
                chunk(0, delta={"role": "assistant", "content": ""}, logprobs=empty),
                chunk(0, "stop"),
            )
        )
        == 1
    )


def test_a_whole_answer_loses_nothing_as_a_stream() -> None:
    kept = {
        "content": "Hi",
        "audio": {"id": "a"},
        "images": [{"url": "x"}],
        "annotations": [{"type": "y"}],
    }
    choice = {
        "index": 0,
        "message": kept,
        "finish_reason": "stop",
        "logprobs": {"content": [TOKEN]},
    }
    chunks = list(as_chunks({"choices": [choice]}))
    fields = {key: value for found in chunks for key, value in found["choices"][0]["delta"].items()}
    assert fields == kept | {
        "images": [{"index": 0, "url": "x"}],
        "annotations": [{"index": 0, "type": "y"}],
    }
    assert chunks[0]["choices"][0]["logprobs"] == {"content": [TOKEN]}


def test_a_client_of_functions_is_answered_in_kind() -> None:
    encoder = StreamEncoder("chatcmpl-1", 0, "m", legacy_functions=True)
    call = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "f", "arguments": ""},
    }
    other = {**call, "index": 1}
    more = {"index": 0, "function": {"arguments": "{}"}}
    data = encoder.encode(
        [*(delta(tool_calls=[each]) for each in (call, more, other)), finish("tool_calls")]
    )
    events = [orjson.loads(line.removeprefix(b"data: ")) for line in data.strip().split(b"\n\n")]
    choices = [event["choices"][0] for event in events]
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "content": ""},
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
        {},
        {},
    ]
    assert choices[-1]["finish_reason"] == "function_call"
