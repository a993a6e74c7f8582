"""The conversation as every dialect may take it: calls and results in pairs, ids once."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from gateway.dialects.chat.normalize import NO_RESULT, pair


def said(*ids: str) -> dict[str, Any]:
    calls = [{"id": id_, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id_ in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(id_: str | None, content: str = "ok") -> dict[str, Any]:
    named = {"tool_call_id": id_} if id_ is not None else {}
    return {"role": "tool", "content": content} | named


def paired(*messages: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Calls as their ids, results as (id, content), all else as (role, content)."""
    seen: list[tuple[Any, ...]] = []
    for message in pair(iter(messages)):
        if message["role"] == "tool":
            seen.append((message["tool_call_id"], message["content"]))
        elif "tool_calls" in message:
            seen.append(tuple(call["id"] for call in message["tool_calls"]))
        else:
            seen.append((message["role"], message["content"]))
    return seen


def test_a_call_nobody_answered_gets_a_result() -> None:
    user = {"role": "user", "content": "stop"}
    assert paired(said("a", "b"), result("b"), user) == [("a", "b"), ("b", "ok"), ("a", NO_RESULT), ("user", "stop")]


def test_a_result_nobody_asked_for_is_the_users_text_behind_the_others() -> None:
    assert paired(said("a"), result("x", "what"), result("a")) == [("a",), ("a", "ok"), ("user", "what")]


def test_a_result_without_an_id_answers_the_first_call() -> None:
    assert paired(said("a", "b"), result(None, "1"), result(None, "2")) == [("a", "b"), ("a", "1"), ("b", "2")]


def test_an_id_that_was_used_in_an_earlier_turn_is_renamed_with_its_result() -> None:
    turns = (said("call_0"), result("call_0", "1"), said("call_0"), result("call_0", "2"), said("call_0"))
    assert paired(*turns) == [
        ("call_0",), ("call_0", "1"), ("call_0_2",), ("call_0_2", "2"), ("call_0_3",), ("call_0_3", NO_RESULT),
    ]  # fmt: skip


def test_one_id_for_two_parallel_calls_is_two_ids_answered_in_order() -> None:
    assert paired(said("a", "a"), result("a", "1"), result("a", "2")) == [("a", "a_2"), ("a", "1"), ("a_2", "2")]


def test_a_conversation_that_grows_keeps_its_ids() -> None:
    turns = [said("a"), result("a"), said("a", "a_2"), result("a"), result("a_2"), said("a"), result("a")]
    whole = paired(*deepcopy(turns))
    for length in (2, 5):
        assert paired(*deepcopy(turns[:length])) == whole[:length]
