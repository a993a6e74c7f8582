"""The pass that orders any list of items: nothing is lost, every output follows its call, no turn
crosses one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.dialects.responses.inbound.makers import HELLO, called, output, request

IDS = st.sampled_from(["c1", "c2", "c3", "c4"])
ITEMS = st.lists(
    st.one_of(
        st.builds(called, IDS),
        st.builds(
            lambda id_: {"type": "custom_tool_call", "call_id": id_, "name": "exec", "input": "x"},
            IDS,
        ),
        st.builds(output, IDS, st.sampled_from(["one", "two"])),
        st.builds(
            lambda text: {"role": "assistant", "content": text}, st.sampled_from(["So", "Hm"])
        ),
        st.sampled_from(
            [
                HELLO,
                {"role": "developer", "content": "hook"},
                {"role": "system", "content": "rule"},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Why"}]},
            ]
        ),
    ),
    max_size=14,
)


def check_pairs(messages: list[dict[str, Any]]) -> None:
    """What every provider demands: all results of a turn directly behind it."""
    used: set[str] = set()
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] in waiting, "a result without its call"
            waiting.remove(message["tool_call_id"])
            continue
        assert not waiting, "a call without its result"
        waiting = [call["id"] for call in message.get("tool_calls", ())]
        assert not used & set(waiting), "an id is used twice"
        used |= set(waiting)
    assert not waiting


@given(ITEMS)
def test_every_conversation_is_one_that_providers_take(items: list[dict[str, Any]]) -> None:
    messages = request(HELLO, *items).chat["messages"]
    check_pairs(messages)
    calls = [call for message in messages for call in message.get("tool_calls", ())]
    assert len(calls) == sum(
        item.get("type") in ("function_call", "custom_tool_call") for item in items
    )
    said = [
        item["content"] for item in items if item.get("role") in ("user", "developer", "system")
    ]
    spoken = [
        message for message in messages[1:] if message["role"] in ("user", "developer", "system")
    ]
    assert [
        text for text in (message["content"] for message in spoken) if text not in ("one", "two")
    ] == said
    results = [
        m["content"]
        for m in messages
        if m["content" if "content" in m else "role"] in ("one", "two")
    ]
    outputs = [
        (item["call_id"], item["output"])
        for item in items
        if item.get("type") == "function_call_output"
    ]
    assert {text for _, text in outputs} == set(results), "no output is lost"
    assert len(set(outputs)) <= len(results) <= len(outputs), (
        "an output that only repeats another may be left out"
    )


@given(ITEMS)
def test_an_output_goes_to_a_call_of_its_own_id(items: list[dict[str, Any]]) -> None:
    marked = [
        {**item, "output": item["call_id"]} if item.get("type") == "function_call_output" else item
        for item in items
    ]
    for message in request(HELLO, *marked).chat["messages"]:
        if message["role"] == "tool" and message["content"] in ("c1", "c2", "c3", "c4"):
            assert message["tool_call_id"].partition("_")[0] == message["content"]
