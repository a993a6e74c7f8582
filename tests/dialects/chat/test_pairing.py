"""A call and its result belong together by id, whatever is between them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.chat.normalize import NO_RESULT, normalize

ASK: dict[str, Any] = {"role": "user", "content": "look"}
AFTER: dict[str, Any] = {"role": "user", "content": "go on"}
SYSTEM: dict[str, Any] = {"role": "system", "content": "Be brief."}
TEXT: dict[str, Any] = {"role": "assistant", "content": "Let me see."}


def calls(*ids: str, **more: Any) -> dict[str, Any]:
    stated = [
        {"id": id_, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id_ in ids
    ]
    return {"role": "assistant", "content": None, "tool_calls": stated} | more


def result(id_: str | None, content: str, **more: Any) -> dict[str, Any]:
    return (
        {"role": "tool", "content": content} | ({} if id_ is None else {"tool_call_id": id_}) | more
    )


def shape(messages: list[dict[str, Any]]) -> list[Any]:
    """Calls as the list of their ids, results as (id, content), all else as its content."""
    before = deepcopy(messages)
    chat = normalize({"model": "dev", "messages": messages})
    assert messages == before, "the client's own messages are changed"
    seen: list[Any] = []
    for message in chat["messages"]:
        if message["role"] == "tool":
            seen.append((message["tool_call_id"], message["content"]))
        elif "tool_calls" in message:
            seen.append([call["id"] for call in message["tool_calls"]])
        else:
            seen.append(message["content"])
    return seen


CASES: dict[str, tuple[list[dict[str, Any]], list[Any]]] = {
    "text of the assistant between": (
        [ASK, calls("a"), TEXT, result("a", "1"), AFTER],
        ["look", ["a"], ("a", "1"), "Let me see.", "go on"],
    ),
    "several texts and a hint between": (
        [ASK, calls("a"), TEXT, SYSTEM, AFTER, TEXT, result("a", "1")],
        ["look", ["a"], ("a", "1"), "Let me see.", "Be brief.", "go on", "Let me see."],
    ),
    "parallel calls in messages of their own": (
        [
            ASK,
            calls("a"),
            calls("b"),
            calls("c"),
            result("b", "2"),
            result("c", "3"),
            result("a", "1"),
            AFTER,
        ],
        ["look", ["a", "b", "c"], ("b", "2"), ("c", "3"), ("a", "1"), "go on"],
    ),
    "text before the calls in a message of its own": (
        [ASK, TEXT, calls("a"), result("a", "1")],
        ["look", ["a"], ("a", "1")],
    ),
    "a call with text of its own between": (
        [ASK, calls("a"), calls("b", content="and"), result("a", "1"), result("b", "2")],
        ["look", ["a"], ("a", "1"), ["b"], ("b", "2")],
    ),
    "a result two turns later": (
        [
            ASK,
            calls("a", "b"),
            result("b", "2"),
            AFTER,
            calls("c"),
            result("c", "3"),
            AFTER,
            result("a", "1"),
        ],
        ["look", ["a", "b"], ("b", "2"), ("a", "1"), "go on", ["c"], ("c", "3"), "go on"],
    ),
    "a result before its call": (
        [ASK, result("a", "1"), calls("a"), AFTER],
        ["look", ["a"], ("a", "1"), "go on"],
    ),
    "a result said twice": (
        [ASK, calls("a"), result("a", "1"), result("a", "1"), AFTER],
        ["look", ["a"], ("a", "1"), "go on"],
    ),
    "two results for one call": (
        [ASK, calls("a"), result("a", "1"), result("a", "2"), AFTER],
        ["look", ["a"], ("a", "1"), "2", "go on"],
    ),
    "an id that each answer uses again, the first one interrupted": (
        [ASK, calls("call_0"), AFTER, calls("call_0"), result("call_0", "2")],
        ["look", ["call_0"], ("call_0", NO_RESULT), "go on", ["call_0_2"], ("call_0_2", "2")],
    ),
    "one id for two calls in messages of their own": (
        [ASK, calls("a"), calls("a"), result("a", "1"), result("a", "2")],
        ["look", ["a", "a_2"], ("a", "1"), ("a_2", "2")],
    ),
    "no ids at all": (
        [ASK, calls("a", "b"), TEXT, result(None, "1"), result("", "2"), AFTER],
        ["look", ["a", "b"], ("a", "1"), ("b", "2"), "Let me see.", "go on"],
    ),
    "a result of a call that was cut off": (
        [result("gone", "old"), ASK, calls("a"), result("a", "1")],
        ["old", "look", ["a"], ("a", "1")],
    ),
}


@pytest.mark.parametrize(("messages", "expected"), CASES.values(), ids=CASES)
def test_a_result_is_right_behind_its_call(
    messages: list[dict[str, Any]], expected: list[Any]
) -> None:
    assert shape(messages) == expected


def test_a_result_without_an_id_goes_to_the_call_of_its_name() -> None:
    message = calls("a", "b")
    message["tool_calls"][1]["function"]["name"] = "g"
    messages = [ASK, message, result(None, "of g", name="g"), result(None, "of f", name="f")]
    assert shape(messages) == ["look", ["a", "b"], ("b", "of g"), ("a", "of f")]


def test_text_and_reasoning_of_one_answer_stay_with_its_calls() -> None:
    details = [{"type": "reasoning.text", "text": "hm"}]
    first, second = calls("a", reasoning_details=details), calls("b", reasoning_details=details)
    chat = normalize({"model": "dev", "messages": [ASK, {**first, "content": "See:"}, second]})
    message = chat["messages"][1]
    assert message["content"] == "See:"
    assert message["reasoning_details"] == details * 2


@given(data=st.data(), count=st.integers(1, 8))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_wherever_results_are_each_answers_its_own_call(data: st.DataObject, count: int) -> None:
    ids = [f"call_{number:04}" for number in range(count)]
    messages: list[dict[str, Any]] = [message for id_ in ids for message in (calls(id_), AFTER)]
    for id_ in data.draw(st.permutations(ids)):
        place = data.draw(st.integers(0, len(messages)))
        messages.insert(place, result(id_, f"of {id_}"))
        if data.draw(st.booleans()):
            messages.insert(place, TEXT)
    found = shape([ASK, *messages])
    assert [item for item in found if isinstance(item, tuple)] == [
        (id_, f"of {id_}") for id_ in ids
    ]
    assert sum(len(item) for item in found if isinstance(item, list)) == count


@pytest.mark.parametrize("same", [True, False])
def test_many_calls_of_one_answer_are_paired(same: bool) -> None:
    """Linear: thousands of them would otherwise take minutes."""
    ids = ["call_0" if same else f"c{number}" for number in range(4_000)]
    results = [result(id_, str(number)) for number, id_ in enumerate(ids)]
    ordered = results if same else list(reversed(results))
    found = shape([ASK, calls(*ids), *ordered])
    assert len(found) == 4_002
    assert [content for _, content in found[2:]] == [message["content"] for message in ordered]
    assert NO_RESULT not in dict(found[2:]).values()
