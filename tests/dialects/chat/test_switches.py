"""Switches that no provider's row sets: only a user knows that a server lacks these."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.dialects.chat import encode_request
from gateway.hub.contracts import Unsupported
from gateway.providers import PROVIDERS
from gateway.types import Chat
from tests.makers import chat, model

TOOLS = [
    {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
    }
]

VIDEO = chat(
    {
        "role": "user",
        "content": [{"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}],
    }
)


def image(url: str) -> Chat:
    return chat({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]})


def encode(wanted: Chat, **switches: Any) -> dict[str, Any]:
    quirks = replace(PROVIDERS["custom"].quirks, **switches)
    return encode_request(wanted, model("custom", quirks=quirks)).body


@pytest.mark.parametrize(
    ("wanted", "switches", "param"),
    [
        (image("data:image/png;base64,AAAA"), {"images": False}, "messages.content.image_url"),
        (
            image("https://example.com/a.png"),
            {"remote_images": False},
            "messages.content.image_url",
        ),
        (chat(tools=TOOLS), {"tools": False}, "tools"),
        (chat(tools=TOOLS * 2), {"tools_max": 1}, "tools"),
        (VIDEO, {"video": False}, "messages.content.video_url"),
    ],
)
def test_another_model_must_serve(wanted: Chat, switches: dict[str, Any], param: str) -> None:
    assert encode(wanted)
    with pytest.raises(Unsupported) as raised:
        encode(wanted, **switches)
    assert raised.value.failure.param == param


def test_inline_images_and_requests_without_tools_are_served() -> None:
    assert encode(image("data:image/png;base64,AAAA"), remote_images=False)
    assert encode(chat(), tools=False, images=False)


@pytest.mark.parametrize(("null", "content"), [(True, None), (False, "")])
def test_an_assistant_message_with_nothing_but_calls(null: bool, content: str | None) -> None:
    calls = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    wanted = chat(
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "1"},
    )
    assert encode(wanted, null_content=null)["messages"][1]["content"] == content
