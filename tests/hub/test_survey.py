"""The survey of a request: what every part of a dialect asks."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.hub.hosted_tools import Row
from gateway.hub.survey import Survey, survey_request
from gateway.hub.tools import HUB_TOOL_NAME, Choice, Naming, read_choice
from gateway.types import Chat, Model
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


def read(request: Chat, target: Model) -> Survey:
    return survey_request(
        request, target, naming=Naming(HUB_TOOL_NAME, 64), row=Row({}, taken=("search",))
    )


def test_offers_are_functions_in_the_clients_order() -> None:
    found = read(chat(tools=[CUSTOM, FUNCTION]), model())
    assert [(offer.place, offer.name, offer.custom is not None) for offer in found.offers] == [
        (0, "patch", True),
        (1, "f", False),
    ]
    assert found.offers[0].function["parameters"]["required"] == ["input"]
    assert found.offers[1].cache_control == {"a": 1}
    assert found.custom_tools == {"patch"}


def test_the_tools_of_the_history_are_named_once_in_order() -> None:
    found = read(chat(USER, CALLS, *RESULTS, tools=[FUNCTION]), model())
    assert found.called == ["old", "patch"]
    assert [*found.names] == ["f", "old", "patch"]
    assert [answer["tool_calls"][0]["id"] for answer in found.answers] == ["1"]
    assert found.custom_tools == frozenset()


def test_a_hosted_tool_is_not_offered_and_still_has_a_place() -> None:
    found = read(
        chat(tools=[{"type": "search"}, FUNCTION], tool_choice={"type": "search"}), model()
    )
    assert [(offer.place, offer.name) for offer in found.offers] == [(1, "f")]
    assert found.split.hosted == ({"type": "search"},)
    assert not found.choice.is_forced
    assert found.stated_choice.is_forced


def test_names_are_as_they_are_sent() -> None:
    spaced = {"type": "function", "function": {"name": "a b"}}
    call = {"id": "1", "type": "function", "function": {"name": "a b", "arguments": "{}"}}
    history = ({"role": "assistant", "tool_calls": [call]}, RESULTS[0])
    found = read(chat(USER, *history, tools=[spaced], tool_choice=spaced), model())
    assert (found.offers[0].name, found.choice.name, found.called) == ("a_b", "a_b", ["a_b"])
    assert found.names == {"a b": "a_b"}
    assert found.client_names == {"a_b": "a b"}
    assert found.calls["1"]["function"]["name"] == "a b"


def test_the_level_is_the_requests_and_else_the_models() -> None:
    assert read(chat(), model()).level is None
    assert read(chat(), model(thinking_level="low")).level == "low"
    assert read(chat(reasoning_effort="high"), model(thinking_level="low")).level == "high"


def test_tools_are_called_in_parallel_unless_the_request_says_no() -> None:
    assert read(chat(tools=[FUNCTION]), model()).parallel
    assert not read(chat(tools=[FUNCTION], parallel_tool_calls=False), model()).parallel


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
        return lambda: read(long, model())

    assert is_linear(of, 50)
