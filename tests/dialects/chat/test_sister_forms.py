"""What other APIs call the same things, on chat completions."""

from __future__ import annotations

import base64
from copy import deepcopy
from typing import Any

import pytest

from gateway.dialects import DIALECTS, choose
from gateway.dialects.chat.normalize import normalize
from gateway.failures import Failed
from tests.dialects.strict import STRICT
from tests.makers import IDS, model

PNG = "iVBORw0KGgo="
USER = {"role": "user", "content": "Hi"}
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
FUNCTION = {"name": "read", "description": "Reads", "parameters": SCHEMA}
NESTED = {"type": "function", "function": FUNCTION}
GRAMMAR = {"syntax": "lark", "definition": "start: /a/"}


def chat_of(**body: Any) -> dict[str, Any]:
    before = deepcopy(body)
    chat = normalize(
        {"model": "dev", **({"messages": [USER]} if "input" not in body else {}), **body}
    )
    assert body == before, "the client's own body is changed"
    return chat


def refused(**body: Any) -> str | None:
    with pytest.raises(Failed) as raised:
        chat_of(**body)
    failure = raised.value.failure
    assert failure.status == 400
    return failure.param


# --- tools ----------------------------------------------------------------------------------------

TOOLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nested": (NESTED, NESTED),
    "nested without a type": ({"function": FUNCTION}, NESTED),
    "flat": ({"type": "function", **FUNCTION}, NESTED),
    "flat with strict": (
        {"type": "function", **FUNCTION, "strict": True},
        {"type": "function", "function": {**FUNCTION, "strict": True}},
    ),
    "of the Messages API": (
        {"name": "read", "description": "Reads", "input_schema": SCHEMA},
        NESTED,
    ),
    "of the Messages API with its type": (
        {"type": "custom", "name": "read", "description": "Reads", "input_schema": SCHEMA},
        NESTED,
    ),
    "of the Messages API with a mark": (
        {
            "name": "read",
            "description": "Reads",
            "input_schema": SCHEMA,
            "cache_control": {"type": "ephemeral"},
        },
        {**NESTED, "cache_control": {"type": "ephemeral"}},
    ),
    "of the Model Context Protocol": (
        {"name": "read", "description": "Reads", "inputSchema": SCHEMA},
        NESTED,
    ),
    "nested with another name for the schema": (
        {
            "type": "function",
            "function": {"name": "read", "description": "Reads", "input_schema": SCHEMA},
        },
        NESTED,
    ),
    "only a name": ({"name": "read"}, {"type": "function", "function": {"name": "read"}}),
    "flat custom": (
        {"type": "custom", "name": "patch", "description": "Patches"},
        {"type": "custom", "custom": {"name": "patch", "description": "Patches"}},
    ),
    "flat custom with a grammar": (
        {"type": "custom", "name": "patch", "format": {"type": "grammar", **GRAMMAR}},
        {
            "type": "custom",
            "custom": {"name": "patch", "format": {"type": "grammar", "grammar": GRAMMAR}},
        },
    ),
    "hosted": ({"type": "web_search", "max_uses": 3}, {"type": "web_search", "max_uses": 3}),
    "hosted, as Google writes it": (
        {"googleSearch": {}},
        {"type": "googleSearch", "googleSearch": {}},
    ),
}


@pytest.mark.parametrize(("written", "meant"), TOOLS.values(), ids=TOOLS)
def test_a_tool_in_the_words_of_any_api(written: dict[str, Any], meant: dict[str, Any]) -> None:
    assert chat_of(tools=[written])["tools"] == [meant]


@pytest.mark.parametrize(
    "tool", ["x", {}, {"type": "function"}, {"type": "custom"}, {"type": 1, "name": "x"}, None]
)
def test_a_tool_without_a_plain_meaning_is_refused_by_its_path(tool: Any) -> None:
    assert str(refused(tools=[NESTED, tool])).startswith("tools[1]")


CHOICES: dict[str, tuple[Any, dict[str, Any]]] = {
    "a tool": (
        {"type": "tool", "name": "read"},
        {"tool_choice": {"type": "function", "function": {"name": "read"}}},
    ),
    "any": ({"type": "any"}, {"tool_choice": "required"}),
    "the word any": ("any", {"tool_choice": "required"}),
    "a tool by its bare name": (
        "read",
        {"tool_choice": {"type": "function", "function": {"name": "read"}}},
    ),
    "a function by its bare name": (
        {"type": "function", "function": "read"},
        {"tool_choice": {"type": "function", "function": {"name": "read"}}},
    ),
    "one at a time": (
        {"type": "auto", "disable_parallel_tool_use": True},
        {"tool_choice": "auto", "parallel_tool_calls": False},
    ),
    "one tool, one at a time": (
        {"type": "tool", "name": "read", "disable_parallel_tool_use": True},
        {
            "tool_choice": {"type": "function", "function": {"name": "read"}},
            "parallel_tool_calls": False,
        },
    ),
    "nothing": ("", {}),
}


@pytest.mark.parametrize(("written", "meant"), CHOICES.values(), ids=CHOICES)
def test_a_choice_in_the_words_of_any_api(written: Any, meant: dict[str, Any]) -> None:
    chat = chat_of(tools=[NESTED], tool_choice=written)
    assert {
        key: chat[key] for key in ("tool_choice", "parallel_tool_calls") if key in chat
    } == meant


def test_a_choice_that_no_tool_has_is_refused() -> None:
    assert refused(tools=[NESTED], tool_choice="write") == "tool_choice"


# --- parts ----------------------------------------------------------------------------------------

DATA_URL = f"data:image/png;base64,{PNG}"
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
PARTS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "input_image": (
        {"type": "input_image", "image_url": DATA_URL, "detail": "low"},
        [{"type": "image_url", "image_url": {"url": DATA_URL, "detail": "low"}}],
    ),
    "image of base64": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        [{"type": "image_url", "image_url": {"url": DATA_URL}}],
    ),
    "image at an address": (
        {
            "type": "image",
            "source": {"type": "url", "url": "https://a/b.png"},
            "cache_control": {"type": "ephemeral"},
        },
        [
            {
                "type": "image_url",
                "image_url": {"url": "https://a/b.png"},
                "cache_control": {"type": "ephemeral"},
            }
        ],
    ),
    "input_file": (
        {"type": "input_file", "filename": "a.pdf", "file_data": "JVBERi0="},
        [{"type": "file", "file": {"filename": "a.pdf", "file_data": "JVBERi0="}}],
    ),
    "input_file at an address": (
        {"type": "input_file", "file_url": "https://a/b.pdf"},
        [{"type": "file", "file": {"file_data": "https://a/b.pdf"}}],
    ),
    "document of base64": (
        {"type": "document", "source": PDF, "title": "a.pdf"},
        [
            {
                "type": "file",
                "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
            }
        ],
    ),
    "document at an address": (
        {"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}},
        [{"type": "file", "file": {"file_data": "https://a/b.pdf"}}],
    ),
    "document of text": (
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
        [
            {
                "type": "file",
                "file": {
                    "file_data": f"data:text/plain;base64,{base64.b64encode('é'.encode()).decode()}"
                },
            }
        ],
    ),
    "document of blocks with a title": (
        {
            "type": "document",
            "source": {"type": "content", "content": [{"type": "text", "text": "x"}]},
            "title": "Report",
            "context": "Of May",
        },
        [{"type": "text", "text": "Report\nOf May"}, {"type": "text", "text": "x"}],
    ),
    "document of blocks": (
        {
            "type": "document",
            "source": {"type": "content", "content": [{"type": "text", "text": "x"}]},
        },
        [{"type": "text", "text": "x"}],
    ),
    "search_result": (
        {
            "type": "search_result",
            "source": "https://a",
            "title": "A",
            "content": [{"type": "text", "text": "x"}],
        },
        [{"type": "text", "text": "A (https://a)\nx"}],
    ),
    "input_audio": (
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
        [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}}],
    ),
    "flat input_audio": (
        {"type": "input_audio", "data": "AA==", "format": "mp3"},
        [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}}],
    ),
    "bare text": ("x", [{"type": "text", "text": "x"}]),
}


@pytest.mark.parametrize(("written", "meant"), PARTS.values(), ids=PARTS)
def test_a_part_in_the_words_of_any_api(written: Any, meant: list[dict[str, Any]]) -> None:
    assert (
        chat_of(messages=[{"role": "user", "content": [written]}])["messages"][0]["content"]
        == meant
    )


@pytest.mark.parametrize(("written", "meant"), PARTS.values(), ids=PARTS)
def test_a_part_without_its_list_is_one_part(written: Any, meant: list[dict[str, Any]]) -> None:
    content = chat_of(messages=[{"role": "user", "content": written}])["messages"][0]["content"]
    assert content == (written if isinstance(written, str) else meant)


UNCLEAR: dict[str, tuple[dict[str, Any], str]] = {
    "an image that was uploaded": ({"type": "input_image", "file_id": "file-1"}, "file_id"),
    "a block that was uploaded": (
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        "source.file_id",
    ),
    "an image without a source": ({"type": "image"}, "source"),
    "a document without data": ({"type": "document", "source": {"type": "base64"}}, "source.data"),
    "a file without data": ({"type": "input_file", "filename": "x"}, "file_data"),
    "audio without data": ({"type": "input_audio"}, "input_audio.data"),
    "a result without an id": ({"type": "tool_result", "content": "x"}, "tool_use_id"),
    "text without text": ({"type": "input_text"}, "text"),
    "no type": ({"text": "x"}, "type"),
}


@pytest.mark.parametrize(("part", "path"), UNCLEAR.values(), ids=UNCLEAR)
def test_a_part_without_a_plain_meaning_is_refused_by_its_path(
    part: dict[str, Any], path: str
) -> None:
    messages = [USER, {"role": "user", "content": [{"type": "text", "text": "x"}, part]}]
    assert refused(messages=messages) == f"messages[1].content[1].{path}"


# --- the conversation -----------------------------------------------------------------------------

CALL = {"id": "t1", "type": "function", "function": {"name": "read", "arguments": '{"path":"a"}'}}
CALLING = {"role": "assistant", "content": "", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "t1", "content": "text"}
BLOCK = {"type": "tool_result", "tool_use_id": "t1", "content": "text"}
USE = {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "a"}}


def block(**more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", "content": "text", **more}


ITEM = {
    "type": "function_call",
    "call_id": "t1",
    "id": "fc_1",
    "name": "read",
    "arguments": '{"path":"a"}',
}
OUTPUT = {"type": "function_call_output", "call_id": "t1", "output": "text"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
HISTORIES: dict[str, tuple[list[Any], list[dict[str, Any]]]] = {
    "blocks": (
        [{"role": "assistant", "content": [USE]}, {"role": "user", "content": [block()]}],
        [CALLING, RESULT],
    ),
    "blocks and words": (
        [
            {"role": "assistant", "content": [{"type": "text", "text": "See:"}, USE]},
            {"role": "user", "content": [{"type": "text", "text": "ok?"}, block()]},
        ],
        [
            {**CALLING, "content": [{"type": "text", "text": "See:"}]},
            RESULT,
            {"role": "user", "content": [{"type": "text", "text": "ok?"}]},
        ],
    ),
    "a block of an error": (
        [{"role": "assistant", "content": [USE]}, {"role": "user",
        "content": [block(is_error=True)]}],
        [CALLING, {**RESULT, "is_error": True}],
    ),
    "blocks beside tool_calls that say the same": (
        [{"role": "assistant", "content": [USE], "tool_calls": [CALL]}, RESULT],
        [CALLING, RESULT],
    ),
    "flat calls": (
        [{"role": "assistant", "content": "", "tool_calls": [{"id": "t1", "name": "read",
        "input": {"path": "a"}}]},
         RESULT],
        [CALLING, RESULT],
    ),
    "items": (
        [THOUGHT, ITEM, OUTPUT],
        [{"role": "assistant", "tool_calls": [CALL], "content": None}, RESULT],
    ),
    "items and messages": (
        [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text",
            "text": "See:"}]},
            ITEM,
            OUTPUT,
        ],
        [{**CALLING, "content": [{"type": "text", "text": "See:"}]}, RESULT],
    ),
    "a result that is not text": (
        [CALLING, {**RESULT, "content": {"size": 2**70}}],
        [CALLING, {**RESULT, "content": '{"size":1180591620717411303424}'}],
    ),
    "a result that is a list": ([CALLING, {**RESULT, "content": [1, 2]}], [CALLING, {**RESULT,
    "content": "[1,2]"}]),
    "an item of a hosted tool": (
        [{"type": "web_search_call", "id": "ws_1"}],
        [{"role": "assistant", "content": [{"type": "web_search_call", "id": "ws_1"}]}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("field", ["messages", "input"])
@pytest.mark.parametrize(("written", "meant"), HISTORIES.values(), ids=HISTORIES)
def test_a_history_in_the_words_of_any_api(
    written: list[Any], meant: list[dict[str, Any]], field: str
) -> None:
    chat = chat_of(**{field: [USER, *written]})
    found = [
        {key: value for key, value in message.items() if value is not None}
        for message in chat["messages"]
    ]
    assert found == [
        USER,
        *({key: value for key, value in each.items() if value is not None} for each in meant),
    ]


@pytest.mark.parametrize("name", STRICT)
@pytest.mark.parametrize("written", [case for case, _ in HISTORIES.values()], ids=HISTORIES)
def test_every_provider_accepts_a_history_of_sister_forms(written: list[Any], name: str) -> None:
    provider = name.partition("-")[0]
    target = model(provider, "gpt-6-luna" if name == "openai-responses" else IDS[provider])
    chat = chat_of(input=[USER, *written, USER], tools=[{"type": "function", **FUNCTION}])
    STRICT[name](dict(DIALECTS[choose(chat, target)].encode_request(chat, target).body))


PATHS: dict[str, tuple[dict[str, Any], str]] = {
    "an item's id": ({"type": "item_reference", "id": "x"}, "input[0].id"),
    "an output without an id": (
        {"type": "function_call_output", "output": "x"},
        "input[0].call_id",
    ),
    "a call without a name": ({"type": "function_call", "call_id": "x"}, "input[0].name"),
    "a message without a role": ({"type": "message", "content": "x"}, "input[0].role"),
    "a number": (5, "input[0]"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize(("item", "path"), PATHS.values(), ids=PATHS)
def test_an_item_without_a_plain_meaning_is_refused_by_its_path(item: Any, path: str) -> None:
    assert refused(input=[item]) == path


# --- fields ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["system", "instructions"])
@pytest.mark.parametrize("given", ["Be brief.", [{"type": "text", "text": "Be brief."}]])
@pytest.mark.parametrize("source", [{"input": "Hi"}, {"messages": [USER]}])
def test_instructions_at_the_top_come_first(field: str, given: Any, source: dict[str, Any]) -> None:
    chat = chat_of(**{field: given}, **source)
    assert field not in chat
    assert chat["messages"] == [{"role": "system", "content": given}, USER]


FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the limit": ({"max_output_tokens": 9}, {"max_completion_tokens": 9}),
    "the stops": ({"stop_sequences": ["a"]}, {"stop": ["a"]}),
    "the format": (
        {
            "text": {
                "format": {"type": "json_schema", "name": "n", "schema": SCHEMA},
                "verbosity": "low",
            }
        },
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": SCHEMA},
            },
            "verbosity": "low",
        },
    ),
    "the plain format": (
        {"text": {"format": {"type": "text"}}},
        {"response_format": {"type": "text"}},
    ),
    "the output's configuration": (
        {"output_config": {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}}},
        {
            "reasoning_effort": "high",
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA},
            },
        },
    ),
}


@pytest.mark.parametrize(("written", "meant"), FIELDS.values(), ids=FIELDS)
def test_a_field_by_its_other_name(written: dict[str, Any], meant: dict[str, Any]) -> None:
    chat = chat_of(**written)
    assert {key: value for key, value in chat.items() if key not in ("model", "messages")} == meant


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two conversations": ({"messages": [USER], "input": "Hi"}, "input"),
    "no items": ({"input": []}, "input"),
    "an input of another kind": ({"input": 5}, "input"),
    "instructions of another kind": ({"instructions": 5}, "instructions"),
    "a stored conversation": ({"previous_response_id": "resp_1"}, "previous_response_id"),
    "another stored conversation": ({"conversation": "conv_1"}, "conversation"),
    "a format of another kind": ({"text": {"format": 5}}, "text.format"),
    "a text of another kind": ({"text": "plain"}, "text"),
}


@pytest.mark.parametrize(("body", "path"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_plain_meaning_is_refused_by_its_path(body: dict[str, Any], path: str) -> None:
    assert refused(**body) == path


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "tool calls of another kind": ({"tool_calls": "x"}, "messages[0].tool_calls"),
    "a function call of another kind": ({"function_call": "x"}, "messages[0].function_call"),
    "an id of another kind": (
        {"tool_calls": [{"id": [1], "function": {"name": "f"}}]},
        "messages[0].tool_calls[0].id",
    ),
    "a custom call of another kind": (
        {"tool_calls": [{"id": "a", "custom": "x"}]},
        "messages[0].tool_calls[0].custom",
    ),
}


@pytest.mark.parametrize(("message", "path"), WRONG.values(), ids=WRONG)
def test_a_call_of_another_form_is_refused_by_its_path(message: dict[str, Any], path: str) -> None:
    with pytest.raises(Failed) as raised:
        normalize({"model": "dev", "messages": [{"role": "assistant", **message}]})
    assert raised.value.failure.param == path


CALL_A = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
BLOCK = {"type": "tool_result", "tool_use_id": "a", "content": "ok"}
RESULTS: dict[str, dict[str, Any]] = {
    "by another name of the id": {"role": "tool", "tool_use_id": "a", "content": "ok"},
    "by a third name of the id": {"role": "tool", "call_id": "a", "content": "ok"},
    "as a block": {"role": "tool", "content": [BLOCK]},
    "as a block without its list": {"role": "user", "content": BLOCK},
}


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
@pytest.mark.parametrize("calls", [CALL_A, [CALL_A]], ids=["a call without its list", "a list"])
def test_a_result_is_read_in_any_form(result: dict[str, Any], calls: Any) -> None:
    chat = normalize(
        {"model": "dev", "messages": [USER, {"role": "assistant", "tool_calls": calls}, result]}
    )
    assert chat["messages"][2] == {"role": "tool", "tool_call_id": "a", "content": "ok"}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"text": {"verbosity": "low", "x_new": 1}}, "text"),
        ({"output_config": {"effort": "low", "task_budget": {"tokens": 1}}}, "output_config"),
        *(
            ({"messages": [{"role": "user", "content": [part]}]}, "messages.content.x_new")
            for part in (
                {"type": "input_image", "image_url": "https://a/b.png", "x_new": 1},
                {"type": "input_file", "file_data": "JVBERi0=", "x_new": 1},
                {"type": "document", "source": PDF, "x_new": 1},
            )
        ),
        (
            {
                "messages": [
                    CALLING,
                    {"role": "user", "content": [{**BLOCK, "x_new": 1, "is_error": False}]},
                ]
            },
            "messages.x_new",
        ),
    ],
    ids=str,
)
def test_what_is_not_read_of_another_apis_words_is_named(body: dict[str, Any], path: str) -> None:
    target = model("anthropic")
    assert path in DIALECTS["anthropic"].encode_request(chat_of(**body), target).dropped
