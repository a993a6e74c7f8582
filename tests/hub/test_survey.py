"""The survey of a request: what every part of a dialect asks."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.hub.survey import Choice, read_choice, survey
from tests.makers import chat, model
from tests.work import is_linear

FUNCTION = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object"}, "cache_control": {"a": 1}},
}
CUSTOM = {"type": "custom", "custom": {"name": "patch"}}
CALLS = {
    "role": "assistant",
    "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "old", "arguments": "{}"}},
        {"id": "2", "type": "custom", "custom": {"name": "patch", "input": ""}},
        {"id": "3", "type": "function", "function": {"name": "old", "arguments": "{}"}},
    ],
}
RESULTS = [{"role": "tool", "tool_call_id": id_, "content": "."} for id_ in "123"]
USER = {"role": "user", "content": "Hi"}


def test_offers_are_functions_in_the_clients_order() -> None:
    found = survey(chat(tools=[CUSTOM, FUNCTION]), model())
    assert [(offer.place, offer.name, offer.custom) for offer in found.offers] == [
        (0, "patch", True),
        (1, "f", False),
    ]
    assert found.offers[0].function["parameters"]["required"] == ["input"]
    assert found.offers[1].cache_control == {"a": 1}
    assert found.custom_tools == {"patch"}


def test_the_tools_of_the_history_are_named_once_in_order() -> None:
    found = survey(chat(USER, CALLS, *RESULTS, tools=[FUNCTION]), model())
    assert found.called == ["old", "patch"]
    assert found.names == ["f", "old", "patch"]
    assert [answer["tool_calls"][0]["id"] for answer in found.answers] == ["1"]
    assert found.custom_tools == frozenset()


def test_the_level_is_the_requests_and_else_the_models() -> None:
    assert survey(chat(), model()).level is None
    assert survey(chat(), model(thinking_level="low")).level == "low"
    assert survey(chat(reasoning_effort="high"), model(thinking_level="low")).level == "high"


def test_tools_are_called_in_parallel_unless_the_request_says_no() -> None:
    assert survey(chat(tools=[FUNCTION]), model()).parallel
    assert not survey(chat(tools=[FUNCTION], parallel_tool_calls=False), model()).parallel


def _allowing(mode: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}


CHOICES: list[tuple[Any, Choice, bool]] = [
    (None, Choice(), False),
    ("auto", Choice("auto"), False),
    ("none", Choice("none"), False),
    ("required", Choice("required"), True),
    ({"type": "function", "function": {"name": "f"}}, Choice(name="f"), True),
    ({"type": "custom", "custom": {"name": "patch"}}, Choice(name="patch"), True),
    ({"type": "web_search"}, Choice(name=""), True),
    (_allowing("auto", FUNCTION, CUSTOM), Choice("auto", allowed=("f", "patch")), False),
    (
        _allowing("required", {"type": "function", "name": "f"}),
        Choice("required", allowed=("f",)),
        True,
    ),
]


@pytest.mark.parametrize(("said", "choice", "forced"), CHOICES)
def test_a_choice_is_a_mode_a_tool_or_a_list(said: Any, choice: Choice, forced: bool) -> None:
    assert read_choice(said) == choice
    assert choice.is_forced == forced


def test_a_survey_takes_linear_time() -> None:
    def of(size: int) -> Any:
        long = {"messages": [USER, CALLS, *RESULTS] * size, "tools": [CUSTOM, FUNCTION] * size}
        return lambda: survey(long, model())

    assert is_linear(of, 50)
