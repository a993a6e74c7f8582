from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest

from gateway.dialects.responses import inbound
from gateway.dialects.responses.inbound.requests import FIELDS
from gateway.failures import Failed, Kind
from gateway.hub.fields import Action
from tests.dialects.responses.inbound.makers import HELLO, answer, function, request

PASSED: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "service_tier": "flex",
    "metadata": {"a": "b"},
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "auto"},
    "prompt_cache_retention": "24h",
}

TRANSLATED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("the limit", {"max_output_tokens": 100}, {"max_completion_tokens": 100}),
    (
        "the effort",
        {"reasoning": {"effort": "high", "summary": "auto"}},
        {"reasoning_effort": "high"},
    ),
    ("an effort of none", {"reasoning": {"effort": "none"}}, {"reasoning_effort": "none"}),
    ("the verbosity", {"text": {"verbosity": "low"}}, {"verbosity": "low"}),
    ("plain text", {"text": {"format": {"type": "text"}}}, {}),
    (
        "JSON",
        {"text": {"format": {"type": "json_object"}}},
        {"response_format": {"type": "json_object"}},
    ),
    (
        "a schema",
        {
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "n",
                    "schema": {},
                    "strict": True,
                    "description": None,
                }
            }
        },
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {}, "strict": True},
            }
        },
    ),
    (
        "log probabilities",
        {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
        {"logprobs": True, "top_logprobs": 2},
    ),
    ("log probabilities that are not included", {"top_logprobs": 2}, {}),
    (
        "a stream",
        {"stream": True, "stream_options": {"include_obfuscation": True}},
        {"stream": True},
    ),
    ("what is stored", {"store": False}, {}),
    ("what the client says of itself", {"client_metadata": {"x": "y"}}, {}),
    (
        "includes of built-in tools",
        {"include": ["web_search_call.results", "reasoning.encrypted_content"]},
        {},
    ),
    ("null everywhere", dict.fromkeys(FIELDS.keys() - {"model", "input"}), {}),
    ("neutral values", {"background": False, "truncation": "disabled"}, {}),
]


@pytest.mark.parametrize("field", PASSED)
def test_a_field_of_both_apis_stays_as_it_is(field: str) -> None:
    assert request(**{field: PASSED[field]}).chat[field] == PASSED[field]


@pytest.mark.parametrize(
    ("fields", "wanted"), [row[1:] for row in TRANSLATED], ids=[row[0] for row in TRANSLATED]
)
def test_a_field_in_the_words_of_the_hub(fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    decoded = request(**fields)
    assert decoded.chat == {"model": "dev", "messages": [HELLO], **wanted}
    assert decoded.dropped == ()


@pytest.mark.parametrize(
    ("fields", "dropped"),
    [
        ({"max_tool_calls": 3}, "max_tool_calls"),
        ({"truncation": "auto"}, "truncation"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"moderation": {}}, "moderation"),
        ({"image": {}}, "image"),
        ({"access_programs": []}, "access_programs"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"reasoning": {"context": "all_turns"}}, "reasoning.context"),
        ({"brand_new": 1}, "brand_new"),
    ],
)
def test_what_only_the_native_lane_can_carry_is_named(fields: dict[str, Any], dropped: str) -> None:
    decoded = request(**fields)
    assert decoded.dropped == (dropped,)
    assert decoded.chat == {"model": "dev", "messages": [HELLO]}
    assert {key: decoded.body[key] for key in fields} == fields


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"conversation": "conv_1"}, "conversation", "unsupported_parameter"),
        ({"conversation": {"id": "conv_1"}}, "conversation", "unsupported_parameter"),
        ({"background": True}, "background", "unsupported_parameter"),
        ({"background_options": {}}, "background_options", "unsupported_parameter"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "unsupported_parameter"),
        ({"model": None}, "model", "missing_required_parameter"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": []}, "input", "invalid_value"),
        ({"input": 5}, "input", "invalid_type"),
        ({"input": ["x"]}, "input[0]", "invalid_type"),
        ({"input": [{"role": "judge", "content": "x"}]}, "input[0].role", "invalid_value"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content", "invalid_type"),
        ({"input": [{"role": "user", "content": [7]}]}, "input[0].content[0]", "invalid_type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
            "input[0].content[0].text",
            None,
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0].image_url",
            None,
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file"}]}]},
            "input[0].content[0].file_data",
            None,
        ),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name", None),
        ({"instructions": 5}, "instructions", "invalid_type"),
        ({"reasoning": "high"}, "reasoning", "invalid_type"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort", "invalid_value"),
        ({"text": "json"}, "text", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"temperature": 9}, "temperature", "invalid_value"),
        ({"tools": {}}, "tools", "invalid_type"),
        ({"tools": ["x"]}, "tools[0]", "invalid_type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name", "missing_required_parameter"),
        (
            {"tools": [{"type": "namespace", "tools": []}]},
            "tools[0].name",
            "missing_required_parameter",
        ),
        ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
        ({"tool_choice": "perhaps"}, "tool_choice", "invalid_value"),
        ({"tool_choice": 5}, "tool_choice", "invalid_type"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice", "invalid_value"),
        ({"previous_response_id": "resp_x"}, "previous_response_id", "previous_response_not_found"),
    ],
    ids=str,
)
def test_what_cannot_be_honoured_is_refused_by_its_own_name(
    fields: dict[str, Any], param: str, code: str | None
) -> None:
    with pytest.raises(Failed) as raised:
        inbound.decode_request({"model": "dev", "input": "Hello", **fields}, {})
    failure = raised.value.failure
    assert (failure.kind, failure.status, failure.param) == (Kind.INVALID_REQUEST, 400, param)
    assert code is None or failure.code == code
    assert "max_completion_tokens" not in failure.message


def test_a_refused_field_has_its_reason() -> None:
    assert all(
        rule.reason for rule in FIELDS.values() if rule.action in (Action.REFUSE, Action.DROP)
    )


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "value", [None, True, 3, "x", [], {}, [{}], [[]], {"type": []}, [{"type": {}}]], ids=str
)
def test_a_field_of_any_shape_is_accepted_or_refused(field: str, value: Any) -> None:
    body = {"model": "dev", "input": "Hello", "tools": [function("look")], field: value}
    before = copy.deepcopy(body)
    with suppress(Failed):
        assert inbound.decode_request(body, {}).chat["messages"]
    assert body == before, "the client's body was changed"


def test_the_client_s_own_body_is_kept_for_the_native_lane() -> None:
    body = {"model": "dev", "input": "Hello", "brand_new": {"a": [1]}}
    assert inbound.decode_request(body, {}).body == body


def test_a_string_is_what_the_user_says() -> None:
    assert inbound.decode_request({"model": "dev", "input": ""}, {}).chat["messages"] == [
        {"role": "user", "content": ""}
    ]


def test_instructions_come_before_everything() -> None:
    late = {"role": "system", "content": "Late"}
    messages = request(late, HELLO, instructions="First").chat["messages"]
    assert messages == [{"role": "developer", "content": "First"}, late, HELLO]


def test_instructions_alone_are_a_request() -> None:
    decoded = inbound.decode_request({"model": "dev", "input": [], "instructions": "Say hello"}, {})
    assert decoded.chat["messages"] == [{"role": "developer", "content": "Say hello"}]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"text": {"format": {"type": "xml"}}}, "text.format"),
        ({"text": {"format": "xml"}}, "text.format"),
        (
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": {}, "new": 1}}},
            "text.format.new",
        ),
        ({"text": {"new": 1}}, "text.new"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"tools": [function("look", **{"async": True})]}, "tools.function.async"),
        (
            {"tools": [{"type": "custom", "name": "look", "format": {"type": "new"}}]},
            "tools.custom.format",
        ),
    ],
    ids=str,
)
def test_a_member_that_the_hub_cannot_express_is_named(fields: dict[str, Any], path: str) -> None:
    assert request(**fields).dropped == (path,)


HOSTED = {"type": "web_search"}


@pytest.mark.parametrize(
    "choice",
    [
        "required",
        {"type": "web_search"},
        {"type": "mcp", "server_label": "x"},
        {"type": "allowed_tools", "mode": "required", "tools": [HOSTED]},
    ],
    ids=str,
)
def test_a_demand_that_only_a_provider_of_this_api_can_meet_is_left_to_one(choice: Any) -> None:
    decoded = request(tools=[HOSTED], tool_choice=choice)
    assert decoded.native_only == "tool_choice"
    assert not {"tools", "tool_choice"} & decoded.chat.keys()
    assert request(tools=[HOSTED], tool_choice="auto").native_only == ""
    assert request(tools=[HOSTED, function("look")], tool_choice="required").native_only == ""


FOREIGN = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}


@pytest.mark.parametrize("item", [FOREIGN, {"type": "reasoning", "summary": []}], ids=str)
def test_an_input_that_the_hub_cannot_express_is_left_to_a_provider_of_this_api(
    item: dict[str, Any],
) -> None:
    assert request(item).native_only == "input"
    assert request(item, HELLO).native_only == ""


def test_instructions_do_not_replace_an_input_that_the_hub_cannot_express() -> None:
    assert request(FOREIGN, instructions="Be brief").native_only == "input"


def test_the_last_update_of_the_configuration_wins() -> None:
    first = {"type": "configuration_update", "reasoning": {"effort": "low"}}
    second = {"type": "configuration_update", "reasoning": {"effort": "high"}, "text": None}
    decoded = request(first, HELLO, second, reasoning={"effort": "none"}, text={"verbosity": "low"})
    assert (decoded.chat["reasoning_effort"], decoded.chat["verbosity"]) == ("high", "low")


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, False),
        ({"originator": "codex_cli_rs"}, True),
        ({"originator": "codex_exec"}, True),
        ({"originator": "Codex Desktop"}, True),
        ({"originator": "x"}, False),
    ],
)
def test_codex_is_known_by_its_header(headers: dict[str, str], wanted: bool) -> None:
    assert answer(headers=headers).request.notes.refusal_as_text is wanted


def test_a_compaction_asks_for_a_summary_without_tools() -> None:
    trigger = {"type": "compaction_trigger"}
    decoded = request(
        HELLO, trigger, tools=[function("look")], tool_choice="required", parallel_tool_calls=True
    )
    assert decoded.notes.compacting
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & decoded.chat.keys()
    assert [message["role"] for message in decoded.chat["messages"]] == ["user", "user"]
    alone = request(trigger)
    assert (len(alone.chat["messages"]), alone.native_only) == (1, "")
