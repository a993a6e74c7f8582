from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.dialects.responses.inbound.notes import ToolName
from gateway.dialects.responses.inbound.tools import flat_name
from gateway.hub.tools import HUB_TOOL_NAME
from tests.dialects.responses.inbound.makers import HELLO, called, function, output, request

SCHEMA = {"type": "object", "properties": {}}
LOOK = function("look")
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Patches",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"},
}
AGENTS = {
    "type": "namespace",
    "name": "agents",
    "description": "Other agents.",
    "tools": [function("close", description="Closes one."), {"type": "custom", "name": "send"}],
}
SEARCH = {
    "type": "tool_search",
    "execution": "client",
    "description": "Finds tools",
    "parameters": SCHEMA,
}


def hub_function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **more}}


DECLARED: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    ("a function", LOOK, [hub_function("look")]),
    ("a function without a type", {"name": "look", "parameters": SCHEMA}, [hub_function("look")]),
    ("a strict function", function("look", strict=True), [hub_function("look", strict=True)]),
    ("a function that is not strict", function("look", strict=None), [hub_function("look")]),
    (
        "a function with hints",
        function("look", defer_loading=True, output_schema={}, description="Looks"),
        [hub_function("look", description="Looks")],
    ),
    (
        "a function without parameters",
        {"type": "function", "name": "look", "parameters": None},
        [{"type": "function", "function": {"name": "look"}}],
    ),
    ("a function as chat completions write it", hub_function("look"), [hub_function("look")]),
    (
        "a custom tool with a grammar",
        PATCH,
        [
            {
                "type": "custom",
                "custom": {
                    "name": "apply_patch",
                    "description": "Patches",
                    "format": {
                        "type": "grammar",
                        "grammar": {"syntax": "lark", "definition": "start: /x/"},
                    },
                },
            }
        ],
    ),
    (
        "a custom tool with text",
        {"type": "custom", "name": "exec", "format": {"type": "text"}},
        [{"type": "custom", "custom": {"name": "exec", "format": {"type": "text"}}}],
    ),
    (
        "a namespace",
        AGENTS,
        [
            hub_function("agents__close", description="Other agents.\n\nCloses one."),
            {"type": "custom", "custom": {"name": "agents__send", "description": "Other agents."}},
        ],
    ),
    (
        "the namespace of bare names",
        {"type": "namespace", "name": "functions", "tools": [LOOK]},
        [hub_function("look")],
    ),
    (
        "a search that the client runs",
        SEARCH,
        [hub_function("tool_search", description="Finds tools")],
    ),
]


@pytest.mark.parametrize(
    ("tool", "wanted"), [row[1:] for row in DECLARED], ids=[row[0] for row in DECLARED]
)
def test_a_tool_in_the_words_of_the_hub(tool: dict[str, Any], wanted: list[dict[str, Any]]) -> None:
    decoded = request(tools=[tool])
    assert decoded.chat["tools"] == wanted
    assert decoded.dropped == ()


@pytest.mark.parametrize(
    "kind",
    [
        "web_search",
        "web_search_preview",
        "file_search",
        "code_interpreter",
        "image_generation",
        "mcp",
        "computer_use_preview",
        "local_shell",
        "shell",
        "apply_patch",
        "programmatic_tool_calling",
        "of_next_month",
    ],
)
def test_a_tool_that_the_provider_runs_is_named_and_the_rest_is_offered(kind: str) -> None:
    decoded = request(tools=[{"type": kind}, LOOK, {"type": kind}])
    assert decoded.chat["tools"] == [hub_function("look")]
    assert decoded.dropped == (f"tools.{kind}",)
    assert "tools" not in request(tools=[{"type": kind}], tool_choice="auto").chat


def test_a_search_that_the_provider_runs_is_not_needed() -> None:
    decoded = request(tools=[{"type": "tool_search"}, function("look", defer_loading=True)])
    assert decoded.chat["tools"] == [hub_function("look")]


def test_tools_that_an_item_adds_are_offered_and_the_later_one_wins() -> None:
    added = {
        "type": "additional_tools",
        "role": "developer",
        "tools": [AGENTS, function("look", description="New")],
    }
    decoded = request(added, HELLO, tools=[LOOK])
    assert [tool.get("function", tool.get("custom"))["name"] for tool in decoded.chat["tools"]] == [
        "look",
        "agents__close",
        "agents__send",
    ]
    assert decoded.chat["tools"][0]["function"]["description"] == "New"
    assert decoded.chat["messages"] == [HELLO]


def test_tools_that_a_search_has_found_are_offered() -> None:
    call = {
        "type": "tool_search_call",
        "call_id": "c1",
        "execution": "client",
        "arguments": {"query": "close"},
    }
    found = {
        "type": "tool_search_output",
        "call_id": "c1",
        "execution": "client",
        "tools": [AGENTS, LOOK],
    }
    decoded = request(HELLO, call, found, tools=[SEARCH])
    assert list(decoded.notes.tools) == ["tool_search", "agents__close", "agents__send", "look"]
    _, made, answered = decoded.chat["messages"]
    assert made["tool_calls"][0]["function"] == {
        "name": "tool_search",
        "arguments": '{"query":"close"}',
    }
    assert answered["content"] == (
        '[{"name":"agents__close","description":"Closes '
        'one."},{"name":"agents__send"},{"name":"look"}]'
    )


def test_flat_names_lead_back_to_the_client_s_tools() -> None:
    notes = request(tools=[AGENTS, PATCH, SEARCH, LOOK]).notes
    assert notes.tools == {
        "agents__close": ToolName("agents", "close", "function"),
        "agents__send": ToolName("agents", "send", "custom"),
        "apply_patch": ToolName(None, "apply_patch", "custom"),
        "tool_search": ToolName(None, "tool_search", "tool_search"),
        "look": ToolName(None, "look", "function"),
    }


@pytest.mark.parametrize(
    ("namespace", "name"),
    [("a b", "ü"), ("n" * 60, "m" * 60), ("mcp__docs__", "find"), ("", "x" * 64)],
)
def test_a_flat_name_fits_and_depends_on_nothing_else(namespace: str, name: str) -> None:
    flat = flat_name(namespace or None, name)
    assert re.fullmatch(HUB_TOOL_NAME, flat)
    assert flat == flat_name(namespace or None, name)


def test_two_tools_never_share_a_flat_name() -> None:
    spaces = [("a__b", "c"), ("a", "b__c")]
    tools = [
        {"type": "namespace", "name": space, "tools": [function(name)]} for space, name in spaces
    ]
    names = request(tools=[*tools, function("a__b__c")]).notes.tools
    assert [(tool.namespace, tool.name) for tool in names.values()] == [*spaces, (None, "a__b__c")]


def test_the_history_has_the_names_of_the_tools() -> None:
    decoded = request(
        HELLO,
        called("c1", "close", namespace="agents"),
        output("c1"),
        called("c2", "gone", namespace="old"),
        output("c2"),
        called("c3", "look", namespace="functions"),
        output("c3"),
        tools=[AGENTS],
    )
    calls = [call for message in decoded.chat["messages"] for call in message.get("tool_calls", ())]
    assert [call["function"]["name"] for call in calls] == ["agents__close", "old__gone", "look"]


TOOLS = [LOOK, PATCH, AGENTS, SEARCH, {"type": "web_search"}]
CLOSE = {"type": "function", "function": {"name": "agents__close"}}
SEND = {"type": "custom", "custom": {"name": "agents__send"}}


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("none", "none"),
        ("auto", "auto"),
        ("required", "required"),
        ({"type": "required"}, "required"),
        ({"type": "function", "name": "look"}, {"type": "function", "function": {"name": "look"}}),
        (
            {"type": "function", "function": {"name": "look"}},
            {"type": "function", "function": {"name": "look"}},
        ),
        (
            {"type": "custom", "name": "apply_patch"},
            {"type": "custom", "custom": {"name": "apply_patch"}},
        ),
        ({"type": "function", "name": "close", "namespace": "agents"}, CLOSE),
        ({"type": "function", "name": "close"}, CLOSE),
        ({"type": "tool_search"}, {"type": "function", "function": {"name": "tool_search"}}),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "namespace", "name": "agents"}],
            },
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [CLOSE, SEND]},
            },
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "close"}, {"type": "web_search"}],
            },
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [CLOSE]}},
        ),
    ],
    ids=str,
)
def test_a_choice_in_the_words_of_the_hub(choice: Any, wanted: Any) -> None:
    assert request(tools=TOOLS, tool_choice=choice).chat["tool_choice"] == wanted


@pytest.mark.parametrize(
    "choice", [{"type": "web_search"}, {"type": "mcp", "server_label": "x"}, {"type": "new"}]
)
def test_the_choice_of_a_tool_that_the_provider_runs_is_named(choice: Any) -> None:
    decoded = request(tools=TOOLS, tool_choice=choice)
    assert decoded.chat["tool_choice"] == "auto"
    assert "tool_choice" in decoded.dropped


def test_parallel_calls_stay_as_the_client_wants_them() -> None:
    assert request(tools=[LOOK], parallel_tool_calls=False).chat["parallel_tool_calls"] is False
