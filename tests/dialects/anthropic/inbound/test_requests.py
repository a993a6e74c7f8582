"""Requests: every field and block of the Messages API in the hub's form, and what is lost."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gateway.dialects.anthropic.inbound import decode_request
from gateway.failures import Failed, Kind
from gateway.hub.contracts import Request
from gateway.hub.sealed import PREFIX, seal

USER = {"role": "user", "content": "Hi"}
EPHEMERAL = {"type": "ephemeral"}
TOOL = {"name": "f", "description": "Does f.", "input_schema": {"type": "object", "properties": {}}}
FUNCTION = {
    "type": "function",
    "function": {
        "name": "f",
        "description": "Does f.",
        "parameters": {"type": "object", "properties": {}},
    },
}
PIXEL = "iVBORw0KGgoAAAANSUhEUg=="


def decode(*turns: Any, headers: dict[str, str] | None = None, **fields: Any) -> Request:
    body = {"model": "coder", "max_tokens": 100, "messages": list(turns) or [USER], **fields}
    before = copy.deepcopy(body)
    request = decode_request(body, headers or {})
    assert body == before, "the client's body is changed"
    assert request.body == body
    return request


def messages(*turns: Any, **fields: Any) -> list[dict[str, Any]]:
    found = decode(*turns, **fields).chat["messages"]
    assert isinstance(found, list)
    return found


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def use(id_: str, name: str = "f", **input_: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": input_}


def result(id_: str, content: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, "content": content, **more}


# --- fields ---------------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}


def formatted(schema: dict[str, Any], *, strict: bool) -> dict[str, Any]:
    return {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": schema, "strict": strict},
    }


FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the limit": ({"max_tokens": 5}, {"max_completion_tokens": 5}),
    "stream": ({"stream": True}, {"stream": True}),
    "stop sequences": ({"stop_sequences": ["a", "b"]}, {"stop": ["a", "b"]}),
    "sampling": (
        {"temperature": 0.5, "top_p": 0.9, "top_k": 4},
        {"temperature": 0.5, "top_p": 0.9, "top_k": 4},
    ),
    "a null is absent": ({"temperature": None, "tools": None}, {}),
    "automatic caching": ({"cache_control": EPHEMERAL}, {"cache_control": EPHEMERAL}),
    "thinking off": ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
    "thinking off wins over an effort": (
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}},
        {"reasoning_effort": "none"},
    ),
    "a small budget": (
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        {"reasoning_effort": "low"},
    ),
    "a medium budget": (
        {"thinking": {"type": "enabled", "budget_tokens": 12000}},
        {"reasoning_effort": "medium"},
    ),
    "a large budget": (
        {"thinking": {"type": "enabled", "budget_tokens": 24000}},
        {"reasoning_effort": "high"},
    ),
    "a huge budget": (
        {"thinking": {"type": "enabled", "budget_tokens": 24001}},
        {"reasoning_effort": "xhigh"},
    ),
    "adaptive thinking is the model's own level": ({"thinking": {"type": "adaptive"}}, {}),
    "thinking between tools": (
        {"thinking": {"type": "between_tools"}, "output_config": {"effort": "max"}},
        {"reasoning_effort": "max"},
    ),
    "an effort alone": ({"output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
    "a schema": (
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"response_format": formatted(SCHEMA, strict=True)},
    ),
    "a schema in the deprecated field": (
        {"output_format": {"type": "json_schema", "schema": SCHEMA}},
        {"response_format": formatted(SCHEMA, strict=True)},
    ),
    "a schema that OpenAI's strict mode refuses": (
        {"output_config": {"format": {"type": "json_schema", "schema": OPEN}}},
        {"response_format": formatted(OPEN, strict=False)},
    ),
    "tools": ({"tools": [TOOL]}, {"tools": [FUNCTION]}),
    "any tool": (
        {"tools": [TOOL], "tool_choice": {"type": "any"}},
        {"tools": [FUNCTION], "tool_choice": "required"},
    ),
    "no tool": (
        {"tools": [TOOL], "tool_choice": {"type": "none"}},
        {"tools": [FUNCTION], "tool_choice": "none"},
    ),
    "one tool, not in parallel": (
        {
            "tools": [TOOL],
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        },
        {
            "tools": [FUNCTION],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": False,
        },
    ),
    "not in parallel": (
        {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"tools": [FUNCTION], "tool_choice": "auto", "parallel_tool_calls": False},
    ),
}


@pytest.mark.parametrize(("fields", "wanted"), FIELDS.values(), ids=FIELDS.keys())
def test_fields(fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    request = decode(**fields)
    expected = {"model": "coder", "messages": [USER], "max_completion_tokens": 100, **wanted}
    assert request.chat == expected
    assert request.dropped == ()


LOST: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a pre-warmed cache": ({"max_tokens": 0}, ("max_tokens",)),
    "context management": (
        {"context_management": {"edits": [{"type": "x"}]}},
        ("context_management",),
    ),
    "remote tools": ({"mcp_servers": [{"url": "https://a.example"}]}, ("mcp_servers",)),
    "a container": ({"container": "c"}, ("container",)),
    "who asks": ({"metadata": {"user_id": "u"}}, ("metadata",)),
    "a tier": ({"service_tier": "standard_only"}, ("service_tier",)),
    "a tier that says nothing": ({"service_tier": "auto", "speed": "standard"}, ()),
    "a task budget": (
        {"output_config": {"task_budget": {"tokens": 1}}},
        ("output_config.task_budget",),
    ),
    "an unknown effort": ({"output_config": {"effort": "ultra"}}, ("output_config.effort",)),
    "an unknown format": (
        {"output_config": {"format": {"type": "xml"}}},
        ("output_config.format",),
    ),
    "an unknown field": ({"brand_new": 1}, ("brand_new",)),
    "a server tool": (
        {"tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}]},
        ("tools.1",),
    ),
    "a forced server tool": (
        {
            "tools": [{"type": "web_search_20250305", "name": "web_search"}],
            "tool_choice": {"type": "tool", "name": "web_search"},
        },
        ("tools.0", "tool_choice"),
    ),
    "a forced tool of a set": (
        {
            "tools": [{"type": "mcp_toolset", "mcp_server_name": "s"}],
            "tool_choice": {"type": "tool", "name": "look"},
        },
        ("tools.0", "tool_choice"),
    ),
    "a member of a choice": (
        {"tools": [TOOL], "tool_choice": {"type": "auto", "brand_new": 1}},
        ("tool_choice.brand_new",),
    ),
    "the size of a screen": (
        {
            "tools": [
                {"type": "computer_20250124", "name": "computer", "display_width_px": 9},
            ]
        },
        ("tools.0.display_width_px",),
    ),
    "an unknown way to think": ({"thinking": {"type": "brand_new"}}, ("thinking",)),
    "a member of thinking": (
        {"thinking": {"type": "disabled", "brand_new": 1}},
        ("thinking.brand_new",),
    ),
    "a member of a format": (
        {"output_config": {"format": {"type": "json_schema", "schema": {"a": 1}, "brand_new": 1}}},
        ("output_config.format.brand_new",),
    ),
    "a key of a turn": (
        {"messages": [{**USER, "brand_new": 1, "id": "msg_1"}]},
        ("messages.0.brand_new",),
    ),
    "a key of a block": (
        {"messages": [user({**text("Hi"), "brand_new": 1, "citations": None, "nothing": None})]},
        ("messages.0.content.0.brand_new",),
    ),
    "a key of the system prompt": (
        {"system": [{**text("Be brief."), "brand_new": 1}]},
        ("system.0.brand_new",),
    ),
    "a key of a call": (
        {"messages": [USER, assistant({**use("a"), "brand_new": 1, "caller": {}}), USER]},
        ("messages.1.content.0.brand_new",),
    ),
    "citations of a search": (
        {
            "messages": [
                user(
                    {
                        "type": "search_result",
                        "source": "a",
                        "title": "b",
                        "content": [text("c")],
                        "citations": {"enabled": True},
                    }
                )
            ]
        },
        ("messages.0.content.0.citations",),
    ),
    "what a server tool was asked": (
        {
            "messages": [
                USER,
                assistant({"type": "server_tool_use", "id": "s", "input": {"q": "a"}}, text("b")),
                USER,
            ]
        },
        ("messages.1.content.0.input",),
    ),
    "any of no tools": ({"tools": [], "tool_choice": {"type": "any"}}, ("tool_choice",)),
    "examples of a tool": (
        {"tools": [{**TOOL, "input_examples": [{}]}]},
        ("tools.0.input_examples",),
    ),
}


@pytest.mark.parametrize(("fields", "wanted"), LOST.values(), ids=LOST.keys())
def test_what_the_hub_cannot_express_is_named(
    fields: dict[str, Any], wanted: tuple[str, ...]
) -> None:
    assert decode(**fields).dropped == wanted


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no model": ({"model": None}, "model", "model: Field required"),
    "no limit": ({"max_tokens": None}, "max_tokens", "max_tokens: Field required"),
    "no messages": ({"messages": None}, "messages", "messages: Field required"),
    "empty messages": ({"messages": []}, "messages", "messages: at least one message is required"),
    "messages that are text": (
        {"messages": "Hi"},
        "messages",
        "messages: Input should be a valid list",
    ),
    "a message that is text": (
        {"messages": ["Hi"]},
        "messages.0",
        "messages.0: Input should be a valid dictionary",
    ),
    "a message without content": (
        {"messages": [{"role": "user"}]},
        "messages.0.content",
        "messages.0.content: Field required",
    ),
    "a role of another API": (
        {"messages": [{"role": "tool", "content": "a"}]},
        "messages.0.role",
        "messages.0.role: Input should be 'user', 'assistant' or 'system'",
    ),
    "a block without a type": (
        {"messages": [user({"text": "a"})]},
        "messages.0.content.0.type",
        "messages.0.content.0.type: Field required",
    ),
    "a text that is a number": (
        {"messages": [user({"type": "text", "text": 1})]},
        "messages.0.content.0.text",
        "messages.0.content.0.text: Input should be a valid string",
    ),
    "a call without an id": (
        {"messages": [assistant({"type": "tool_use", "name": "f"})]},
        "messages.0.content.0.id",
        "messages.0.content.0.id: Field required",
    ),
    "an input that is not an object": (
        {"messages": [assistant({"type": "tool_use", "name": "f", "id": "a", "input": []})]},
        "messages.0.content.0.input",
        "messages.0.content.0.input: Input should be a valid dictionary",
    ),
    "an image without a source": (
        {"messages": [user({"type": "image"})]},
        "messages.0.content.0.source",
        "messages.0.content.0.source: Field required",
    ),
    "an image from nowhere": (
        {"messages": [user({"type": "image", "source": {"type": "dream"}})]},
        "messages.0.content.0.source.type",
        "messages.0.content.0.source.type: Input should be 'base64', 'url' or 'file'",
    ),
    "a limit below zero": (
        {"max_tokens": -1},
        "max_tokens",
        "max_tokens: Input should be a valid integer of at least 0",
    ),
    "a limit that is a truth": (
        {"max_tokens": True},
        "max_tokens",
        "max_tokens: Input should be a valid integer",
    ),
    "a stream that is text": (
        {"stream": "yes"},
        "stream",
        "stream: Input should be a valid boolean",
    ),
    "tools that are an object": ({"tools": {}}, "tools", "tools: Input should be a valid list"),
    "a tool without a name": ({"tools": [{}]}, "tools.0.name", "tools.0.name: Field required"),
    "a schema that is text": (
        {"tools": [{"name": "f", "input_schema": "x"}]},
        "tools.0.input_schema",
        "tools.0.input_schema: Input should be a valid dictionary",
    ),
    "a choice of another API": (
        {"tools": [TOOL], "tool_choice": {"type": "required"}},
        "tool_choice.type",
        "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'",
    ),
    "the choice of an unknown tool": (
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}},
        "tool_choice",
        "tool_choice: Tool 'g' not found in provided tools",
    ),
    "thinking without a type": ({"thinking": {}}, "thinking.type", "thinking.type: Field required"),
}


@pytest.mark.parametrize(("fields", "param", "message"), WRONG.values(), ids=WRONG.keys())
def test_invalid_requests_are_refused_in_anthropics_format(
    fields: dict[str, Any], param: str, message: str
) -> None:
    with pytest.raises(Failed) as caught:
        decode(**fields)
    failure = caught.value.failure
    assert (failure.kind, failure.status, failure.param) == (Kind.INVALID_REQUEST, 400, param)
    assert failure.message.startswith(message)


def test_the_headers_of_the_native_lane_are_kept_and_no_others() -> None:
    headers = {
        "anthropic-beta": "a, b",
        "anthropic-version": "2026-10-21",
        "x-api-key": "secret",
        "user-agent": "x",
    }
    assert decode(headers=headers).headers == {
        "anthropic-beta": "a, b",
        "anthropic-version": "2026-10-21",
    }


def nested(depth: int, *keys: str) -> Any:
    value: Any = "x"
    for number in range(depth):
        value = {keys[number % len(keys)]: [value], "type": "object"}
    return value


@pytest.mark.parametrize("depth", [100, 1000])
@pytest.mark.parametrize("keys", [("a",), ("content",), ("anyOf", "items")])
def test_no_depth_of_nesting_breaks_anything(depth: int, keys: tuple[str, ...]) -> None:
    deep = nested(depth, *keys)
    blocks = [
        text("a"),
        {"type": "web_search_tool_result", "content": deep},
        {
            "type": "document",
            "source": {"type": "content", "content": [{"type": "document", "source": deep}]},
        },
    ]
    fields = {
        "output_config": {"format": {"type": "json_schema", "schema": deep}},
        "brand_new": deep,
    }
    body = {"model": "m", "max_tokens": 1, "messages": [USER, assistant(*blocks)], **fields}
    assert decode_request(body, {}).chat["messages"][0] == USER


def test_an_input_that_is_nested_too_deep_is_refused() -> None:
    turn = assistant(use("a", deep=nested(50_000, "a")))
    with pytest.raises(Failed) as caught:
        decode_request({"model": "m", "max_tokens": 1, "messages": [turn]}, {})
    assert caught.value.failure.param == "messages.0.content.0.input"


# --- instructions ---------------------------------------------------------------------------------

BILLING = "x-anthropic-billing-header: cc_version=2.1.332; cch=abc"


def test_each_system_block_is_a_message() -> None:
    system = [text("Be terse."), text("Be kind.", cache_control=EPHEMERAL)]
    assert messages(system=system)[:-1] == [
        {"role": "system", "content": "Be terse."},
        {"role": "system", "content": [text("Be kind.", cache_control=EPHEMERAL)]},
    ]


def test_a_system_string() -> None:
    assert messages(system="Be terse.")[0] == {"role": "system", "content": "Be terse."}


def test_the_billing_block_stays_with_anthropic() -> None:
    assert messages(system=[text(BILLING), text("Be terse.")]) == [
        {"role": "system", "content": "Be terse."},
        USER,
    ]
    assert len(messages(system=[text("Be terse."), text(BILLING)])) == 3


def reminded(words: str) -> dict[str, Any]:
    return text(f"<system-reminder>\n{words}\n</system-reminder>")


LATE: dict[str, tuple[list[Any], list[Any]]] = {
    "behind the user": (
        [USER, {"role": "system", "content": "Now."}],
        [{"role": "user", "content": [text("Hi"), reminded("Now.")]}],
    ),
    "as blocks": (
        [USER, {"role": "system", "content": [text("A"), text("B")]}],
        [{"role": "user", "content": [text("Hi"), reminded("A"), reminded("B")]}],
    ),
    "wrapped already": (
        [USER, {"role": "system", "content": "<system-reminder>A</system-reminder>"}],
        [{"role": "user", "content": [text("Hi"), text("<system-reminder>A</system-reminder>")]}],
    ),
    "behind a result": (
        [USER, assistant(use("a")), user(result("a")), {"role": "system", "content": "A"}],
        [
            USER,
            {
                "role": "assistant",
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f",
                "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "a", "content": "ok"},
            {"role": "user", "content": reminded("A")["text"]},
        ],
    ),
    "before the first user": ([{"role": "system", "content": "A"}, USER], [{"role": "system",
    "content": "A"}, USER]),
    "over": ([USER, {"role": "system", "content": "A", "clear_at": "next_user_message"}, USER], [
        {"role": "user", "content": [text("Hi"), text("Hi")]}
    ]),
    "not yet over": (
        [USER, {"role": "system", "content": "A", "clear_at": "next_user_message"}],
        [{"role": "user", "content": [text("Hi"), reminded("A")]}],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("turns", "wanted"), LATE.values(), ids=LATE.keys())
def test_instructions_in_mid_conversation_join_the_user(
    turns: list[Any], wanted: list[Any]
) -> None:
    assert messages(*turns) == wanted


def test_the_prefix_of_a_conversation_stays_the_same_when_instructions_follow() -> None:
    """Prompt caches live on it."""
    first = messages(USER, assistant(text("a")), USER, system="S")
    later = messages(
        USER, assistant(text("a")), USER, {"role": "system", "content": "A"}, system="S"
    )
    assert later[:-1] == first[:-1]


# --- blocks ---------------------------------------------------------------------------------------

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
IMAGE_URL = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}


def document(source: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "document", "source": source, **more}


PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
BLOCKS: dict[str, tuple[dict[str, Any], list[Any], tuple[str, ...]]] = {
    "text": (text("a"), [text("a")], ()),
    "text with a mark": (
        text("a", cache_control=EPHEMERAL),
        [text("a", cache_control=EPHEMERAL)],
        (),
    ),
    "text with citations": (text("a", citations=[{}]), [text("a")], ()),
    "an image": (IMAGE, [IMAGE_URL], ()),
    "an image with a mark": (
        {**IMAGE, "cache_control": EPHEMERAL},
        [{**IMAGE_URL, "cache_control": EPHEMERAL}],
        (),
    ),
    "an image by its address": (
        {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
        [{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}],
        (),
    ),
    "an uploaded image": (
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        [{"type": "file", "file": {"file_id": "file_1"}}],
        (),
    ),
    "a PDF": (
        document(PDF, title="Report"),
        [
            {
                "type": "file",
                "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "Report"},
            }
        ],
        (),
    ),
    "a PDF by its address": (
        document({"type": "url", "url": "https://a.example/b.pdf"}),
        [{"type": "file", "file": {"file_data": "https://a.example/b.pdf"}}],
        (),
    ),
    "an uploaded document": (
        document({"type": "file", "file_id": "file_1"}),
        [{"type": "file", "file": {"file_id": "file_1"}}],
        (),
    ),
    "a plain document": (
        document({"type": "text", "media_type": "text/plain", "data": "Body."}, title="Notes"),
        [text("Notes\nBody.")],
        (),
    ),
    "a document of blocks": (
        document({"type": "content", "content": [text("Body."), IMAGE]}, title="Notes"),
        [text("Notes"), text("Body."), IMAGE_URL],
        (),
    ),
    "a document that is to be cited": (
        document(
            {"type": "text", "media_type": "text/plain", "data": "Body."},
            citations={"enabled": True},
        ),
        [text("Body.")],
        ("messages.0.content.0.citations",),
    ),
    "a search result": (
        {
            "type": "search_result",
            "title": "T",
            "source": "https://a.example",
            "content": [text("Found.")],
        },
        [text("T (https://a.example)"), text("Found.")],
        (),
    ),
    "a found tool": (
        {"type": "tool_reference", "tool_name": "f"},
        [text("tool f is now available")],
        (),
    ),
    "an unknown block": ({"type": "hologram"}, [], ("messages.0.content.0",)),
    "an upload for a container": (
        {"type": "container_upload", "file_id": "f"},
        [],
        ("messages.0.content.0",),
    ),
}


@pytest.mark.parametrize(("block", "wanted", "lost"), BLOCKS.values(), ids=BLOCKS.keys())
@pytest.mark.parametrize("place", ["user", "result"])
def test_blocks(
    block: dict[str, Any], wanted: list[Any], lost: tuple[str, ...], place: str
) -> None:
    if place == "user":
        request = decode(user(block, text("end")))
        assert request.chat["messages"] == [
            {"role": "user", "content": _content([*wanted, text("end")])}
        ]
        assert request.dropped == lost
        return
    request = decode(USER, assistant(use("a")), user(result("a", [block])))
    assert request.chat["messages"][2]["content"] == _content(wanted)
    moved = tuple(
        path.replace("messages.0.content.0", "messages.2.content.0.content.0") for path in lost
    )
    assert request.dropped == moved


def _content(parts: list[Any]) -> Any:
    if not parts:
        return ""
    return parts[0]["text"] if len(parts) == 1 and set(parts[0]) == {"type", "text"} else parts


def test_empty_text_is_left_out() -> None:
    assert messages(user(text(""), text("a"))) == [{"role": "user", "content": "a"}]


def test_an_empty_conversation_gets_a_placeholder() -> None:
    assert messages(user({"type": "hologram"})) == [{"role": "user", "content": "(empty)"}]


def test_neighbouring_turns_of_the_user_are_one() -> None:
    assert messages(USER, user(text("a"))) == [{"role": "user", "content": [text("Hi"), text("a")]}]


# --- tools ----------------------------------------------------------------------------------------


def test_results_come_in_the_order_of_their_calls() -> None:
    found = messages(
        USER,
        assistant(use("a"), use("b", "g")),
        user(result("b", "B"), result("a", "A"), text("So?")),
    )
    assert found[2:] == [
        {"role": "tool", "tool_call_id": "a", "content": "A"},
        {"role": "tool", "tool_call_id": "b", "content": "B"},
        {"role": "user", "content": "So?"},
    ]


def test_text_before_a_result_follows_it() -> None:
    found = messages(USER, assistant(use("a")), user(text("Wait."), result("a")))
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "user"]


def test_an_image_in_a_result_stays_there() -> None:
    found = messages(USER, assistant(use("a")), user(result("a", [text("see"), IMAGE])))
    assert found[2]["content"] == [text("see"), IMAGE_URL]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("no such file", "Error: no such file"),
        ("Error: no such file", "Error: no such file"),
        ([text("no such file")], "Error: no such file"),
        ([IMAGE, text("a")], [IMAGE_URL, text("Error: a")]),
        ([IMAGE], [text("Error: the tool failed."), IMAGE_URL]),
        ("", "Error: the tool failed."),
        (None, "Error: the tool failed."),
    ],
)
def test_a_failed_tool_is_marked(content: Any, wanted: Any) -> None:
    found = messages(USER, assistant(use("a")), user(result("a", content, is_error=True)))
    assert found[2]["content"] == wanted


def test_marks_of_calls_and_results() -> None:
    call = {**use("a"), "cache_control": EPHEMERAL}
    found = messages(USER, assistant(call), user(result("a", cache_control=EPHEMERAL)))
    assert found[1]["cache_control"] == found[2]["cache_control"] == EPHEMERAL


def test_ids_of_other_providers_pass() -> None:
    found = messages(USER, assistant(use("call_a|fc_b==")), user(result("call_a|fc_b==")))
    assert found[1]["tool_calls"][0]["id"] == found[2]["tool_call_id"] == "call_a|fc_b=="


def test_integers_beyond_64_bits_stay_exact() -> None:
    found = messages(USER, assistant(use("a", n=2**80)), user(result("a")))
    assert found[1]["tool_calls"][0]["function"]["arguments"] == f'{{"n":{2**80}}}'


def test_arguments_that_the_client_could_not_read_pass() -> None:
    found = messages(USER, assistant(use("a", __unparsedToolInput='{"x"')), user(result("a")))
    assert (
        found[1]["tool_calls"][0]["function"]["arguments"] == '{"__unparsedToolInput":"{\\"x\\""}'
    )


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        ({"type": "bash_20250124", "name": "bash"}, "bash"),
        (
            {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
            "str_replace_based_edit_tool",
        ),
        ({"type": "memory_20250818", "name": "memory"}, "memory"),
        ({"type": "computer_20251124", "name": "computer", "display_width_px": 9}, "computer"),
    ],
)
def test_a_tool_that_the_client_runs_is_a_function_elsewhere(
    tool: dict[str, Any], name: str
) -> None:
    [found] = decode(tools=[tool]).chat["tools"]
    assert found["function"]["name"] == name
    assert found["function"]["parameters"]["type"] == "object"


@pytest.mark.parametrize(
    "kind", ["code_execution_20250825", "tool_search_tool_regex_20251119", "mcp_toolset", "new_1"]
)
def test_a_tool_that_anthropic_runs_is_lost(kind: str) -> None:
    request = decode(tools=[{"type": kind, "name": "x"}], tool_choice={"type": "auto"})
    assert "tools" not in request.chat
    assert request.dropped == ("tools.0",)


def test_a_deferred_tool_is_loaded_and_its_placeholder_is_not() -> None:
    tools = [
        {**TOOL, "defer_loading": True},
        {"name": "DeferredToolPlaceholder", "input_schema": {"type": "object"}},
    ]
    request = decode(tools=tools)
    assert request.chat["tools"] == [FUNCTION]
    assert request.dropped == ()


def test_strict_and_marks_of_a_tool() -> None:
    tool = {
        "name": "f",
        "type": "custom",
        "input_schema": SCHEMA,
        "strict": True,
        "cache_control": EPHEMERAL,
    }
    [found] = decode(tools=[tool]).chat["tools"]
    assert found["function"]["strict"] is True
    assert found["cache_control"] == EPHEMERAL


def test_strict_is_lost_where_the_schema_is_not_closed() -> None:
    """OpenAI refuses such a tool, and with it the request."""
    request = decode(tools=[{"name": "f", "input_schema": OPEN, "strict": True}])
    assert "strict" not in request.chat["tools"][0]["function"]
    assert request.dropped == ("tools.0.strict",)


def change(kind: str, **tool: Any) -> dict[str, Any]:
    return {"role": "system", "content": [{"type": kind, "tool": tool}]}


NEW = {"name": "g", "input_schema": {"type": "object"}}
CHANGED: dict[str, tuple[list[Any], list[str]]] = {
    "removed": ([change("tool_removal", type="tool_reference", name="f")], []),
    "removed and added again": (
        [
            change("tool_removal", type="tool_reference", name="f"),
            change("tool_addition", type="tool_reference", name="f"),
        ],
        ["f"],
    ),
    "defined by value": (
        [change("tool_addition", type="tool_definition", definition=NEW)],
        ["f", "g"],
    ),
    "one that is not there": ([change("tool_removal", type="tool_reference", name="x")], ["f"]),
}


@pytest.mark.parametrize(("changes", "names"), CHANGED.values(), ids=CHANGED.keys())
def test_tools_change_in_mid_conversation(changes: list[Any], names: list[str]) -> None:
    request = decode(USER, *changes, tools=[TOOL])
    assert [tool["function"]["name"] for tool in request.chat.get("tools", ())] == names
    assert request.dropped == ()


# --- the model's own turns ------------------------------------------------------------------------

DETAIL = {"type": "reasoning.text", "text": "hm", "index": 0}
GEMINI = {"google": {"thought_signature": "c2ln"}}
OURS = seal({"details": [DETAIL], "calls": {"a": GEMINI}})


def thinking(signature: Any, words: str = "hm") -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": signature}


SIGNATURES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "ours": (
        thinking(OURS),
        {"reasoning_content": "hm", "reasoning_details": [DETAIL]},
        {"extra_content": GEMINI},
    ),
    "ours without text": (
        thinking(OURS, ""),
        {"reasoning_details": [DETAIL]},
        {"extra_content": GEMINI},
    ),
    "ours, redacted": (
        {"type": "redacted_thinking", "data": OURS},
        {"reasoning_details": [DETAIL]},
        {"extra_content": GEMINI},
    ),
    "another's": (thinking("EqQBCgIYAhIM"), {"reasoning_content": "hm"}, {}),
    "empty": (thinking(""), {"reasoning_content": "hm"}, {}),
    "null": (thinking(None), {"reasoning_content": "hm"}, {}),
    "another's, redacted": ({"type": "redacted_thinking", "data": "EqQB"}, {}, {}),
    "damaged": (thinking(OURS[:-9]), {"reasoning_content": "hm"}, {}),
    "forged": (
        thinking(seal({"details": "x", "calls": {"a": 1, "b": []}})),
        {"reasoning_content": "hm"},
        {},
    ),
    "forged, another shape": (thinking(seal([1])), {"reasoning_content": "hm"}, {}),
    "only the prefix": (thinking(PREFIX), {"reasoning_content": "hm"}, {}),
}


@pytest.mark.parametrize(("block", "fields", "extra"), SIGNATURES.values(), ids=SIGNATURES.keys())
def test_signatures(block: dict[str, Any], fields: dict[str, Any], extra: dict[str, Any]) -> None:
    request = decode(USER, assistant(block, text("ok"), use("a")), user(result("a")))
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}, **extra}
    assert request.chat["messages"][1] == {
        "role": "assistant",
        "content": "ok",
        "tool_calls": [call],
        **fields,
    }
    assert request.dropped == ()


def test_a_turn_of_thinking_alone_is_dropped() -> None:
    assert messages(USER, assistant(thinking("")), USER) == [
        {"role": "user", "content": [text("Hi"), text("Hi")]}
    ]


SERVED: dict[str, tuple[dict[str, Any], str | None]] = {
    "a search": (
        {
            "type": "web_search_tool_result",
            "content": [
                {
                    "type": "web_search_result",
                    "title": "T",
                    "url": "https://a.example",
                    "encrypted_content": "x",
                }
            ],
        },
        "T\nhttps://a.example",
    ),
    "a page": (
        {
            "type": "web_fetch_tool_result",
            "content": {
                "type": "web_fetch_result",
                "url": "https://a.example",
                "content": {"type": "document", "source": {"type": "text", "data": "Body."}},
            },
        },
        "https://a.example\nBody.",
    ),
    "a program": (
        {
            "type": "code_execution_tool_result",
            "content": {"stdout": "4\n", "stderr": "", "return_code": 0},
        },
        "4\n",
    ),
    "a remote tool": ({"type": "mcp_tool_result", "content": [text("done")]}, "done"),
    "a failed search": (
        {"type": "web_search_tool_result", "content": {"error_code": "unavailable"}},
        None,
    ),
    "a summary": ({"type": "compaction", "content": "Before, this."}, "Before, this."),
    "no summary": ({"type": "compaction", "content": None}, None),
}


@pytest.mark.parametrize(("block", "wanted"), SERVED.values(), ids=SERVED.keys())
def test_what_server_tools_found_is_read_as_text(block: dict[str, Any], wanted: str | None) -> None:
    call = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}}
    found = messages(USER, assistant(text("I look."), call, block), USER)[1]
    if wanted is None:
        assert found["content"] == "I look."
    else:
        assert found["content"] == [text("I look."), text(wanted)]


def test_a_call_without_a_result_is_answered() -> None:
    found = messages(USER, assistant(use("a")), USER)
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "user"]
