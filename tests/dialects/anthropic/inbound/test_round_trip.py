"""Any conversation of Messages: every provider accepts it, and Anthropic gets back what the client
said."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects import DIALECTS, anthropic, choose
from gateway.dialects.anthropic.inbound import decode_request
from gateway.dialects.anthropic.messages import reminder
from gateway.dialects.anthropic.native import encode_native
from gateway.failures import Failed
from gateway.hub.contracts import Request
from gateway.hub.sealed import seal
from tests.dialects.strict import STRICT
from tests.makers import IDS, model

MANY = settings(max_examples=40, deadline=None, derandomize=True)
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAA=="
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
TOOLS = [
    {"name": name, "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    for name in ("look_up", "send")
]
WORDS = st.sampled_from(["Hello", "Grüße 🙈", "a\nb", "4C"])
TEXT = WORDS.map(lambda words: {"type": "text", "text": words})
SIGNATURES = st.sampled_from(
    [
        "",
        "EqQBCgIYAhIM",
        seal(
            {
                "details": [
                    {"type": "reasoning.encrypted", "data": "eA==", "format": "openai-responses-v1"}
                ]
            }
        ),
        seal({"calls": {"toolu_0_0": {"google": {"thought_signature": "c2ln"}}}}),
        seal("forged"),
    ]
)
INPUTS = st.sampled_from([{}, {"city": "Oslo"}, {"city": {"deep": [1, None, "x"]}}])


@st.composite
def exchanges(draw: st.DrawFn, number: int = 0) -> list[dict[str, Any]]:
    """The user asks, the model calls tools some times, the results come in any order, and it
    answers."""
    said = draw(st.lists(st.one_of(TEXT, st.just(IMAGE)), min_size=1, max_size=3))
    turns: list[dict[str, Any]] = [{"role": "user", "content": said}]
    for round_ in range(draw(st.integers(0, 2))):
        ids = [f"toolu_{number}_{round_}{place or ''}" for place in range(draw(st.integers(1, 3)))]
        thoughts = [{"type": "thinking", "thinking": "hm", "signature": draw(SIGNATURES)}] * draw(
            st.integers(0, 1)
        )
        calls = [
            {
                "type": "tool_use",
                "id": id_,
                "name": draw(st.sampled_from(["look_up", "send"])),
                "input": draw(INPUTS),
            }
            for id_ in ids
        ]
        turns.append(
            {"role": "assistant", "content": [*thoughts, *draw(st.lists(TEXT, max_size=1)), *calls]}
        )
        results = [
            {"type": "tool_result", "tool_use_id": id_, "content": draw(WORDS)} for id_ in ids
        ]
        turns.append(
            {
                "role": "user",
                "content": [*draw(st.permutations(results)), *draw(st.lists(TEXT, max_size=1))],
            }
        )
        if draw(st.booleans()):
            turns.append({"role": "system", "content": draw(WORDS)})
    return [*turns, {"role": "assistant", "content": [draw(TEXT)]}]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    turns = [turn for number in range(draw(st.integers(1, 3))) for turn in draw(exchanges(number))]
    body = {
        "model": "coder",
        "max_tokens": 4000,
        "system": draw(
            st.sampled_from(
                ["Be brief.", [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]]
            )
        ),
        "messages": [*turns, {"role": "user", "content": "And now?"}],
        "tools": TOOLS,
        "thinking": {"type": "adaptive"},
    }
    return decode_request(body, {})


@pytest.mark.parametrize("name", STRICT)
@given(request=requests())
@MANY
def test_every_provider_accepts_any_conversation(name: str, request: Request) -> None:
    provider = name.partition("-")[0]
    target = model(provider, "gpt-6-luna" if name == "openai-responses" else IDS[provider])
    try:
        body = DIALECTS[choose(request.chat, target)].encode_request(request.chat, target).body
    except Failed as failed:
        pytest.fail(f"refused: {failed.failure.message}")
    STRICT[name](orjson.loads(orjson.dumps(body)))


@pytest.mark.parametrize("model_id", ["claude-sonnet-5", "claude-sonnet-4-6", "claude-haiku-4-5"])
@given(request=requests())
@MANY
def test_anthropic_accepts_any_conversation_on_the_native_lane(
    model_id: str, request: Request
) -> None:
    body = encode_native(request, model("anthropic", model_id)).body
    STRICT["anthropic"](orjson.loads(orjson.dumps(body)))


@given(request=requests())
@MANY
def test_the_hub_keeps_what_was_said(request: Request) -> None:
    found = anthropic.encode_request(request.chat, model("anthropic")).body
    assert conversation(found["messages"]) == conversation(request.body["messages"])
    assert found["tools"] == TOOLS


def conversation(turns: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """What is said, by whom: instructions in mid-conversation are the user's, results come in the
    calls' order."""
    said: list[tuple[str, Any]] = []
    for turn in turns:
        content = turn["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        role = "assistant" if turn["role"] == "assistant" else "user"
        if turn["role"] == "system":
            blocks = [{**block, "text": reminder(block["text"])} for block in blocks]
        results = sorted(
            (block for block in blocks if block["type"] == "tool_result"),
            key=lambda x: x["tool_use_id"],
        )
        others = [block for block in blocks if block["type"] not in ("tool_result", "thinking")]
        said += [(role, block) for block in [*results, *others]]
    return said
