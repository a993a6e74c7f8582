"""Tool names that a provider does not take are fitted on the way out, everywhere the same, and put
back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects import DIALECTS
from tests.goldens import decode_stream
from tests.makers import chat, model

LONG = "x" * 70
TOOLS = [
    {"type": "function", "function": {"name": "files.read"}},
    {"type": "custom", "custom": {"name": LONG}},
]
CALL: dict[str, Any] = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "files.read", "arguments": "{}"},
}
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
]
ANSWERED = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
NAMED = {"type": "function", "function": {"name": "files.read"}}
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}}


def names_in(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in names_in(item)]
    if not isinstance(value, dict):
        return []
    own = [value["name"]] if isinstance(value.get("name"), str) else []
    return own + [name for item in value.values() for name in names_in(item)]


@pytest.mark.parametrize("choice", [NAMED, ALLOWED])
@pytest.mark.parametrize("dialect", ["chat", "responses"])
def test_out(dialect: str, choice: dict[str, Any]) -> None:
    request = chat(*MESSAGES, ANSWERED, tools=TOOLS, tool_choice=choice)
    encoded = DIALECTS[dialect].encode_request(request, model("openai", "gpt-6-luna"))
    sent = [
        names_in(encoded.body[key])
        for key in ("tools", "tool_choice", "messages" if dialect == "chat" else "input")
    ]
    assert sent == [["files_read", LONG[:64]], ["files_read"], ["files_read"]]
    assert encoded.names == {"files_read": "files.read", LONG[:64]: LONG}


def test_back_from_chat_completions() -> None:
    encoded = DIALECTS["chat"].encode_request(chat(tools=TOOLS), model("openai", "gpt-4o"))
    calls = [
        {
            "index": 0,
            "id": "a",
            "type": "function",
            "function": {"name": "files_read", "arguments": "{}"},
        },
        {"index": 1, "id": "b", "type": "custom", "custom": {"name": LONG[:64], "input": "x"}},
    ]
    choice = {"index": 0, "finish_reason": "tool_calls", "message": {"tool_calls": calls}}
    assert names_in(DIALECTS["chat"].decode_response({"choices": [choice]}, encoded)) == [
        "files.read",
        LONG,
    ]
    event = {
        "choices": [{"index": 0, "finish_reason": "tool_calls", "delta": {"tool_calls": calls}}]
    }
    assert names_in(streamed("chat", encoded, event)) == ["files.read", LONG]


def test_back_from_responses() -> None:
    encoded = DIALECTS["responses"].encode_request(chat(tools=TOOLS), model("openai", "gpt-6-luna"))
    output = [
        {"type": "function_call", "call_id": "a", "name": "files_read", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "b", "name": LONG[:64], "input": "x"},
    ]
    body = {"status": "completed", "output": output}
    assert names_in(DIALECTS["responses"].decode_response(body, encoded)) == ["files.read", LONG]
    done = [
        {"type": "response.output_item.done", "output_index": place, "item": item}
        for place, item in enumerate(output)
    ]
    last = {"type": "response.completed", "response": {"status": "completed", "output": []}}
    assert names_in(streamed("responses", encoded, *done, last)) == ["files.read", LONG]


def streamed(dialect: str, encoded: Any, *events: dict[str, Any]) -> list[Any]:
    data = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
    return decode_stream(DIALECTS[dialect], [data], encoded)
