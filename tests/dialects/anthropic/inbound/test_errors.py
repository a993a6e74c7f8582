"""Errors, models, token counts and whole answers: what clients of Messages read beside streams."""

from __future__ import annotations

from typing import Any

import openai.types
import pytest
from anthropic.types import Message, ModelInfo

from gateway.dialects.anthropic.inbound import (
    decode_count,
    encode_error,
    encode_models,
    encode_response,
    estimate_tokens,
)
from gateway.dialects.anthropic.inbound.errors import error_body
from gateway.dialects.anthropic.inbound.models import agent_of_alias, encode_model, wants_aliases
from gateway.failures import VERDICTS, Failed, Kind
from gateway.hub.contracts import Refusal
from gateway.hub.models_list import ModelItem
from gateway.hub.sealed import unseal
from tests.dialects.anthropic.inbound.reader import answer

FORMS: dict[str, tuple[Refusal, int, str, str | None]] = {
    "a bad body": (Refusal(400, "m"), 400, "invalid_request_error", None),
    "a wrong key": (
        Refusal(401, "m", code="invalid_api_key"),
        401,
        "authentication_error",
        "false",
    ),
    "a foreign page": (Refusal(403, "m"), 403, "permission_error", "false"),
    "a wrong method": (Refusal(405, "m"), 405, "invalid_request_error", None),
    "a body beyond the limit": (
        Refusal(413, "m", code="request_too_large"),
        413,
        "request_too_large",
        None,
    ),
    "too many calls": (
        Refusal(429, "m", "rate_limit_error", "rate_limit_exceeded"),
        429,
        "rate_limit_error",
        None,
    ),
    "a spent budget": (
        Refusal(429, "m", "insufficient_quota", "budget_exceeded"),
        429,
        "rate_limit_error",
        "false",
    ),
    "a provider's empty account": (
        Refusal(429, "m", "insufficient_quota", "insufficient_quota"),
        500,
        "api_error",
        "false",
    ),
    "a refused credential": (
        Refusal(502, "m", "server_error", "upstream_authentication_error"),
        500,
        "api_error",
        "false",
    ),
    "a model that is gone": (
        Refusal(502, "m", "server_error", "upstream_model_not_found"),
        500,
        "api_error",
        "false",
    ),
    "a provider's outage": (
        Refusal(502, "m", "server_error", "upstream_error"),
        500,
        "api_error",
        None,
    ),
    "overload": (
        Refusal(503, "m", "server_error", "upstream_overloaded"),
        529,
        "overloaded_error",
        None,
    ),
    "the end of the process": (Refusal(503, "m", "server_error"), 529, "overloaded_error", None),
    "a slow provider": (
        Refusal(504, "m", "server_error", "upstream_timeout"),
        504,
        "timeout_error",
        None,
    ),
    "a fault of our own": (
        Refusal(500, "m", "server_error", "internal_error"),
        500,
        "api_error",
        None,
    ),
}


@pytest.mark.parametrize(
    ("refusal", "status", "type_", "should_retry"), FORMS.values(), ids=FORMS.keys()
)
def test_statuses_and_types(
    refusal: Refusal, status: int, type_: str, should_retry: str | None
) -> None:
    rendered = encode_error(refusal, "req_1")
    assert rendered.status == status
    assert rendered.body["type"] == "error"
    assert rendered.body["request_id"] == "req_1"
    assert rendered.body["error"]["type"] == type_
    assert rendered.body["error"]["message"] == "m"
    assert rendered.headers.get("x-should-retry") == should_retry


@pytest.mark.parametrize("kind", Kind)
def test_a_providers_own_credentials_are_never_the_clients_fault(kind: Kind) -> None:
    verdict = VERDICTS[kind]
    rendered = encode_error(Refusal(verdict.status, "m", verdict.type, verdict.code), "r")
    assert rendered.status not in (401, 402, 403, 404)


def test_an_unknown_agent() -> None:
    rendered = encode_error(Refusal(404, "'x' is not an agent", code="model_not_found"), "r")
    assert (rendered.status, rendered.body["error"]["type"]) == (404, "not_found_error")
    assert rendered.body["error"]["message"] == "model: 'x' is not an agent"


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ("7", "7"),
        ("0", "1"),
        ("0.2", "1"),
        ("60", "60"),
        ("3600", "60"),
        ("soon", "60"),
        ("inf", "60"),
        ("nan", "60"),
    ],
)
def test_the_time_to_wait_is_whole_seconds_and_a_minute_at_most(stated: str, wanted: str) -> None:
    rendered = encode_error(Refusal(429, "m", headers={"Retry-After": stated}), "r")
    assert rendered.headers["retry-after"] == wanted


def test_other_headers_and_facts_stay() -> None:
    refusal = Refusal(
        400, "m", param="seed", headers={"x-should-retry": "true"}, details={"attempts": ["a;400"]}
    )
    rendered = encode_error(refusal, "r")
    assert rendered.headers == {"x-should-retry": "true"}
    assert rendered.body["error"]["details"] == {"param": "seed", "attempts": ["a;400"]}


@pytest.mark.parametrize(
    "code", ["upstream_authentication_error", "rate_limit_exceeded", "invalid_api_key", None]
)
def test_no_error_says_the_word_that_claude_code_takes_for_its_own_sign_in(
    code: str | None,
) -> None:
    refusal = Refusal(
        502, "claude: 401 credential: invalid x-api-key; gpt: 401: X-Api-Key", code=code
    )
    wanted = "claude: 401 credential: invalid API key; gpt: 401: API key"
    assert encode_error(refusal, "r").body["error"]["message"] == wanted
    assert error_body(refusal)["error"]["message"] == wanted


OVERFLOWS = {
    (
        "prompt is too long: 210000 tokens > 200000 maximum"
    ): "prompt is too long: 210000 tokens > 200000 maximum",
    (
        "This model's maximum context length is 128000 tokens. "
        "However, your messages resulted in 130,532 tokens."
    ): (
        "prompt is too long: 130532 tokens > 128000 maximum. This model's maximum context length "
        "is 128000"
        " tokens. However, your messages resulted in 130,532 tokens."
    ),
    (
        "google: The input token count (1200000) exceeds the "
        "maximum number of tokens allowed (1048576)."
    ): (
        "prompt is too long: 1200000 tokens > 1048576 maximum. google: The input token count "
        "(1200000) exceeds the"
        " maximum number of tokens allowed (1048576)."
    ),
    "Your input exceeds the context window of this model.": (
        "prompt is too long. Your input exceeds the context window of this model."
    ),
    (
        "maximum context length is 8192 tokens"
    ): "prompt is too long. maximum context length is 8192 tokens",
}


@pytest.mark.parametrize(("stated", "wanted"), OVERFLOWS.items())
def test_an_overflow_is_said_in_words_that_clients_know_and_in_the_providers_own(
    stated: str, wanted: str
) -> None:
    rendered = encode_error(Refusal(400, stated, code="context_length_exceeded"), "r")
    assert (rendered.status, rendered.body["error"]["message"]) == (400, wanted)


# --- whole answers --------------------------------------------------------------------------------

GEMINI = {"google": {"thought_signature": "c2ln"}}


def whole(message: dict[str, Any], reason: str = "stop", **fields: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": None, **message},
        "finish_reason": reason,
    }
    found = dict(
        encode_response({"choices": [choice], "usage": {"prompt_tokens": 3}}, answer(**fields))
    )
    read = Message.model_validate(found)  # the official client's own type
    assert [block.type for block in read.content] == [block["type"] for block in found["content"]]
    return found


def call(arguments: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": arguments},
        **more,
    }


def test_a_whole_answer() -> None:
    assert whole({"content": "Hello"}) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "gpt-5.5",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 3,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 0,
        },
    }


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ('{"a":1}', {"a": 1}),
        ("", {}),
        ("{}", {}),
        ("[1]", {"value": [1]}),
        ('{"a":', {"_raw": '{"a":'}),
        ('{"n":123456789012345678901234567890}', {"n": 123456789012345678901234567890}),
    ],
)
def test_arguments(arguments: str, wanted: Any) -> None:
    found = whole({"tool_calls": [call(arguments)]}, "tool_calls")
    assert found["content"] == [{"type": "tool_use", "id": "c1", "name": "f", "input": wanted}]
    assert found["stop_reason"] == "tool_use"


def test_thinking_comes_first_with_what_has_to_come_back() -> None:
    found = whole(
        {
            "content": "a",
            "reasoning_content": "hm",
            "tool_calls": [call("{}", extra_content=GEMINI)],
        }
    )
    thinking, said, _ = found["content"]
    assert (thinking["thinking"], said["text"]) == ("hm", "a")
    assert unseal(thinking["signature"]) == {"calls": {"c1": GEMINI}}


@pytest.mark.parametrize("thinking", [None, {"type": "disabled"}])
def test_no_thinking_that_was_not_asked_for(thinking: Any) -> None:
    assert [
        block["type"]
        for block in whole({"content": "a", "reasoning_content": "hm"}, thinking=thinking)[
            "content"
        ]
    ] == ["text"]


def test_an_image_is_named() -> None:
    [block] = whole({"images": [{"type": "image_url"}]})["content"]
    assert "image" in block["text"]


# --- models ---------------------------------------------------------------------------------------

CODER = ModelItem("coder", 1_700_000_000, "openai", 128_000, 32_000, ("gpt", "sonnet"))
CLAUDE = ModelItem("claude-x", 1_700_000_000, "anthropic")


def test_one_object_serves_both_families() -> None:
    assert encode_models([CODER]) == {
        "object": "list",
        "data": [
            {
                "id": "coder",
                "object": "model",
                "created": 1_700_000_000,
                "owned_by": "openai",
                "type": "model",
                "display_name": "coder",
                "created_at": "2023-11-14T22:13:20Z",
                "lifecycle": "active",
                "chain": ["gpt", "sonnet"],
                "description": "gpt → sonnet",
                "context_length": 128_000,
                "max_input_tokens": 128_000,
                "max_tokens": 32_000,
            }
        ],
        "has_more": False,
        "first_id": "coder",
        "last_id": "coder",
    }


@pytest.mark.parametrize("item", [CODER, CLAUDE])
def test_the_official_clients_read_a_model(item: ModelItem) -> None:
    assert ModelInfo.model_validate(encode_model(item)).id == item.id
    assert openai.types.Model.model_validate(encode_model(item)).owned_by == item.owned_by


def test_an_empty_list() -> None:
    assert encode_models([]) == {
        "object": "list",
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


def test_claude_code_finds_every_agent() -> None:
    items = [CODER, CLAUDE, CODER._replace(id="small"), CODER._replace(id="claude-small")]
    ids = [model["id"] for model in encode_models(items, aliases=True)["data"]]
    assert ids == ["coder", "claude-x", "small", "claude-small", "claude-coder"]


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"user-agent": "claude-cli/2.1.332 (external, cli)"}, True),
        ({"anthropic-version": "2023-06-01"}, True),
        ({"user-agent": "OpenAI/Python 1.70"}, False),
    ],
)
def test_who_gets_aliases(headers: dict[str, str], wanted: bool) -> None:
    assert wants_aliases(headers) is wanted


@pytest.mark.parametrize(
    ("name", "agent"), [("claude-coder", "coder"), ("coder", None), ("claude-", None)]
)
def test_an_alias_names_its_agent(name: str, agent: str | None) -> None:
    assert agent_of_alias(name) == agent


# --- counting -------------------------------------------------------------------------------------


def counted(*content: Any, **fields: Any) -> int:
    return estimated(
        {"model": "m", "messages": [{"role": "user", "content": list(content)}], **fields}
    )


def estimated(body: dict[str, Any]) -> int:
    return estimate_tokens(decode_count(body, {}))


IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "A" * 4000},
}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (counted({"type": "text", "text": "x" * 400}), 103),
        (counted({"type": "text", "text": "é" * 200}), 103),
        (counted(IMAGE), 1603),
        (counted(IMAGE, {"type": "text", "text": "x" * 40}), 1613),
        (counted({"type": "text", "text": "x" * 4}, system="y" * 400), 104),
        (counted({"type": "text", "text": "x"}, tools=[{"name": "f", "input_schema": {}}]), 3 + 9),
    ],
)
def test_an_estimate(found: int, wanted: int) -> None:
    assert found == wanted


def test_what_no_model_reads_is_not_counted() -> None:
    turn = {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "", "signature": "x" * 4000}],
    }
    assert estimated({"model": "m", "messages": [turn]}) == 3


def test_a_request_that_cannot_be_read_is_not_counted() -> None:
    with pytest.raises(Failed):
        estimated({"model": "m", "messages": [{"role": "user"}]})
