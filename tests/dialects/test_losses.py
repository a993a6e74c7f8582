"""Every key of a message, a part and a tool is passed, translated or named as dropped."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects import DIALECTS, Encoded, Unsupported, choose
from gateway.hub import exact_json
from gateway.hub.losses import ECHOES, MARKS, STRUCTURE
from gateway.types import Model
from tests.makers import IDS, chat, model

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
TARGETS = {name: model(name) for name in IDS} | {"openai responses": model("openai", "gpt-6-luna")}
CANARY = "canary-7"
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object"}},
}
SCHEMA = {
    "name": "a",
    "schema": {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    },
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def encoded(
    name: str, *messages: dict[str, Any], tools: list[dict[str, Any]] | None = None
) -> Encoded:
    request = chat(*messages, tools=[TOOL] if tools is None else tools)
    target = TARGETS[name]
    return DIALECTS[choose(request, target)].encode_request(request, target)


def exchange(**more: dict[str, Any]) -> list[dict[str, Any]]:
    """One message of each role; `more` says what is added to which."""
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "See:", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "ok"},
        {"role": "user", "content": "And?"},
    ]
    return [message | more.get(message["role"], {}) for message in messages]


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("role", ["system", "user", "assistant", "tool"])
@pytest.mark.parametrize("key", ["name", "x_new", "images", "audio", "prefix"])
def test_a_key_of_a_message_is_sent_or_named(name: str, role: str, key: str) -> None:
    if (role, key) == ("tool", "name"):
        return  # the call has it
    value = [{"type": "image_url", "image_url": {"url": PNG}}] if key == "images" else CANARY
    answer = encoded(name, *exchange(**{role: {key: value}}))
    needle = PNG.rpartition(",")[2] if key == "images" else CANARY
    is_sent = needle in orjson.dumps(answer.body).decode()
    assert is_sent != (f"messages.{key}" in answer.dropped), answer.dropped


PARTS: dict[str, dict[str, Any]] = {
    "a key of a text": {"type": "text", "text": "x", "x_new": CANARY},
    "a key of an image": {"type": "image_url", "image_url": {"url": PNG}, "x_new": CANARY},
    "a key inside an image": {"type": "image_url", "image_url": {"url": PNG, "x_new": CANARY}},
    "the detail of an image": {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}},
    "the name of a file": {
        "type": "file",
        "file": {"file_data": PDF, "filename": f"{CANARY}.pdf"},
    },
    "the name of a text": {
        "type": "file",
        "file": {"file_data": "data:text/plain;base64,aGk=", "filename": f"{CANARY}.txt"},
    },
    "the name of an image": {
        "type": "file",
        "file": {"file_data": PNG, "filename": f"{CANARY}.png"},
    },
    "the name of a file by its address": {
        "type": "file",
        "file": {"file_data": "https://a.example/b.pdf", "filename": f"{CANARY}.pdf"},
    },
    "a key of a file": {
        "type": "file",
        "file": {"file_data": PDF, "filename": "a.pdf"},
        "x_new": CANARY,
    },
    "a key inside a video": {
        "type": "video_url",
        "video_url": {"url": "https://a.example/a.mp4", "x_new": CANARY},
    },
    "a key inside audio": {
        "type": "input_audio",
        "input_audio": {"data": "AAAA", "format": "wav", "x_new": CANARY},
    },
    "the citations of a document": {
        "type": "file",
        "file": {"file_data": PDF, "filename": "a.pdf"},
        "citations": {"enabled": True, "style": CANARY},
    },
    "the context of a document": {
        "type": "file",
        "file": {"file_data": PDF, "filename": "a.pdf"},
        "context": CANARY,
    },
}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_key_of_a_part_is_sent_or_named(name: str, part: dict[str, Any]) -> None:
    try:
        answer = encoded(name, {"role": "user", "content": [{"type": "text", "text": "?"}, part]})
    except Unsupported:
        return  # the whole part is not supported, and the next model is asked
    text = orjson.dumps(answer.body).decode()
    is_sent = CANARY in text or '"high"' in text
    assert is_sent != any(path.startswith("messages.content.") for path in answer.dropped), (
        answer.dropped
    )


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_an_image_where_only_text_may_be_is_sent_or_named(name: str, role: str) -> None:
    part = {"type": "image_url", "image_url": {"url": PNG}}
    message = {"role": role, "content": [{"type": "text", "text": "See:"}, part]}
    try:
        answer = encoded(
            name, {"role": "user", "content": "Hi"}, message, {"role": "user", "content": "And?"}
        )
    except Unsupported:
        return
    is_sent = "iVBORw0KGgo=" in orjson.dumps(answer.body).decode()
    assert is_sent != ("messages.content.image_url" in answer.dropped), answer.body


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_hosted_tool_did_is_named(name: str) -> None:
    part = {"type": "server_tool_use", "id": "x", "name": CANARY, "input": {}}
    message = {"role": "assistant", "content": [part, {"type": "text", "text": "See:"}]}
    answer = encoded(
        name, {"role": "user", "content": "Hi"}, message, {"role": "user", "content": "And?"}
    )
    assert "messages.content.server_tool_use" in answer.dropped
    assert CANARY not in orjson.dumps(answer.body).decode()


@pytest.mark.parametrize("name", TARGETS)
def test_a_key_of_a_tool_is_named(name: str) -> None:
    answer = encoded(name, *exchange(), tools=[TOOL, {**TOOL, "defer_loading": True}])
    assert "tools.1.defer_loading" in answer.dropped


@pytest.mark.parametrize("name", TARGETS)
def test_a_key_inside_a_tool_is_sent_or_named(name: str) -> None:
    tool = {"type": "function", "function": {**TOOL["function"], "x_new": CANARY}}
    answer = encoded(name, *exchange(), tools=[tool])
    is_sent = CANARY in orjson.dumps(answer.body).decode()
    assert is_sent != ("tools.0.x_new" in answer.dropped)


LOSSY: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "f",
        "strict": True,
        "parameters": {"anyOf": [{"type": "object", "patternProperties": {"^a": {}}}]},
    },
    "defer_loading": True,
}
"""A tool of which every provider loses something."""


def _lost_of_tool(name: str, place: int, *tools: dict[str, Any]) -> set[str]:
    """What is lost of the tool at `place`, without its number."""
    lost = encoded(name, *exchange(), tools=list(tools)).dropped
    return {path for path in lost if path.startswith(f"tools.{place}.")}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("hosted", [{"type": "web_search"}, {"type": "file_search"}], ids=str)
def test_a_tool_is_named_by_its_place_in_the_clients_own_request(
    name: str, hosted: dict[str, Any]
) -> None:
    alone = _lost_of_tool(name, 0, LOSSY)
    assert "tools.0.defer_loading" in alone
    behind = _lost_of_tool(name, 1, hosted, LOSSY)
    assert behind == {path.replace("tools.0.", "tools.1.") for path in alone}


@pytest.mark.parametrize("name", TARGETS)
def test_fields_of_answers_that_come_back_are_not_reported(name: str) -> None:
    echo = dict.fromkeys(
        ECHOES - STRUCTURE - MARKS - {"refusal", "function_call", "extra_content"}, CANARY
    )
    answer = encoded(
        name, *exchange(assistant={**echo, "refusal": None, "reasoning_details": None})
    )
    assert not [path for path in answer.dropped if path.startswith("messages")]


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    "content", ["no such file", [{"type": "text", "text": "no such file"}], "Error: no such file"]
)
def test_a_result_says_that_it_is_an_error(name: str, content: Any) -> None:
    answer = encoded(name, *exchange(tool={"content": content, "is_error": True}))
    text = orjson.dumps(answer.body).decode()
    assert "no such file" in text
    assert ('"is_error":true' in text) or ("Error:" in text) or ('"error":' in text)
    assert text.count("rror: ") <= 1
    assert not [path for path in answer.dropped if path.startswith("messages")]


@pytest.mark.parametrize("name", TARGETS)
def test_a_file_at_an_address_is_never_sent_as_data(name: str) -> None:
    url = "https://example.org/a.pdf"
    part = {"type": "file", "file": {"file_data": url}}
    try:
        answer = encoded(name, {"role": "user", "content": [{"type": "text", "text": "?"}, part]})
    except Unsupported:
        return  # a server that takes files only as data, or none
    text = orjson.dumps(answer.body).decode()
    assert url in text
    assert f"base64,{url}" not in text
    assert f'"data":"{url}"' not in text


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 2**256 - 1])
def test_an_integer_stays_exact_on_its_way_to_every_provider(name: str, number: int) -> None:
    call = {**CALL, "function": {"name": "f", "arguments": f'{{"n": {number}}}'}}
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": number}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    messages = exchange(assistant={"tool_calls": [call]}, tool={"content": {"n": number}})
    sent = exact_json.dumps(encoded(name, *messages, tools=[tool]).body).decode()
    assert sent.count(str(number)) == 3


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "an effort": ({"reasoning_effort": CANARY}, "reasoning_effort"),
    "an effort in an object": ({"reasoning": {"effort": CANARY}}, "reasoning"),
    "a member of reasoning": ({"reasoning": {"effort": "low", "x_new": CANARY}}, "reasoning.x_new"),
    "thinking that is a word": ({"thinking": CANARY}, "thinking"),
    "a type of thinking": ({"thinking": {"type": CANARY}}, "thinking"),
    "a member of thinking": (
        {"thinking": {"type": "adaptive", "display": CANARY}},
        "thinking.display",
    ),
    "a form": ({"response_format": {"type": CANARY}}, "response_format"),
    "a form without a type": ({"response_format": {"grammar": CANARY}}, "response_format"),
    "a member of a form": (
        {"response_format": {"type": "json_object", "schema": CANARY}},
        "response_format.schema",
    ),
    "a member of a form with a schema": (
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA, "x_new": CANARY}},
        "response_format.x_new",
    ),
    "what a schema is for": (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {**SCHEMA, "description": CANARY},
            }
        },
        "response_format.json_schema.description",
    ),
}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(("fields", "path"), ODD.values(), ids=ODD)
def test_a_value_of_another_server_is_sent_or_named(
    name: str, fields: dict[str, Any], path: str
) -> None:
    request = chat(**fields)
    target = TARGETS[name]
    answer = DIALECTS[choose(request, target)].encode_request(request, target)
    is_sent = CANARY in orjson.dumps(answer.body).decode()
    assert is_sent != bool({path, path.partition(".")[0]} & {*answer.dropped}), answer.dropped


@pytest.mark.parametrize(
    ("target", "dialect", "fields", "path"),
    [
        (model("google"), "google", {"seed": 2**40}, "seed"),
        (
            model("openai", "gpt-6-luna"),
            "responses",
            {"max_completion_tokens": 5},
            "max_completion_tokens",
        ),
        (
            model("anthropic", "claude-haiku-4-5"),
            "anthropic",
            {"max_completion_tokens": 5, "reasoning_effort": "low"},
            "max_completion_tokens",
        ),
    ],
)
def test_a_number_that_is_changed_is_named(
    target: Model, dialect: str, fields: dict[str, Any], path: str
) -> None:
    assert DIALECTS[dialect].encode_request(chat(**fields), target).dropped == (path,)


def test_names_of_losses_fit_into_a_header() -> None:
    keys = {f"{number}{'x' * 500}": 1 for number in range(500)}
    answer = encoded("anthropic", *exchange(user=keys))
    assert len(",".join(answer.dropped)) < 4096
