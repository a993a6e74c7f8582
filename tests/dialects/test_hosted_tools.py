"""Tools that the provider runs: passed, translated, or named as dropped; never a function."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from gateway.dialects import DIALECTS, Encoded, Unsupported, choose
from gateway.types import Model
from tests.makers import chat, model

FUNCTION: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object"}},
}
MODELS: dict[str, Model] = {
    "anthropic": model("anthropic"),
    "google": model("google"),
    "google 2.5": model("google", "gemini-2.5-flash"),
    "openai": model("openai", "gpt-4.1"),
    "openai search": model("openai", "gpt-4o-search-preview"),
    "groq": model("groq"),
    "groq other": model("groq", "qwen/qwen3.8-27b"),
    "xai": model("xai"),
    "mistral": model("mistral"),
    "openrouter": model("openrouter"),
    "custom": model("custom"),
}


def sent(name: str, *tools: dict[str, Any], **more: Any) -> Encoded:
    request = chat(tools=list(tools), **more)
    before = deepcopy(request)
    target = MODELS[name]
    encoded = DIALECTS[choose(request, target)].encode_request(request, target)
    assert request == before, "a dialect changed what it was given"
    return encoded


def hosted(encoded: Encoded) -> list[Any]:
    """What is sent beside the functions."""
    known = ("functionDeclarations", "function", "input_schema", "parameters")
    tools = encoded.body.get("tools", [])
    own = [
        tool for tool in tools if tool.get("type") in (None, "function") and set(known) & set(tool)
    ]
    assert len(own) <= 1
    return [tool for tool in tools if tool not in own]


SEARCH = (
    "web_search",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "web_search_20250305",
)
ANTHROPIC_SEARCH = {"type": "web_search_20250305", "name": "web_search"}
SENT: dict[str, tuple[str, dict[str, Any], list[Any]]] = {
    "Anthropic's own search": (
        "anthropic",
        {**ANTHROPIC_SEARCH, "max_uses": 2},
        [{**ANTHROPIC_SEARCH, "max_uses": 2}],
    ),
    "Anthropic's own tool without a name": ("anthropic", {"type": "bash_20250124"}, [
        {"type": "bash_20250124", "name": "bash"},
    ]),
    "a search with domains at Anthropic": (
        "anthropic",
        {"type": "web_search", "filters": {"allowed_domains": ["a.b"]}},
        [{**ANTHROPIC_SEARCH, "allowed_domains": ["a.b"]}],
    ),
    "a reader of pages at Anthropic": ("anthropic", {"url_context": {}}, [
        {"type": "web_fetch_20250910", "name": "web_fetch"},
    ]),
    "Google's own search": ("google", {"googleSearch": {}}, [{"googleSearch": {}}]),
    ("Google's own search by its "
     "other name"): ("google", {"google_search": {}}, [{"googleSearch": {}}]),
    "a search at Google": ("google", {"type": "web_search"}, [{"googleSearch": {}}]),
    "a code interpreter at Google": ("google", {"type": "code_interpreter"},
    [{"codeExecution": {}}]),
    "a reader of pages at Google": ("google", {"type": "web_fetch_20250910", "name": "x"},
    [{"urlContext": {}}]),
    "OpenAI's own search": ("openai", {"type": "web_search", "search_context_size": "low"}, [
        {"type": "web_search", "search_context_size": "low"},
    ]),
    "Anthropic's search at OpenAI": (
        "openai",
        {**ANTHROPIC_SEARCH, "allowed_domains": ["a.b"], "user_location": {"type": "approximate",
        "country": "NO"}},
        [
            {
                "type": "web_search",
                "filters": {"allowed_domains": ["a.b"]},
                "user_location": {"type": "approximate", "country": "NO"},
            }
        ],
    ),
    "a code interpreter at OpenAI": ("openai", {"type": "code_interpreter"}, [
        {"type": "code_interpreter", "container": {"type": "auto"}},
    ]),
    "Groq's own search": ("groq", {"type": "browser_search"}, [{"type": "browser_search"}]),
    "a search at Groq": ("groq", {"type": "web_search"}, [{"type": "browser_search"}]),
    "OpenRouter's own search": (
        "openrouter",
        {"type": "openrouter:web_search", "parameters": {"max_results": 3}},
        [{"type": "openrouter:web_search", "parameters": {"max_results": 3}}],
    ),
    "a search at OpenRouter": ("openrouter", {"type": "web_search", "search_context_size": "low"}, [
        {"type": "openrouter:web_search", "parameters": {"search_context_size": "low"}},
    ]),
    "any tool at a server that is not known": ("custom", {"type": "web_search", "x": 1}, [
        {"type": "web_search", "x": 1},
    ]),
    "a tool that looks like a function": (
        "custom",
        {"type": "builtin_function", "function": {"name": "$web_search"}},
        [{"type": "builtin_function", "function": {"name": "$web_search"}}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("beside", [True, False], ids=["beside a function", "alone"])
@pytest.mark.parametrize(("name", "tool", "expected"), SENT.values(), ids=SENT)
def test_a_hosted_tool_goes_to_a_provider_that_has_it(
    name: str, tool: dict[str, Any], expected: list[Any], beside: bool
) -> None:
    encoded = sent(name, *([FUNCTION] if beside else []), tool)
    assert hosted(encoded) == expected
    assert len(encoded.body["tools"]) == len(expected) + beside
    assert encoded.dropped == ()


DROPPED: list[tuple[str, dict[str, Any]]] = [
    *(
        (name, {"type": "web_search"})
        for name in ("google 2.5", "groq other", "xai", "mistral", "openai search")
    ),
    *((name, {"type": "file_search"}) for name in ("anthropic", "google", "groq", "openrouter")),
    *(
        (name, {"type": "builtin_function", "function": {"name": "$web_search"}})
        for name in MODELS
        if name != "custom"
    ),
    ("openai", {"type": "computer_use_preview"}),
    ("openrouter", {"type": "code_interpreter"}),
]


@pytest.mark.parametrize(("name", "tool"), DROPPED)
def test_a_hosted_tool_that_a_provider_lacks_is_named(name: str, tool: dict[str, Any]) -> None:
    encoded = sent(name, FUNCTION, tool)
    assert hosted(encoded) == []
    assert "tools.1" in encoded.dropped


@pytest.mark.parametrize(("name", "tool"), DROPPED)
def test_a_demanded_tool_that_a_provider_lacks_is_a_reason_for_the_next_model(
    name: str, tool: dict[str, Any]
) -> None:
    named = {"type": "function", "function": {"name": "$web_search"}}
    choice = named if "function" in tool else {"type": tool["type"]}
    with pytest.raises(Unsupported) as raised:
        sent(name, FUNCTION, tool, tool_choice=choice)
    assert raised.value.failure.param == "tool_choice"


@pytest.mark.parametrize("name", ["groq other", "xai", "mistral"])
def test_a_tool_has_to_be_called_and_none_is_left(name: str) -> None:
    with pytest.raises(Unsupported):
        sent(name, {"type": "web_search"}, tool_choice="required")
    encoded = sent(name, {"type": "web_search"}, tool_choice="auto")
    assert "tools" not in encoded.body
    assert "tool_choice" not in encoded.body
    assert encoded.dropped == ("tools.0",)


SEARCHING = {"type": "web_search"}
CHOICES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "one at Anthropic": (
        "anthropic",
        {"type": "web_search"},
        {"tool_choice": {"type": "tool", "name": "web_search"}},
    ),
    "any at Anthropic": ("anthropic", "required", {"tool_choice": {"type": "any"}}),  # type: ignore[dict-item]
    "one at OpenAI": ("openai", {"type": "web_search"}, {"tool_choice": {"type": "web_search"}}),
    "one at OpenAI by another word": (
        "openai",
        {"type": "web_search_preview"},
        {"tool_choice": {"type": "web_search"}},
    ),
    "one at Groq": ("groq", {"type": "web_search"}, {"tool_choice": {"type": "browser_search"}}),
    "one at a server that is not known": (
        "custom",
        {"type": "web_search"},
        {"tool_choice": {"type": "web_search"}},
    ),
}


@pytest.mark.parametrize(("name", "choice", "expected"), CHOICES.values(), ids=CHOICES)
def test_a_choice_of_a_hosted_tool(name: str, choice: Any, expected: dict[str, Any]) -> None:
    encoded = sent(name, SEARCHING, tool_choice=choice)
    assert {"tool_choice": encoded.body.get("tool_choice")} == {
        "tool_choice": expected.get("tool_choice")
    }


def test_google_cannot_be_forced_to_search() -> None:
    assert sent("google", SEARCHING, tool_choice={"type": "web_search"}).dropped == ("tool_choice",)


@pytest.mark.parametrize("name", MODELS)
def test_a_choice_of_a_function_stays_beside_hosted_tools(name: str) -> None:
    choice = {"type": "function", "function": {"name": "f"}}
    assert "f" in str(
        sent(name, FUNCTION, SEARCHING, tool_choice=choice).body.get("tool_choice") or "f"
    )
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}
    encoded = sent(
        name, FUNCTION, SEARCHING, tool_choice={"type": "allowed_tools", "allowed_tools": allowed}
    )
    assert hosted(encoded) == []


def test_an_option_that_the_provider_lacks_is_named() -> None:
    encoded = sent("google", {**ANTHROPIC_SEARCH, "max_uses": 2, "blocked_domains": []})
    assert encoded.dropped == ("tools.0.max_uses",)


def test_google_is_asked_for_both_kinds() -> None:
    assert sent("google", FUNCTION, SEARCHING).body["toolConfig"] == {
        "includeServerSideToolInvocations": True
    }
    assert "toolConfig" not in sent("google", SEARCHING).body


@pytest.mark.parametrize(
    ("kind", "beta"),
    [
        ("computer_20250124", "computer-use-2025-01-24"),
        ("code_execution_20250825", "code-execution-2025-08-25"),
    ],
)
def test_a_tool_in_beta_names_its_beta(kind: str, beta: str) -> None:
    assert sent("anthropic", {"type": kind, "name": "x"}).headers == {"anthropic-beta": beta}


def test_a_function_of_the_same_name_stays() -> None:
    mine = {
        "type": "function",
        "function": {"name": "web_search", "parameters": {"type": "object"}},
    }
    encoded = sent("anthropic", mine, SEARCHING)
    assert [tool["name"] for tool in encoded.body["tools"]] == ["web_search"]
    assert encoded.dropped == ("tools.name",)


def test_a_tool_like_a_function_keeps_its_name_in_the_history() -> None:
    tool = {"type": "builtin_function", "function": {"name": "$web_search"}}
    call = {
        "id": "a",
        "type": "builtin_function",
        "function": {"name": "$web_search", "arguments": "{}"},
    }
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "{}"},
    ]
    request = chat(*messages, tools=[tool])
    body = DIALECTS["chat"].encode_request(request, MODELS["custom"]).body
    assert body["messages"][1]["tool_calls"][0]["function"]["name"] == "$web_search"


def test_calls_of_the_history_are_declared_beside_hosted_tools() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "old", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "{}"},
    ]
    request = chat(*messages, tools=[SEARCHING])
    body = DIALECTS["anthropic"].encode_request(request, MODELS["anthropic"]).body
    assert [tool["name"] for tool in body["tools"]] == ["old", "web_search"]
    assert "tool_choice" not in body


def test_a_model_that_cannot_be_forced_is_left_to_choose() -> None:
    request = chat(tools=[SEARCHING], tool_choice={"type": "web_search"})
    target = model("anthropic", "claude-opus-5-5")
    encoded = DIALECTS["anthropic"].encode_request(request, target)
    assert encoded.body["tool_choice"] == {"type": "auto"}
    assert "tool_choice" in encoded.dropped


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("custom", "openrouter")])
def test_a_search_in_the_words_of_one_provider_is_named_elsewhere(name: str) -> None:
    request = chat(search_parameters={"mode": "on"}, search_settings={"country": "NO"})
    target = MODELS[name]
    encoded = DIALECTS[choose(request, target)].encode_request(request, target)
    assert "search_parameters" in encoded.dropped
    assert ("search_settings" in encoded.body) == name.startswith("groq")
    assert ("search_settings" in encoded.dropped) != name.startswith("groq")
