"""Any conversation, from any model, is one that every provider accepts; and it stays the same
from turn to turn."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects import DIALECTS, choose
from gateway.dialects.chat import decode_request
from gateway.failures import Failed
from gateway.types import Model
from tests.dialects.strict import STRICT
from tests.makers import IDS, model

MANY = settings(max_examples=40, deadline=None, derandomize=True)
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAA=="  # noqa: E501
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "properties": {"city": {"type": "string"}},
            },
        },
    }
    for name in ("look_up", "send")
]
SAID = st.sampled_from(["Hello", "Grüße 🙈", " ", "", "a\nb", "4C"])
CONTENT = st.one_of(
    SAID,
    st.lists(
        st.one_of(
            SAID.map(lambda text: {"type": "text", "text": text}),
            st.just({"type": "image_url", "image_url": {"url": PIXEL}}),
        ),
        min_size=1,
        max_size=3,
    ),
)
IDENTIFIERS = st.sampled_from(
    ["call_abc", "toolu_01A", "fc-1|x", "a" * 50, "Zz9Zz9Zz9", "é", "functions.look_up:0"]
)
ARGUMENTS = st.sampled_from(['{"city":"Oslo"}', "{}", "", '{"city":', "[1]"])
EXTRAS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"reasoning_content": "hm"},
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "id": "anthropic:0"}
            ]
        },
        {
            "reasoning_details": [
                {"type": "reasoning.encrypted", "data": "eA==", "format": "openai-responses-v1"}
            ]
        },
    ]
)
SIGNATURES = st.sampled_from([{}, {"extra_content": {"google": {"thought_signature": "c2ln"}}}])


@st.composite
def turns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """One exchange: the user, then an answer or calls, their results in any order, or some of them,
    and the answer."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": draw(CONTENT)}]
    for _ in range(draw(st.integers(0, 2))):
        ids = draw(st.lists(IDENTIFIERS, min_size=1, max_size=3, unique=True))
        calls = [
            {
                "id": id_,
                "type": "function",
                "function": {
                    "name": draw(st.sampled_from(["look_up", "send"])),
                    "arguments": draw(ARGUMENTS),
                },
                **draw(SIGNATURES),
            }
            for id_ in ids
        ]
        messages.append(
            {"role": "assistant", "content": draw(st.one_of(st.none(), SAID)), "tool_calls": calls}
            | draw(EXTRAS)
        )
        answered = (
            draw(st.permutations(ids))[: draw(st.integers(0, len(ids)))]
            if draw(st.integers(0, 3)) == 0
            else ids
        )
        messages += [
            {"role": "tool", "tool_call_id": id_, "content": draw(CONTENT)} for id_ in answered
        ]
    if draw(st.booleans()):
        messages.append({"role": "assistant", "content": draw(SAID)} | draw(EXTRAS))
    return messages


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to five exchanges, with instructions in front and sometimes later, and a question at the
    end."""
    messages = (
        [{"role": draw(st.sampled_from(["system", "developer"])), "content": "Be brief."}]
        if draw(st.booleans())
        else []
    )
    for exchange in draw(st.lists(turns(), min_size=1, max_size=5)):
        messages += exchange
        if draw(st.integers(0, 5)) == 0:
            messages.append({"role": "system", "content": "By the way."})
    return [*messages, {"role": "user", "content": "And now?"}]


def target(name: str) -> Model:
    provider = name.partition("-")[0]
    return model(provider, "gpt-6-luna" if name == "openai-responses" else IDS[provider])


def translated(name: str, messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    chat = decode_request({"model": "dev", "messages": messages, "tools": TOOLS, **fields})
    chosen = target(name)
    dialect = choose(chat, chosen)
    assert (dialect == "responses") == (name == "openai-responses")
    return dict(DIALECTS[dialect].encode_request(chat, chosen).body)


@pytest.mark.parametrize("name", STRICT)
@given(messages=conversations(), effort=st.sampled_from([None, "low", "high"]))
@MANY
def test_every_provider_accepts_any_conversation(
    name: str, messages: list[dict[str, Any]], effort: str | None
) -> None:
    fields = {"reasoning_effort": effort} if effort is not None and name != "openai" else {}
    try:
        body = translated(name, messages, **fields)
    except Failed as failed:
        pytest.fail(f"refused: {failed.failure.message}")
    STRICT[name](orjson.loads(orjson.dumps(body)))


@pytest.mark.parametrize("name", STRICT)
@given(messages=conversations())
@MANY
def test_the_same_conversation_is_always_the_same_request(
    name: str, messages: list[dict[str, Any]]
) -> None:
    """Prompt caches live on it, and ids that are mapped must agree from turn to turn."""
    again = orjson.loads(orjson.dumps(messages))
    assert translated(name, messages) == translated(name, again)


def call_of(id_: str) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": "look_up", "arguments": "{}"}}


SHORT = st.sampled_from(["a", "b", "call_0", "a_2"])
PIECES = st.one_of(
    st.builds(lambda text: {"role": "user", "content": text}, CONTENT),
    st.builds(lambda text: {"role": "assistant", "content": text}, SAID),
    st.builds(lambda text: {"role": "system", "content": text}, SAID),
    st.builds(
        lambda ids, text: {
            "role": "assistant",
            "content": text,
            "tool_calls": [call_of(id_) for id_ in ids],
        },
        st.lists(SHORT, min_size=1, max_size=3),
        st.one_of(st.none(), SAID),
    ),
    st.builds(
        lambda id_, text: {"role": "tool", "tool_call_id": id_, "content": text},
        st.one_of(SHORT, st.none()),
        CONTENT,
    ),
    st.builds(
        lambda id_: {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": id_, "name": "send", "input": {}}],
        },
        SHORT,
    ),
    st.builds(
        lambda id_, text: {
            "role": "user",
            "content": [
                {"type": "text", "text": text},
                {"type": "tool_result", "tool_use_id": id_, "content": text},
            ],
        },
        SHORT,
        SAID,
    ),
    st.builds(
        lambda id_: {"type": "function_call", "call_id": id_, "name": "send", "arguments": "{}"},
        SHORT,
    ),
    st.builds(lambda id_: {"type": "function_call_output", "call_id": id_, "output": "ok"}, SHORT),
)


@pytest.mark.parametrize("name", STRICT)
@given(pieces=st.lists(PIECES, max_size=12))
@MANY
def test_every_provider_accepts_pieces_in_any_order(
    name: str, pieces: list[dict[str, Any]]
) -> None:
    messages = [*pieces, {"role": "user", "content": "And now?"}]
    STRICT[name](orjson.loads(orjson.dumps(translated(name, messages))))
