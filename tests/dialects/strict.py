"""What each provider would refuse, written down from the providers' own rules and not from our
translators.

Each function raises `AssertionError` with the rule that is broken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Body = dict[str, Any]


def anthropic(body: Body) -> None:
    assert isinstance(body["max_tokens"], int)
    assert body["max_tokens"] >= 1
    messages = body["messages"]
    assert messages, "messages: at least one message is required"
    assert messages[0]["role"] == "user", "first message must use the user role"
    roles = ["", *(message["role"] for message in messages), ""]
    for before, role, after in zip(roles, roles[1:], roles[2:], strict=False):
        assert role in ("user", "assistant", "system", ""), role
        assert before != role, "roles must alternate"
        if role == "system":
            # "must directly follow a user turn, be last or be followed by assistant", newest
            # generation only
            assert "claude-sonnet-5" in body["model"]
            assert before == "user"
            assert after in ("assistant", "")
    for message in messages:
        _anthropic_content(message)
    _answered_at_once(messages)
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        assert 1024 <= thinking["budget_tokens"] < body["max_tokens"], (
            "max_tokens must exceed the budget"
        )


def _anthropic_content(message: Body) -> None:
    blocks = message["content"]
    if isinstance(blocks, str):
        assert blocks.strip(), "text content blocks must be non-empty"
        return
    assert blocks, "content must not be empty"
    for block in blocks:
        if block["type"] == "text":
            assert block["text"].strip(), "text content blocks must contain non-whitespace text"
        if block["type"] == "thinking":
            assert message["role"] == "assistant"
            assert block["signature"], "thinking needs its signature"
        if block["type"] == "tool_use":
            assert re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"]), block["id"]
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", block["name"]), block["name"]
            assert isinstance(block["input"], dict), "input: should be an object"
    kinds = [block["type"] for block in blocks]
    results = [place for place, kind in enumerate(kinds) if kind == "tool_result"]
    assert results == list(range(len(results))), "tool_result blocks come first"


def _answered_at_once(messages: list[Body]) -> None:
    every = [
        block["id"]
        for message in messages
        for block in _blocks(message)
        if block["type"] == "tool_use"
    ]
    assert len(set(every)) == len(every), "tool_use ids must be unique"
    for place, message in enumerate(messages):
        calls = [block["id"] for block in _blocks(message) if block["type"] == "tool_use"]
        following = _blocks(messages[place + 1]) if place + 1 < len(messages) else []
        results = [block["tool_use_id"] for block in following if block["type"] == "tool_result"]
        assert sorted(results) == sorted(calls), (
            "each tool_use must have its tool_result in the next message"
        )


def _blocks(message: Body) -> list[Body]:
    return message["content"] if isinstance(message["content"], list) else []


def google(body: Body) -> None:
    contents = body["contents"]
    assert contents, "contents is not specified"
    assert contents[0]["role"] == "user"
    for before, content in zip([None, *contents], contents, strict=False):
        assert content["role"] in ("user", "model")
        assert before is None or before["role"] != content["role"], "turns must alternate"
        assert content["parts"], "must include at least one parts field"
        for part in content["parts"]:
            assert (
                len(
                    {"text", "functionCall", "functionResponse", "inlineData", "fileData"}
                    & set(part)
                )
                == 1
            ), part
        if before is not None:
            called = sum("functionCall" in part for part in before["parts"])
            answered = sum("functionResponse" in part for part in content["parts"])
            assert called == answered, (
                "as many function responses as function calls of the turn before"
            )
    assert not any("functionCall" in part for part in contents[-1]["parts"])


def chat(body: Body, *, ids: str = r".{1,40}", developer: bool = True) -> None:
    waiting: list[str] = []
    assert body["messages"], "messages is too short"
    for message in body["messages"]:
        role = message["role"]
        assert role in (
            "system",
            "user",
            "assistant",
            "tool",
            *(("developer",) if developer else ()),
        ), role
        if role == "tool":
            assert message["tool_call_id"] in waiting, "a tool message must follow its tool call"
            waiting.remove(message["tool_call_id"])
            continue
        assert not waiting, "every tool call must be answered"
        calls = message.get("tool_calls") or []
        waiting = [call["id"] for call in calls]
        assert len(set(waiting)) == len(waiting), "duplicate ids"
        for call in calls:
            assert re.fullmatch(ids, call["id"]), call["id"]
            assert isinstance(call["function"]["arguments"], str)
        if role == "assistant":
            assert message.get("content") is not None or calls, "content or tool_calls"
    assert not waiting, "every tool call must be answered"


def any_id(body: Body) -> None:
    """Servers that take ids as they come."""
    chat(body, ids=r"(?s).+")


def mistral(body: Body) -> None:
    chat(body, ids=r"[a-zA-Z0-9]{9}", developer=False)
    for before, message in zip(body["messages"], body["messages"][1:], strict=False):
        assert (before["role"], message["role"]) != ("tool", "system")


def responses(body: Body) -> None:
    assert body["input"], "input must not be empty"
    assert body["store"] is False
    called: set[str] = set()
    answered: set[str] = set()
    for item in body["input"]:
        if item.get("type") == "function_call":
            assert item["call_id"] not in called, "duplicate call_id"
            assert len(item["call_id"]) <= 64
            called.add(item["call_id"])
        if item.get("type") == "function_call_output":
            assert item["call_id"] in called, "no tool call found for function call output"
            answered.add(item["call_id"])
    assert called == answered, "no tool output found for function call"


STRICT: Final[Mapping[str, Callable[[Body], None]]] = {
    "anthropic": anthropic,
    "google": google,
    "openai": chat,
    "groq": any_id,
    "xai": any_id,
    "mistral": mistral,
    "openrouter": any_id,
    "custom": any_id,
    "openai-responses": responses,
}
