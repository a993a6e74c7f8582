"""Reasoning travels with the tool calls it led to, encrypted, and goes back in its order, to whom
it came from."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects import DIALECTS
from gateway.failures import Failed, Kind
from gateway.shared.replay import Replay
from gateway.types import Model
from tests.makers import chat, model

FACE = DIALECTS["responses"]
LUNA = model("openai", "gpt-6-luna")
USER = {"role": "user", "content": "Look, then patch"}
THOUGHTS = [
    {
        "id": f"rs_{number}",
        "type": "reasoning",
        "summary": [],
        "encrypted_content": f"secret {number}",
    }
    for number in range(2)
]
TEXT = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "So.", "annotations": []}],
}
LOOK = {"type": "function_call", "call_id": "call_look", "name": "look", "arguments": "{}"}
PATCH = {"type": "custom_tool_call", "call_id": "call_patch", "name": "patch", "input": "*** Begin"}
OUTPUT = [THOUGHTS[0], TEXT, LOOK, THOUGHTS[1], PATCH]


def second_turn(first: Model, second: Model) -> list[dict[str, Any]]:
    """What `second` is sent after `first` has answered with OUTPUT, and the client kept only what
    it knows."""
    encoded = FACE.encode_request(chat(USER), first)
    answer = FACE.decode_response({"status": "completed", "output": OUTPUT}, encoded)
    message = answer["choices"][0]["message"]
    replay = Replay()
    for call in message["tool_calls"]:
        replay.put("me", message, call)
    kept = [
        {key: value for key, value in call.items() if key != "extra_content"}
        for call in message["tool_calls"]
    ]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in kept]
    request = chat(USER, {**message, "tool_calls": kept}, *results)
    return list(FACE.encode_request(replay.restore("me", request), second).body["input"])


def test_reasoning_is_directly_before_what_it_led_to() -> None:
    _, *items = second_turn(LUNA, LUNA)
    assert items[:5] == OUTPUT
    assert [item["type"] for item in items[5:]] == [
        "function_call_output",
        "custom_tool_call_output",
    ]


@pytest.mark.parametrize(
    "other",
    [model("openai", "gpt-6-sol"), model("openai", "gpt-6-luna", credential="openai_key:team")],
    ids=["model", "account"],
)
def test_reasoning_is_sent_only_to_those_that_can_read_it(other: Model) -> None:
    _, *items = second_turn(LUNA, other)
    assert items[:3] == [TEXT, LOOK, PATCH]


@pytest.mark.parametrize(
    "extra", ["x", {"openai": "x"}, {"openai": {"reasoning": "x"}}, {"openai": {"origin": 1}}]
)
def test_what_a_client_makes_up_is_not_sent(extra: Any) -> None:
    call = {
        "id": "call_a",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": extra,
    }
    body = FACE.encode_request(chat(USER, {"role": "assistant", "tool_calls": [call]}), LUNA).body
    assert [item["type"] for item in body["input"][1:]] == ["function_call", "function_call_output"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", Kind.UNAVAILABLE),
        ("rate_limit_exceeded", Kind.RATE_LIMIT),
        ("invalid_prompt", Kind.INVALID_REQUEST),
        ("invalid_image_format", Kind.INVALID_REQUEST),
        ("image_content_policy_violation", Kind.POLICY),
        ("failed_to_download_image", Kind.UNSUPPORTED),
        ("something_new", Kind.UNAVAILABLE),
    ],
)
def test_a_failed_response_fails_for_its_reason(code: str, kind: Kind) -> None:
    body = {"status": "failed", "error": {"code": code, "message": "No."}, "output": []}
    with pytest.raises(Failed) as raised:
        FACE.decode_response(body, FACE.encode_request(chat(USER), LUNA))
    assert (raised.value.failure.kind, raised.value.failure.message) == (kind, "No.")
