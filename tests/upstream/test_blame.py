"""Who is to blame for a refused request: a table of real complaints, each with what the client
sent."""

from __future__ import annotations

from typing import Any

import pytest
from orjson import dumps, loads

from gateway.dialects import DIALECTS, Encoded
from gateway.failures import Failure, Kind
from gateway.types import Chat
from gateway.upstream.blame import judged
from tests.makers import chat, model

SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "format": "color"}}, "$id": "x"}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}
TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": [{"type": "text", "text": "And?"}]},
]


def kind(provider: str, message: str, asked: Chat, param: str | None = None) -> Kind:
    chosen = model(provider)
    dialect = chosen.provider.dialect
    encoded = DIALECTS[dialect].encode_request(asked, chosen)
    failure = Failure(Kind.INVALID_REQUEST, message, status=400, param=param)
    return judged(failure, encoded, asked, chosen, is_own_format=dialect == "chat").kind


@pytest.mark.parametrize(
    ("provider", "message", "param", "fields"),
    [
        ("anthropic", "messages: at least one message is required", None, {}),
        ("anthropic", ("max_tokens: 999999 > 64000, which is "
                       "the maximum allowed"), None, {"max_tokens": 999999}),
        ("anthropic", "temperature: range: 0..1", None, {"temperature": 1.5}),
        ("anthropic", ("messages.0.content.1.image.source.base64.data: "
                       "invalid base64 data"), None, {}),
        ("google", "contents is not specified", None, {}),
        ("google", ("* GenerateContentRequest.generation_config.temperature: "
                    "must be in [0.0, 2.0]"), None,
         {"temperature": 1.5}),
        ("google", "Cannot fetch content from the provided URL.", None, {}),
        ("openai", "[] is too short - 'messages'", None, {}),
        ("openai", ("Invalid 'temperature': decimal "
                    "above maximum value."), "temperature", {"temperature": 1.5}),
        ("openai", ("Invalid type for "
                    "'messages[0].content[0].text'."), "messages[0].content[0].text", {}),
        ("custom", "bad request", None, {}),
        ("anthropic", "Could not process your request.", None, {}),
        ("anthropic", "Could not process your request.", None, {"tools": [TOOL]}),
        ("anthropic", "Error: the request is not valid", None, {}),
        ("anthropic", "HTTP 400 without a message", None, {}),
        ("google", "Request contains an invalid argument.", None, {}),
        ("google", "Invalid value: 'schema of roles'", None, {}),
        ("mistral", "The request could not be understood", None, {"tools": [TOOL]}),
        ("custom", "top_k must be at most 3", "top_k", {"top_k": 5}),
    ],
)  # fmt: skip
def test_an_error_about_the_clients_words_is_the_clients_fault(
    provider: str, message: str, param: str | None, fields: dict[str, Any]
) -> None:
    assert kind(provider, message, chat(*TURNS, **fields), param) is Kind.INVALID_REQUEST


@pytest.mark.parametrize(
    ("provider", "message", "param", "fields"),
    [
        ("anthropic", ("tools.0.custom.input_schema: JSON "
                       "schema is invalid."), None, {"tools": [TOOL]}),
        ("anthropic", ("messages.1.content.0: unexpected `tool_use_id` "
                       "found in `tool_result` blocks"), None, {}),
        ("anthropic", "messages: roles have to come in turns, first the user's", None, {}),
        ("anthropic", ("thinking.budget_tokens: Input should be "
                       "greater than or equal to 1024"), None, {}),
        ("anthropic", "max_tokens: must be greater than `thinking.budget_tokens`", None, {}),
        ("google", "Request contains an invalid argument.", None, {"tools": [TOOL]}),
        ("google", ('Invalid JSON payload received. Unknown name "$id" at '
                    '\'tools[0].function_declarations[0]\''), "$id",
         {"tools": [TOOL]}),
        ("google", ("* GenerateContentRequest.contents[1].parts: "
                    "must contain at least one part"), None, {}),
        ("google", ("Please ensure that function call turn comes "
                    "immediately after a user turn."), None, {}),
        ("openai", ("Invalid schema for function 'look_up': "
                    "it is not an object."), "tools[0].function.parameters", {}),
        ("mistral", "Invalid schema for function 'look_up'", None, {}),
    ],
)  # fmt: skip
def test_an_error_about_the_translation_is_not_the_clients_fault(
    provider: str, message: str, param: str | None, fields: dict[str, Any]
) -> None:
    assert kind(provider, message, chat(*TURNS, **fields), param) is Kind.TRANSLATION_REFUSED


def test_a_schema_that_goes_out_as_it_came_is_the_clients() -> None:
    tool = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
    }
    asked = chat(tools=[tool])
    assert kind("openai", "Invalid schema for function 'f'", asked) is Kind.INVALID_REQUEST


def test_a_model_that_the_client_names_beside_ours_is_not_the_one_that_is_unknown() -> None:
    chosen = model("openrouter")
    asked = chat(models=["vendor/no-such"])
    encoded = DIALECTS["chat"].encode_request(asked, chosen)
    for named, found in (
        ("vendor/no-such", Kind.REQUEST_DENIED),
        (chosen.model_id, Kind.MODEL_UNKNOWN),
    ):
        failure = Failure(Kind.MODEL_UNKNOWN, f"{named} is not a valid model ID", status=400)
        assert judged(failure, encoded, asked, chosen, is_own_format=True).kind is found


@pytest.mark.parametrize("fields", [
    {"models": ["{ours}-mini"]},
    {"models": [None, 5, "{ours}-mini"]},
    {"tools": [5, {"type": "image_generation", "model": "{ours}-mini"}]},
])  # fmt: skip
def test_a_model_whose_id_begins_like_ours_is_another_one(fields: dict[str, Any]) -> None:
    chosen = model("openrouter")
    name = f"{chosen.model_id}-mini"
    asked = loads(dumps(fields).replace(b"{ours}-mini", name.encode()))
    failure = Failure(Kind.MODEL_UNKNOWN, f"{name} is not a valid model ID", status=400)
    found = judged(failure, Encoded("/", {}), asked, chosen, is_own_format=True)
    assert found.kind is Kind.REQUEST_DENIED


@pytest.mark.parametrize(
    ("role", "found"), [("developer", Kind.TRANSLATION_REFUSED), ("user", Kind.INVALID_REQUEST)]
)
def test_a_message_that_was_rewritten_is_not_the_clients_in_its_own_format_either(
    role: str, found: Kind
) -> None:
    asked = chat({"role": role, "content": "Hi"}, {"role": "user", "content": "Hi"})
    assert (
        kind("xai", "Failed to deserialize the JSON body: messages[0].role: unknown variant", asked)
        is found
    )
