"""The native lane: what is sent is the client's own body, but for the listed changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.responses.inbound.items import SUMMARY
from gateway.dialects.responses.inbound.reasoning import seal_summary, sealed
from gateway.dialects.responses.inbound.requests import FIELDS
from gateway.dialects.responses.native import (
    CHANGES,
    encode_native,
    with_tools_hoisted,
    without_reasoning,
)
from gateway.failures import Failed
from gateway.hub.contracts import Encoded
from gateway.types import Model
from tests.dialects.responses.inbound.makers import HELLO, function, request
from tests.makers import model

LUNA = model("openai", "gpt-6-luna")
CLASSIC = model("openai", "gpt-4o")
ORIGIN = encode_native(request(), LUNA).origin
KEPT = {
    "model": "gpt-6-luna",
    "input": [HELLO],
    "store": False,
    "include": ["reasoning.encrypted_content"],
}


def sent(target: Model, *items: Any, **fields: Any) -> Encoded:
    decoded = request(*items, **fields)
    before = copy.deepcopy(decoded.body)
    encoded = encode_native(decoded, target)
    assert decoded.body == before, "the client's body was changed"
    return encoded


ROWS: list[tuple[str, Model, dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    ("nothing stated", LUNA, {}, KEPT, ()),
    (
        "what this API alone has",
        LUNA,
        {"brand_new": 1, "truncation": "auto", "max_tool_calls": 2},
        KEPT | {"brand_new": 1, "truncation": "auto", "max_tool_calls": 2},
        (),
    ),
    ("what is the gateway's own", LUNA, {"client_metadata": {"a": "b"}, "store": True}, KEPT, ()),
    (
        "a stream",
        LUNA,
        {"stream": True, "stream_options": {"new": 1}},
        KEPT | {"stream": True, "stream_options": {"new": 1, "include_obfuscation": False}},
        (),
    ),
    (
        "other includes",
        LUNA,
        {"include": ["web_search_call.results"]},
        KEPT | {"include": ["web_search_call.results", "reasoning.encrypted_content"]},
        (),
    ),
    (
        "an effort of none",
        LUNA,
        {"reasoning": {"effort": "none"}},
        {key: KEPT[key] for key in ("model", "input", "store")} | {"reasoning": {"effort": "none"}},
        (),
    ),
    (
        "an effort that the family has not",
        LUNA,
        {"reasoning": {"effort": "minimal", "summary": "auto"}},
        KEPT | {"reasoning": {"effort": "low", "summary": "auto"}},
        (),
    ),
    (
        "an effort of the provider's own",
        LUNA,
        {"reasoning": {"effort": "colossal"}},
        KEPT | {"reasoning": {"effort": "colossal"}},
        (),
    ),
    (
        "the configured level",
        model("openai", "gpt-6-luna", thinking_level="high"),
        {"reasoning": {"summary": "auto"}},
        KEPT | {"reasoning": {"effort": "high", "summary": "auto"}},
        (),
    ),
    (
        "a level over the configured one",
        model("openai", "gpt-6-luna", thinking_level="high"),
        {"reasoning": {"effort": "low"}},
        KEPT | {"reasoning": {"effort": "low"}},
        (),
    ),
    (
        "a limit that is too small",
        LUNA,
        {"max_output_tokens": 3},
        KEPT | {"max_output_tokens": 16},
        ("max_output_tokens",),
    ),
    ("sampling while it reasons", LUNA, {"temperature": 0.3, "top_p": 1}, KEPT, ("temperature",)),
    (
        "a model that does not reason",
        CLASSIC,
        {
            "reasoning": {"effort": "high"},
            "temperature": 0.3,
            "text": {"verbosity": "low", "format": {"type": "text"}},
            "include": ["reasoning.encrypted_content"],
        },
        {
            "model": "gpt-4o",
            "input": [HELLO],
            "store": False,
            "temperature": 0.3,
            "text": {"format": {"type": "text"}},
        },
        ("reasoning", "text.verbosity"),
    ),
    (
        "a family without the flag",
        model("openai", "o3"),
        {"parallel_tool_calls": False, "tools": [function("look")]},
        KEPT | {"model": "o3", "tools": [function("look")]},
        ("parallel_tool_calls",),
    ),
    ("fields of other servers", LUNA, {"top_k": 5}, KEPT, ("top_k",)),
    (
        "the user's options",
        model(
            "openai",
            "gpt-6-luna",
            options={"service_tier": "flex", "reasoning": {"summary": "auto"}},
        ),
        {"reasoning": {"effort": "low"}},
        KEPT | {"service_tier": "flex", "reasoning": {"effort": "low", "summary": "auto"}},
        (),
    ),
]


@pytest.mark.parametrize(
    ("target", "fields", "wanted", "dropped"),
    [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)
def test_each_change(
    target: Model, fields: dict[str, Any], wanted: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    encoded = sent(target, HELLO, **fields)
    assert (encoded.path, encoded.body, encoded.dropped) == ("/responses", wanted, dropped)


THOUGHT: dict[str, Any] = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "encrypted_content": "gAAAA",
    "status": None,
}
OWN = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gBBBB"}


def through_the_hub(origin: str) -> dict[str, Any]:
    """A reasoning item of an answer that this API's upstream face read."""
    extra = {"openai": {"origin": origin, "reasoning": [OWN]}}
    return {
        "type": "reasoning",
        "id": "rs_3",
        "summary": [],
        "encrypted_content": sealed([], {"c1": extra}),
    }


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        (THOUGHT, [THOUGHT]),
        (through_the_hub(ORIGIN), [OWN]),
        (through_the_hub("another"), []),
        (
            {
                "type": "reasoning",
                "summary": [],
                "encrypted_content": sealed([{"id": "anthropic:0"}], {}),
            },
            [],
        ),
        ({"type": "reasoning", "summary": [], "encrypted_content": "lag1.broken"}, []),
        (
            {
                "type": "reasoning",
                "id": "rs_4",
                "summary": [{"type": "summary_text", "text": "Why"}],
            },
            [],
        ),
        (
            {"type": "compaction", "encrypted_content": seal_summary("All done")},
            [{"type": "message", "role": "developer", "content": SUMMARY + "All done"}],
        ),
        ({"type": "compaction", "encrypted_content": "lag1.broken"}, []),
        (
            {"type": "compaction", "encrypted_content": "gAAAA"},
            [{"type": "compaction", "encrypted_content": "gAAAA"}],
        ),
        ({"type": "of_next_month", "x": [1]}, [{"type": "of_next_month", "x": [1]}]),
        ({"type": "additional_tools", "role": "developer", "tools": [function("look")]}, None),
        ({"type": "message", "role": "assistant", "phase": "commentary", "content": "Hm"}, None),
    ],
    ids=str,
)
def test_what_the_gateway_sealed_is_opened_and_the_rest_stays(
    item: Any, wanted: list[Any] | None
) -> None:
    assert sent(LUNA, HELLO, item).body["input"] == [HELLO, *([item] if wanted is None else wanted)]


def test_a_text_as_input_stays_a_text() -> None:
    assert sent(LUNA, input="Hello").body["input"] == "Hello"


def test_reasoning_is_left_out_after_a_refusal() -> None:
    encoded = sent(LUNA, HELLO, THOUGHT)
    assert without_reasoning(encoded).body["input"] == [HELLO]
    assert without_reasoning(sent(LUNA, input="Hello")).body["input"] == "Hello"


def test_added_tools_join_the_others_after_a_refusal() -> None:
    added = {"type": "additional_tools", "role": "developer", "tools": [function("b")]}
    body = with_tools_hoisted(sent(LUNA, added, HELLO, tools=[function("a")])).body
    assert body["input"] == [HELLO]
    assert [tool["name"] for tool in body["tools"]] == ["a", "b"]


def test_every_change_has_its_reason_and_names_fields_of_the_api() -> None:
    assert all(change.reason for change in CHANGES)
    assert {field for change in CHANGES for field in change.fields} <= set(FIELDS)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
BODIES = st.dictionaries(
    st.one_of(st.sampled_from(sorted(FIELDS)), st.text(max_size=6)), VALUES, max_size=8
)
TARGETS = st.sampled_from(
    [LUNA, CLASSIC, model("openai", "o3"), model("openai", "gpt-5"), model("custom", "any")]
)
CHANGED = {field for change in CHANGES for field in change.fields}


@given(BODIES, TARGETS)
def test_only_listed_fields_differ_from_what_the_client_sent(
    fields: dict[str, Any], target: Model
) -> None:
    try:
        encoded = sent(target, HELLO, **{**fields, "model": "dev", "input": [HELLO]})
    except Failed:
        return
    body = {**fields, "model": "dev", "input": [HELLO]}
    different = {
        key for key in body.keys() | encoded.body.keys() if body.get(key) != encoded.body.get(key)
    }
    assert different <= CHANGED | set(target.provider.dropped)
    assert encoded.body["store"] is False
    assert not {"previous_response_id", "client_metadata"} & encoded.body.keys()
