"""The request as every dialect may take it: fields that mean something, calls and results in pairs,
ids once."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from gateway.dialects.chat.normalize import NO_RESULT, normalize, pair, speaks_functions
from gateway.failures import Failed


def said(*ids: str) -> dict[str, Any]:
    calls = [
        {"id": id_, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id_ in ids
    ]
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


def test_a_call_without_a_result_gets_one() -> None:
    user = {"role": "user", "content": "stop"}
    assert paired(said("a", "b"), result("b"), user) == [
        ("a", "b"),
        ("b", "ok"),
        ("a", NO_RESULT),
        ("user", "stop"),
    ]


def test_a_result_without_a_call_is_the_users_text_behind_the_others() -> None:
    assert paired(said("a"), result("x", "what"), result("a")) == [
        ("a",),
        ("a", "ok"),
        ("user", "what"),
    ]


def test_a_result_without_an_id_answers_the_first_call() -> None:
    assert paired(said("a", "b"), result(None, "1"), result(None, "2")) == [
        ("a", "b"),
        ("a", "1"),
        ("b", "2"),
    ]


def test_an_id_that_was_used_in_an_earlier_turn_is_renamed_with_its_result() -> None:
    turns = (
        said("call_0"),
        result("call_0", "1"),
        said("call_0"),
        result("call_0", "2"),
        said("call_0"),
    )
    assert paired(*turns) == [
        ("call_0",), ("call_0", "1"), ("call_0_2",), ("call_0_2", "2"), ("call_0_3",), ("call_0_3",
        NO_RESULT),
    ]  # fmt: skip


def test_one_id_for_two_parallel_calls_is_two_ids_answered_in_order() -> None:
    assert paired(said("a", "a"), result("a", "1"), result("a", "2")) == [
        ("a", "a_2"),
        ("a", "1"),
        ("a_2", "2"),
    ]


def test_a_conversation_that_grows_keeps_its_ids() -> None:
    turns = [
        said("a"),
        result("a"),
        said("a", "a_2"),
        result("a"),
        result("a_2"),
        said("a"),
        result("a"),
    ]
    whole = paired(*deepcopy(turns))
    for length in (2, 5):
        assert paired(*deepcopy(turns[:length])) == whole[:length]


USER = {"role": "user", "content": "Hi"}


def test_results_come_first_whatever_was_said_before_them() -> None:
    note, last = {"role": "system", "content": "Hurry."}, {"role": "user", "content": "Well?"}
    chat = normalize(
        {"model": "dev", "messages": [USER, said("a"), note, result("a", "4C"), last, said("b")]}
    )
    assert [message["role"] for message in chat["messages"]] == [
        "user", "assistant", "tool", "system", "user", "assistant", "tool",
    ]  # fmt: skip
    assert [message["content"] for message in chat["messages"] if message["role"] == "tool"] == [
        "4C",
        NO_RESULT,
    ]


def test_an_id_that_is_a_number_is_still_one_id() -> None:
    call = {"id": 7, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answer = {"role": "tool", "tool_call_id": 7, "content": "4C"}
    chat = normalize(
        {"model": "dev", "messages": [USER, {"role": "assistant", "tool_calls": [call]}, answer]}
    )
    assert chat["messages"][2] == {"role": "tool", "tool_call_id": "7", "content": "4C"}


NAMED = {"type": "function", "function": {"name": "f"}}
ALLOWED = {"mode": "auto", "tools": [{"type": "function", "name": "f"}]}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "tool", "name": "f"}, NAMED),
        ({"type": "function", "name": "f"}, NAMED),
        ({"type": "custom", "name": "f"}, {"type": "custom", "custom": {"name": "f"}}),
        ({"type": "allowed_tools", **ALLOWED}, {"type": "allowed_tools", "allowed_tools": ALLOWED}),
        (NAMED, NAMED),
        ("auto", "auto"),
    ],
)
def test_a_choice_in_the_words_of_another_api(written: Any, meant: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert (
        normalize({"model": "dev", "messages": [USER], "tools": tools, "tool_choice": written})[
            "tool_choice"
        ]
        == meant
    )


# --- fields ---------------------------------------------------------------------------------------

TOOL = {"type": "function", "function": {"name": "f"}}


def fields(**given: Any) -> dict[str, Any]:
    chat = normalize({"model": "dev", "messages": [USER], **given})
    return {key: value for key, value in chat.items() if key not in ("model", "messages")}


def test_whole_numbers_are_ints() -> None:
    found = fields(max_tokens=5.0, n=2.0, seed=7.0)
    assert [type(value) for value in found.values()] == [int] * 3


def test_alternatives_without_logprobs_ask_for_nothing() -> None:
    assert fields(top_logprobs=3) == {}
    assert fields(top_logprobs=3, logprobs=True) == {"top_logprobs": 3, "logprobs": True}


def test_functions_become_tools_unless_there_are_tools() -> None:
    old = {"name": "old"}
    assert fields(functions=[old], function_call={"name": "old"}) == {
        "tools": [{"type": "function", "function": old}],
        "tool_choice": {"type": "function", "function": {"name": "old"}},
    }
    assert fields(functions=[old], tools=[TOOL]) == {"tools": [TOOL]}


@pytest.mark.parametrize(
    ("body", "speaks"),
    [
        ({"functions": [{"name": "f"}]}, True),
        ({"functions": [{"name": "f"}], "tools": [TOOL]}, False),
        ({"functions": None, "tools": [TOOL]}, False),
        ({"functions": [], "tools": [TOOL]}, False),
    ],
)
def test_requests_in_the_legacy_functions_format(body: dict[str, Any], speaks: bool) -> None:
    assert speaks_functions(body) is speaks


@pytest.mark.parametrize("function", ["f", {}, {"name": None}, None])
def test_a_function_without_a_name_is_named(function: Any) -> None:
    with pytest.raises(Failed) as raised:
        fields(functions=[function])
    assert raised.value.failure.param == "functions[0].name"


# --- parts ----------------------------------------------------------------------------------------


def content(role: str, *parts: dict[str, Any]) -> Any:
    return normalize({"model": "dev", "messages": [{"role": role, "content": list(parts)}]})[
        "messages"
    ][0]["content"]


@pytest.mark.parametrize(("role", "kind"), [("user", "input_text"), ("assistant", "output_text")])
def test_text_by_the_other_apis_name_is_text(role: str, kind: str) -> None:
    assert content(role, {"type": kind, "text": "Hi"}) == [{"type": "text", "text": "Hi"}]


@pytest.mark.parametrize("kind", ["thinking", "redacted_thinking", "reasoning"])
def test_reasoning_of_an_earlier_model_does_not_become_text(kind: str) -> None:
    thought = {"type": kind, "text": "hm", "thinking": "hm"}
    assert content("assistant", thought, {"type": "text", "text": "Hi"}) == [
        {"type": "text", "text": "Hi"}
    ]
    assert content("assistant", thought) == ""


# --- calls outside an answer ----------------------------------------------------------------------

CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize("role", ["user", "system", "developer", "tool", "function"])
@pytest.mark.parametrize(
    ("field", "value"), [("tool_calls", [CALL]), ("function_call", CALL["function"])]
)
def test_only_the_assistant_calls_tools(role: str, field: str, value: Any) -> None:
    message = {"role": role, "content": "x", "name": "f", "tool_call_id": "a"}
    with pytest.raises(Failed) as raised:
        normalize({"model": "dev", "messages": [{**message, field: value}]})
    assert raised.value.failure.param == f"messages[0].{field}"
    assert "'assistant'" in raised.value.failure.message
    empty: tuple[Any, ...] = (None, [], {})
    for nothing in empty:
        kept = normalize({"model": "dev", "messages": [{**message, field: nothing}]})["messages"]
        assert [field in each for each in kept] == [False]


def test_the_error_of_a_tool_without_a_call_is_still_an_error() -> None:
    orphan = {"role": "tool", "tool_call_id": "a", "content": "no such file", "is_error": True}
    found = normalize({"model": "dev", "messages": [orphan]})["messages"]
    assert found == [{"role": "user", "content": "Error: no such file"}]


def test_the_choice_of_a_hosted_tool_needs_one() -> None:
    body = {"model": "dev", "messages": [{"role": "user", "content": "x"}], "tools": [TOOL]}
    choice = {"type": "web_search"}
    with pytest.raises(Failed) as raised:
        normalize({**body, "tool_choice": choice})
    assert raised.value.failure.param == "tool_choice"
    hosted = {**body, "tools": [TOOL, choice], "tool_choice": choice}
    assert normalize(hosted)["tool_choice"] == choice
