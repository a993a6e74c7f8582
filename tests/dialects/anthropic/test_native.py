"""The native lane: what is sent differs from the client's body only where the table of changes says
so."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.anthropic.inbound import decode_request
from gateway.dialects.anthropic.messages import GO_ON
from gateway.dialects.anthropic.native import encode_native
from gateway.dialects.anthropic.native_messages import replays_thinking, without_thinking
from gateway.hub.contracts import Encoded
from gateway.hub.sealed import seal
from tests.makers import model

MANY = settings(max_examples=100, deadline=None, derandomize=True)
EPHEMERAL = {"type": "ephemeral"}
SIGNED = {"type": "thinking", "thinking": "", "signature": "EqQBCgIYAhIM+/=="}
USER = {"role": "user", "content": "Hi"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
FABLE, OPUS_5, SONNET_5, SONNET_4_6, HAIKU_4_5, CLAUDE_3 = (
    "claude-fable-5-2",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-sonnet-4-6",
    "claude-haiku-4-5",
    "claude-3-5-haiku-latest",
)


LEAST: dict[str, Any] = {"model": "coder", "max_tokens": 1000, "messages": [USER]}


def sent(
    body: dict[str, Any], model_id: str = SONNET_5, headers: Any = None, **options: Any
) -> Encoded:
    body = body | {key: value for key, value in LEAST.items() if key not in body}
    before = copy.deepcopy(body)
    encoded = encode_native(
        decode_request(body, headers or {}), model("anthropic", model_id, **options)
    )
    assert body == before, "the client's body is changed"
    return encoded


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


WHOLE = {
    "model": "coder",
    "stream": True,
    "max_tokens": 32000,
    "system": [text("x-anthropic-billing-header: a"), text("Be terse.", cache_control=EPHEMERAL)],
    "messages": [
        {
            "role": "user",
            "content": [text("Hi", cache_control=EPHEMERAL), {"type": "hologram", "x": 1}],
        },
        assistant(
            SIGNED,
            text("a", citations=[{"type": "char_location", "cited_text": "b"}]),
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"z": 2**80, "a": None}},
        ),
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True}],
        },
        {"role": "system", "content": "Now."},
    ],
    "tools": [
        {**TOOL, "defer_loading": True},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive", "display": "updates"},
    "output_config": {"effort": "high", "task_budget": {"tokens": 5}},
    "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
    "metadata": {"user_id": "{}"},
    "brand_new": {"b": [1, {"c": None}]},
}


def test_a_request_passes_as_it_is() -> None:
    encoded = sent(WHOLE)
    assert list(encoded.body) == list(WHOLE)
    assert encoded.body == {**WHOLE, "model": SONNET_5}
    assert encoded.dropped == ()
    assert encoded.path == "/v1/messages"


BETAS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "verbatim": ({"anthropic-beta": "b,a, c"}, {"anthropic-beta": "b,a, c"}),
    "without the signature's own": (
        {"anthropic-beta": "a,oauth-2025-04-20,b"},
        {"anthropic-beta": "a,b"},
    ),
    "only the signature's own": ({"anthropic-beta": "oauth-2025-04-20"}, {}),
    "none": ({}, {}),
    "a version": ({"anthropic-version": "2026-10-21"}, {"anthropic-version": "2026-10-21"}),
}


@pytest.mark.parametrize(("headers", "wanted"), BETAS.values(), ids=BETAS.keys())
def test_betas_and_version(headers: dict[str, str], wanted: dict[str, str]) -> None:
    assert sent({}, headers=headers).headers == wanted


# (model, what the client sends, what is sent instead, what is lost); None says that a field is not
# sent
TOP: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    "a limit beyond the model's": (HAIKU_4_5, {"max_tokens": 128000}, {"max_tokens": 64000},
    ("max_tokens",)),
    "a limit of zero fills the cache": (SONNET_5, {"max_tokens": 0}, {"max_tokens": 0}, ()),
    "sampling that is refused": (
        SONNET_5,
        {"temperature": 0.2, "top_p": 0.9, "top_k": 4},
        {"temperature": None, "top_p": None, "top_k": None},
        ("temperature", "top_p", "top_k"),
    ),
    "sampling that says nothing": (SONNET_5, {"temperature": 1}, {"temperature": None}, ()),
    "one of two": (HAIKU_4_5, {"temperature": 0.2, "top_p": 0.9}, {"temperature": 0.2,
    "top_p": None}, ("top_p",)),
    "one of two, of which one says nothing": (
        HAIKU_4_5,
        {"temperature": 1, "top_p": 0.9},
        {"temperature": None, "top_p": 0.9},
        (),
    ),
    "sampling beside a budget": (
        HAIKU_4_5,
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000,
        "temperature": 0.2, "top_k": 2},
        {"temperature": None, "top_k": None},
        ("temperature", "top_k"),
    ),
    "what may stay beside a budget": (
        HAIKU_4_5,
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000,
        "temperature": 1, "top_p": 0.97},
        {},
        (),
    ),
    ("a temperature of another "
     "scale"): (HAIKU_4_5, {"temperature": 1.5}, {"temperature": 1}, ("temperature",)),
    "a budget where there is adaptive thinking": (
        SONNET_5,
        {"thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}},
        {"thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "low"}},
        (),
    ),
    "a budget that is deprecated": (
        SONNET_4_6,
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000},
        {},
        (),
    ),
    "a budget and an effort": (
        SONNET_5,
        {"thinking": {"type": "enabled", "budget_tokens": 2000},
        "output_config": {"effort": "max"}},
        {"thinking": {"type": "adaptive"}},
        (),
    ),
    "adaptive thinking where there are budgets": (
        HAIKU_4_5,
        {
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "low"},
            "max_tokens": 9000,
        },
        {
            "thinking": {"type": "enabled", "budget_tokens": 2048, "display": "summarized"},
            "output_config": None,
        },
        ("output_config.effort",),
    ),
    "adaptive thinking where there is none": (
        CLAUDE_3,
        {"thinking": {"type": "adaptive"}},
        {"thinking": None},
        ("thinking",),
    ),
    "thinking between tools": (
        SONNET_5,
        {"thinking": {"type": "between_tools"}},
        {"thinking": {"type": "adaptive"}},
        (),
    ),
    ("thinking between tools where "
     "it is known"): ("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}}, {}, ()),
    "thinking that cannot be switched off": (
        FABLE,
        {"thinking": {"type": "disabled"}},
        {"thinking": None, "output_config": {"effort": "low"}},
        ("thinking",),
    ),
    "thinking that can": (SONNET_5, {"thinking": {"type": "disabled"}}, {}, ()),
    "an effort that is refused beside no thinking": (
        OPUS_5,
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
        {"output_config": {"effort": "high"}},
        ("output_config.effort",),
    ),
    "an effort that the model lacks": (
        SONNET_4_6,
        {"output_config": {"effort": "xhigh", "task_budget": {}}},
        {"output_config": {"effort": "high", "task_budget": {}}},
        ("output_config.effort",),
    ),
    "an effort that no model knows": (SONNET_5, {"output_config": {"effort": "ultra"}}, {}, ()),
    "an effort of Opus 4.5": ("claude-opus-4-5", {"output_config": {"effort": "low"}}, {}, ()),
    "a forced tool": (
        FABLE,
        {
            "tools": [TOOL],
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            "system": "Be terse.",
        },
        {
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            "system": "Be terse.\n\nYou must answer by calling the tool `f`.",
        },
        ("tool_choice",),
    ),
    "any tool": (
        FABLE,
        {"tools": [TOOL], "tool_choice": {"type": "any"}},
        {"tool_choice": {"type": "auto"}, "system": [text("You must answer by "
                                                           "calling one of the tools.")]},
        ("tool_choice",),
    ),
    ("a forced tool where it "
     "is taken"): (SONNET_5, {"tools": [TOOL], "tool_choice": {"type": "any"}}, {}, ()),
}  # fmt: skip


@pytest.mark.parametrize(("model_id", "fields", "wanted", "lost"), TOP.values(), ids=TOP.keys())
def test_what_a_generation_refuses(
    model_id: str, fields: dict[str, Any], wanted: dict[str, Any], lost: tuple[str, ...]
) -> None:
    encoded = sent(fields, model_id)
    expected = {**LEAST, "model": model_id, **fields, **wanted}
    assert encoded.body == {key: value for key, value in expected.items() if value is not None}
    assert encoded.dropped == lost


LEVELS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "adaptive": (
        SONNET_5,
        "low",
        {},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
    ),
    "a budget": (
        HAIKU_4_5,
        "low",
        {"max_tokens": 9000},
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
    ),
    "off": (SONNET_5, "off", {}, {"thinking": {"type": "disabled"}}),
    "beside a format": (
        SONNET_5,
        "high",
        {"output_config": {"format": {"type": "json_schema", "schema": {}}}},
        {
            "thinking": {"type": "adaptive"},
            "output_config": {"format": {"type": "json_schema", "schema": {}}, "effort": "high"},
        },
    ),
    "the client states thinking": (SONNET_5, "low", {"thinking": {"type": "adaptive"}}, {}),
    "the client states an effort": (SONNET_5, "low", {"output_config": {"effort": "max"}}, {}),
}


@pytest.mark.parametrize(
    ("model_id", "level", "fields", "wanted"), LEVELS.values(), ids=LEVELS.keys()
)
def test_the_models_own_level_is_used_where_the_client_states_none(
    model_id: str, level: str, fields: dict[str, Any], wanted: dict[str, Any]
) -> None:
    found = sent(fields, model_id, thinking_level=level).body
    assert found == {**LEAST, "model": model_id, **fields, **wanted}


def test_options_win() -> None:
    found = sent(
        {"metadata": {"user_id": "a"}}, options={"metadata": {"user_id": "b"}, "speed": "fast"}
    ).body
    assert found["metadata"] == {"user_id": "b"}
    assert found["speed"] == "fast"


def test_automatic_caching_only_where_the_client_marks_nothing() -> None:
    assert sent({}, cache=True).body["cache_control"] == EPHEMERAL
    assert (
        "cache_control"
        not in sent({"system": [text("a", cache_control=EPHEMERAL)]}, cache=True).body
    )


# --- messages -------------------------------------------------------------------------------------

OURS = seal({"details": [{"type": "reasoning.text", "text": "hm"}]})
ANTHROPICS = {"id": "anthropic:0", "type": "reasoning.text", "text": "hm", "signature": "EqQB"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
RESULT = {
    "role": "user",
    "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "4C"}],
}

TURNS: dict[str, tuple[str, list[Any], list[Any]]] = {
    "thinking that the gateway signed": (
        SONNET_5,
        [
            USER,
            assistant({"type": "thinking", "thinking": "hm", "signature": OURS}, text("a")),
            USER,
        ],
        [USER, assistant(text("a")), USER],
    ),
    "thinking of Anthropic's that the gateway sealed": (
        SONNET_5,
        [
            USER,
            assistant(
                {
                    "type": "thinking",
                    "thinking": "hm",
                    "signature": seal({"details": [ANTHROPICS]}),
                },
                text("a"),
            ),
            USER,
        ],
        [
            USER,
            assistant({"type": "thinking", "thinking": "hm", "signature": "EqQB"}, text("a")),
            USER,
        ],
    ),
    "thinking without a signature": (
        SONNET_5,
        [USER, assistant({"type": "thinking", "thinking": "hm", "signature": ""}, text("a")), USER],
        [USER, assistant(text("a")), USER],
    ),
    "thinking of another gateway": (
        SONNET_5,
        [
            USER,
            assistant({"type": "thinking", "thinking": "hm", "signature": "sig: {x}"}, text("a")),
            USER,
        ],
        [USER, assistant(text("a")), USER],
    ),
    "redacted thinking of the gateway": (
        SONNET_5,
        [USER, assistant({"type": "redacted_thinking", "data": OURS}, text("a")), USER],
        [USER, assistant(text("a")), USER],
    ),
    "a turn of nothing else": (
        SONNET_5,
        [USER, assistant({"type": "thinking", "thinking": "hm", "signature": ""}), USER],
        [USER, USER],
    ),
    "ids of another provider": (
        SONNET_5,
        [
            USER,
            assistant({**CALL, "id": "call_a|fc_b=="}),
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_a|fc_b=="}]},
        ],
        [
            USER,
            assistant({**CALL, "id": "call_a_fc_b___oV9HbOKBOUDLFX5p"}),
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_a_fc_b___oV9HbOKBOUDLFX5p"}
                ],
            },
        ],
    ),
    "citations of another provider": (
        SONNET_5,
        [
            USER,
            assistant(
                text("a", citations=[{"type": "web_search_result_location", "encrypted_index": ""}])
            ),
            USER,
        ],
        [USER, assistant(text("a")), USER],
    ),
    "instructions in mid-conversation": (
        HAIKU_4_5,
        [USER, {"role": "system", "content": [text("Now.", cache_control=EPHEMERAL)]}],
        [
            {
                "role": "user",
                "content": [
                    text("Hi"),
                    text("<system-reminder>\nNow.\n</system-reminder>", cache_control=EPHEMERAL),
                ],
            }
        ],
    ),
    "a beginning of the answer": (
        SONNET_5,
        [USER, assistant(text("Well,"))],
        [USER, assistant(text("Well,")), {"role": "user", "content": GO_ON}],
    ),
    "a beginning of the answer where it is taken": (
        HAIKU_4_5,
        [USER, assistant(text("Well,"))],
        [USER, assistant(text("Well,"))],
    ),
    "a turn that a server tool paused": (
        SONNET_5,
        [
            USER,
            assistant(
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
            ),
        ],
        [
            USER,
            assistant(
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
            ),
        ],
    ),
}


@pytest.mark.parametrize(("model_id", "turns", "wanted"), TURNS.values(), ids=TURNS.keys())
def test_turns_of_other_providers(model_id: str, turns: list[Any], wanted: list[Any]) -> None:
    found = sent({"messages": turns}, model_id).body["messages"]
    for turn, expected in zip(found, wanted, strict=True):
        assert {**turn, "content": fitted(turn["content"])} == {
            **expected,
            "content": fitted(expected["content"]),
        }


def fitted(content: Any) -> Any:
    """Content without the digest in which a fitted id ends."""
    if isinstance(content, str):
        return content
    return [
        {key: value[:11] if key in ("id", "tool_use_id") else value for key, value in block.items()}
        for block in content
    ]


def test_a_fitted_id_is_the_same_in_call_and_result() -> None:
    turns = sent({"messages": TURNS["ids of another provider"][1]}).body["messages"]
    assert turns[1]["content"][0]["id"] == turns[2]["content"][0]["tool_use_id"]


def test_changes_of_the_tools_are_lost_where_the_generation_has_no_role_for_them() -> None:
    removal = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "f"}}
    turns = [
        USER,
        {"role": "system", "content": [removal, text("A")]},
        {"role": "system", "content": "B"},
    ]
    encoded = sent({"messages": turns, "tools": [TOOL]}, HAIKU_4_5)
    said = [text("Hi"), *(text(f"<system-reminder>\n{word}\n</system-reminder>") for word in "AB")]
    assert encoded.body["messages"] == [{"role": "user", "content": said}]
    assert encoded.dropped == ("messages.tool_changes",)
    assert sent({"messages": turns, "tools": [TOOL]}).body["messages"] == turns


def test_a_budget_in_a_tool_loop_without_thinking_is_left_out() -> None:
    """Expected `thinking` or `redacted_thinking`, but found `tool_use`."""
    fields = {
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "max_tokens": 9000,
        "tools": [TOOL],
    }
    unsigned = sent({**fields, "messages": [USER, assistant(CALL), RESULT]}, HAIKU_4_5)
    assert "thinking" not in unsigned.body
    assert unsigned.dropped == ("thinking",)
    signed = sent({**fields, "messages": [USER, assistant(SIGNED, CALL), RESULT]}, HAIKU_4_5)
    assert signed.body["thinking"] == fields["thinking"]


def test_a_refused_signature_is_repeated_without_any_thinking() -> None:
    body = sent({"messages": [USER, assistant(SIGNED, CALL), RESULT], "tools": [TOOL]}).body
    assert replays_thinking(body)
    left = without_thinking(body)
    assert left["messages"] == [USER, assistant(CALL), RESULT]
    assert not replays_thinking(left)
    assert replays_thinking(body), "the first request is changed"


# --- anything -------------------------------------------------------------------------------------

LEAF: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 1, 2**80, "a", "Grüße", [], {}, {"cache_control": EPHEMERAL}]
)
BLOCK = st.one_of(
    st.just(SIGNED),
    st.just({"type": "thinking", "thinking": "x", "signature": OURS}),
    st.builds(lambda leaf: text("a", extra=leaf), LEAF),
    st.builds(lambda leaf: {**CALL, "input": {"x": leaf}, "caller": leaf}, LEAF),
    st.builds(lambda leaf: {"type": "brand_new", "x": leaf}, LEAF),
)
TURN = st.one_of(
    st.just(USER),
    st.lists(BLOCK, min_size=1, max_size=4).map(lambda blocks: assistant(*blocks)),
    st.just(RESULT),
    st.just({"role": "system", "content": "Now."}),
)
EXTRA = st.dictionaries(
    st.sampled_from(["metadata", "container", "new", "mcp_servers", "service_tier"]), LEAF
)
MAY_DIFFER = {
    "model",
    "max_tokens",
    "messages",
    "thinking",
    "output_config",
    "system",
    "tool_choice",
}


@given(st.lists(TURN, min_size=1, max_size=6), EXTRA, st.sampled_from([FABLE, SONNET_5, HAIKU_4_5]))
@MANY
def test_only_the_listed_fields_may_differ(
    turns: list[Any], extra: dict[str, Any], model_id: str
) -> None:
    body = {
        "max_tokens": 9000,
        "messages": [USER, *turns],
        "model": "coder",
        "thinking": {"type": "adaptive"},
        **extra,
    }
    found = sent(body, model_id).body
    for key in set(body) | set(found):
        if key not in MAY_DIFFER:
            assert found[key] is body[key], f"{key} is not the client's own"
    assert [key for key in found if key in body] == [key for key in body if key in found]
    kept = [block for turn in found["messages"] for block in blocks(turn)]
    for turn in body["messages"]:
        for block in blocks(turn):
            if block.get("signature") != OURS:
                assert any(block is other for other in kept), "a block is not the client's own"


def blocks(turn: dict[str, Any]) -> list[Any]:
    return turn["content"] if isinstance(turn["content"], list) else []


@given(st.lists(TURN, min_size=1, max_size=6))
@MANY
def test_the_same_request_is_always_sent_the_same(turns: list[Any]) -> None:
    """Prompt caches live on it, and a longer conversation begins as the shorter one did."""
    body: dict[str, Any] = {"messages": [USER, *turns, USER]}
    assert str(sent(body).body) == str(sent(copy.deepcopy(body)).body)
    longer = sent({"messages": [*body["messages"], assistant(text("a")), USER]}).body["messages"]
    assert longer[: len(sent(body).body["messages"])] == sent(body).body["messages"]


def test_a_native_body_is_json() -> None:
    assert orjson.loads(orjson.dumps(sent({"system": "a"}).body))["system"] == "a"
