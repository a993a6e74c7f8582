"""What is written down of an answer as it passes."""

from __future__ import annotations

from typing import Any

from gateway.hub.chunks import delta, finish, usage_chunk
from gateway.shared.replay import Replay
from gateway.types import Attempt, Usage
from gateway.upstream.tap import Record, usage_of
from tests.makers import model

COUNTS: dict[str, Any] = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 7},
    "completion_tokens_details": {"reasoning_tokens": 5},
}
USAGE = Usage(input=100, output=20, cache_read=40, cache_write=7, reasoning=5)


def call(id_: str, **more: Any) -> dict[str, Any]:
    return {
        "index": 0,
        "id": f"toolcall_{id_}",
        "type": "function",
        "function": {"name": "f", "arguments": ""},
        **more,
    }


def recording() -> tuple[Record, Attempt, Replay]:
    attempt, replay = Attempt(model(), 1), Replay()
    return Record(attempt, replay, "me"), attempt, replay


def restored(replay: Replay, id_: str) -> dict[str, Any]:
    message = {"role": "assistant", "tool_calls": [call(id_)]}
    return dict(replay.restore("me", {"messages": [message]})["messages"][0])


def test_usage_and_finish_of_a_stream() -> None:
    record, attempt, _ = recording()
    record.see([delta(content="Hello")])
    assert (attempt.usage, attempt.finish_reason) == (None, None)
    record.see([finish("stop"), usage_chunk(COUNTS)])
    assert (attempt.usage, attempt.finish_reason) == (USAGE, "stop")


def test_usage_and_finish_of_a_whole_answer() -> None:
    record, attempt, replay = recording()
    message = {"content": None, "reasoning_content": "hm", "tool_calls": [call("a")]}
    record.see_whole(
        {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": COUNTS}
    )
    assert (attempt.usage, attempt.finish_reason) == (USAGE, "tool_calls")
    assert restored(replay, "a")["reasoning_content"] == "hm"


def test_reasoning_is_kept_by_the_tool_calls_that_follow_it() -> None:
    record, _, replay = recording()
    record.see([delta(reasoning_content="let me "), delta(reasoning_content="think")])
    record.see([delta(reasoning_details=[{"data": 1}]), delta(reasoning_details=[{"data": 2}])])
    record.see([delta(tool_calls=[call("a", extra_content={"x": 1})])])
    record.see(
        [delta(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]), finish("tool_calls")]
    )
    assert "reasoning_content" not in restored(replay, "a"), (
        "an answer that is not whole is not kept"
    )
    record.done()
    message = restored(replay, "a")
    assert message["reasoning_content"] == "let me think"
    assert message["reasoning_details"] == [{"data": 1}, {"data": 2}]
    assert message["tool_calls"][0]["extra_content"] == {"x": 1}


def test_without_tool_calls_nothing_is_kept() -> None:
    record, _, replay = recording()
    record.see([delta(reasoning_content="hm"), delta(content="Hello"), finish("stop")])
    record.done()
    assert repr(replay) == "<Replay entries=0 bytes=0>"


def test_missing_counts_are_none_and_nulls_are_harmless() -> None:
    assert usage_of({}) == Usage()
    assert usage_of({"prompt_tokens": 3, "prompt_tokens_details": None}) == Usage(input=3)
