from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.responses.inbound.items import SUMMARY
from gateway.dialects.responses.inbound.reasoning import seal_summary, sealed
from gateway.failures import Failed
from tests.dialects.responses.inbound.makers import HELLO, Item, called, output, request

IMAGE = "data:image/png;base64,AAAA"


def text(words: str, kind: str = "output_text") -> Item:
    return {"type": kind, "text": words}


def made(id_: str, name: str = "look", arguments: str = "{}") -> Item:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def custom(id_: str, name: str, words: str) -> Item:
    return {"id": id_, "type": "custom", "custom": {"name": name, "input": words}}


def assistant(*calls: Item, **fields: Any) -> Item:
    return {"role": "assistant", **fields, **({"tool_calls": list(calls)} if calls else {})}


def result(id_: str, content: Any = "ok") -> Item:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def thought(words: str = "", **fields: Any) -> Item:
    summary = [{"type": "summary_text", "text": words}] if words else []
    return {"type": "reasoning", "id": "rs_1", "summary": summary, **fields}


DETAIL = {"type": "reasoning.text", "text": "t", "signature": "s", "id": "anthropic:0"}
EXTRA = {"google": {"thought_signature": "sig"}}
ACTION = {"type": "exec", "command": ["ls"]}

ROWS: list[tuple[str, list[Item], list[Item]]] = [
    (
        "a user's parts",
        [{"role": "user", "content": [text("Hi", "input_text")]}],
        [{"role": "user", "content": "Hi"}],
    ),
    (
        "several texts",
        [{"role": "user", "content": [text("a", "input_text"), text("b", "text")]}],
        [{"role": "user", "content": [text("a", "text"), text("b", "text")]}],
    ),
    ("no parts at all", [{"role": "user", "content": []}], [{"role": "user", "content": ""}]),
    (
        "roles in their places",
        [
            {"role": "developer", "content": "d"},
            HELLO,
            {"type": "message", "role": "system", "content": "s"},
        ],
        [{"role": "developer", "content": "d"}, HELLO, {"role": "system", "content": "s"}],
    ),
    (
        "an assistant's text and refusal",
        [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "phase": "commentary",
                "content": [text("Hm")],
            },
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        ],
        [assistant(content=[text("Hm", "text"), {"type": "refusal", "refusal": "No."}])],
    ),
    (
        "an assistant's plain text",
        [{"role": "assistant", "content": "Hm"}],
        [assistant(content="Hm")],
    ),
    (
        "one answer of several items",
        [
            thought("Why"),
            {"role": "assistant", "content": [text("So")]},
            called("c1"),
            called("c2"),
            output("c1"),
        ],
        [
            assistant(made("c1"), made("c2"), content="So", reasoning_content="Why"),
            result("c1"),
            result("c2", "[no result: interrupted]"),
        ],
    ),
    (
        "raw reasoning before its summary",
        [
            thought("Short", content=[{"type": "reasoning_text", "text": "Long"}]),
            called("c1"),
            output("c1"),
        ],
        [assistant(made("c1"), reasoning_content="Long"), result("c1")],
    ),
    (
        "reasoning with nulls",
        [
            thought("Why", content=None, encrypted_content=None, status=None),
            called("c1"),
            output("c1"),
        ],
        [assistant(made("c1"), reasoning_content="Why"), result("c1")],
    ),
    (
        "reasoning parts inside a message",
        [{"role": "assistant", "content": [{"type": "reasoning_text", "text": "Why"}, text("So")]}],
        [assistant(content="So", reasoning_content="Why")],
    ),
    (
        "sealed reasoning",
        [
            thought("Why", encrypted_content=sealed([DETAIL], {"c1": EXTRA})),
            called("c1"),
            output("c1"),
        ],
        [
            assistant(
                {**made("c1"), "extra_content": EXTRA},
                reasoning_content="Why",
                reasoning_details=[DETAIL],
            ),
            result("c1"),
        ],
    ),
    (
        "what another provider encrypted",
        [thought("Why", encrypted_content="gAAAA"), called("c1"), output("c1")],
        [assistant(made("c1"), reasoning_content="Why"), result("c1")],
    ),
    ("reasoning that led to nothing", [thought("Why"), HELLO], [HELLO]),
    (
        "a custom call and its parts",
        [
            {"type": "custom_tool_call", "call_id": "c1", "name": "exec", "input": "1+1"},
            {
                "type": "custom_tool_call_output",
                "call_id": "c1",
                "output": [text("2", "input_text")],
            },
        ],
        [assistant(custom("c1", "exec", "1+1")), result("c1", "2")],
    ),
    (
        "an image from a tool",
        [
            called("c1"),
            output("c1", [{"type": "input_image", "image_url": IMAGE, "detail": "high"}]),
        ],
        [
            assistant(made("c1")),
            result("c1", [{"type": "image_url", "image_url": {"url": IMAGE, "detail": "high"}}]),
        ],
    ),
    ("no output", [called("c1"), output("c1", None)], [assistant(made("c1")), result("c1", "")]),
    (
        "an output that is JSON",
        [called("c1"), output("c1", {"a": 2**70})],
        [assistant(made("c1")), result("c1", '{"a":1180591620717411303424}')],
    ),
    (
        "arguments that are an object",
        [called("c1", arguments={"n": 2**70}), output("c1")],  # type: ignore[arg-type]
        [assistant(made("c1", arguments='{"n":1180591620717411303424}')), result("c1")],
    ),
    (
        "a search that the provider ran",
        [
            {"type": "tool_search_call", "call_id": None, "execution": "server", "arguments": {}},
            {"type": "tool_search_output", "call_id": None, "execution": "server", "tools": []},
            HELLO,
        ],
        [HELLO],
    ),
    (
        "a message of another agent",
        [
            {
                "type": "agent_message",
                "author": "/root",
                "recipient": "/root/sub",
                "content": [
                    text("Task:", "input_text"),
                    {"type": "encrypted_content", "encrypted_content": "Find the bug"},
                    {"type": "encrypted_content", "encrypted_content": "gAAAA" * 40},
                ],
            }
        ],
        [
            {
                "role": "user",
                "content": [
                    text("From /root to /root/sub:", "text"),
                    text("Task:", "text"),
                    text("Find the bug", "text"),
                ],
            }
        ],
    ),
    (
        "our compaction",
        [
            HELLO,
            {"type": "compaction", "id": "cmp_1", "encrypted_content": seal_summary("Done: all")},
        ],
        [HELLO, {"role": "developer", "content": SUMMARY + "Done: all"}],
    ),
    (
        "shells and patches",
        [
            {
                "type": "local_shell_call",
                "id": "lsh_1",
                "call_id": "c1",
                "action": ACTION,
                "status": "completed",
            },
            {"type": "shell_call", "call_id": "c2", "action": {"commands": ["ls"]}},
            {
                "type": "apply_patch_call",
                "call_id": "c3",
                "operation": {"type": "delete_file", "path": "a"},
            },
            {"type": "local_shell_call_output", "id": "c1", "output": "a.txt"},
            {
                "type": "shell_call_output",
                "call_id": "c2",
                "output": [{"stdout": "a", "stderr": ""}],
            },
            {"type": "apply_patch_call_output", "call_id": "c3", "status": "completed"},
        ],
        [
            assistant(
                made("c1", "local_shell", '{"type":"exec","command":["ls"]}'),
                made("c2", "shell", '{"commands":["ls"]}'),
                made("c3", "apply_patch", '{"type":"delete_file","path":"a"}'),
            ),
            result("c1", "a.txt"),
            result("c2", '[{"stdout":"a","stderr":""}]'),
            result("c3", "completed"),
        ],
    ),
    (
        "what a provider looked up",
        [
            {
                "type": "web_search_call",
                "id": "ws_1",
                "status": "completed",
                "action": {"query": "moon"},
            },
            {
                "type": "mcp_call",
                "name": "find",
                "server_label": "docs",
                "arguments": "{}",
                "output": "page 3",
            },
        ],
        [
            assistant(
                content=[
                    text("[Searched the web for: moon]", "text"),
                    text("[Called find of docs: page 3]", "text"),
                ]
            )
        ],
    ),
    (
        "an output as chat completions write it",
        [called("c1"), {"role": "tool", "tool_call_id": "c1", "content": "ok"}],
        [assistant(made("c1")), result("c1")],
    ),
]


PARTLY: dict[str, tuple[str, ...]] = {
    "a search that the provider ran": ("input.tool_search_call", "input.tool_search_output"),
    "a message of another agent": ("input.content.encrypted_content",),
}
"""The rows of which something is lost."""


@pytest.mark.parametrize(("name", "items", "wanted"), ROWS, ids=[row[0] for row in ROWS])
def test_items_in_the_words_of_the_hub(name: str, items: list[Item], wanted: list[Item]) -> None:
    decoded = request(*items)
    assert decoded.chat["messages"] == wanted
    assert decoded.dropped == PARTLY.get(name, ())


@pytest.mark.parametrize(
    ("item", "path"),
    [
        ({"type": "web_search_call", "action": {"type": "open_page"}}, "input.web_search_call"),
        ({"type": "web_search_call", "action": {"query": "x" * 3000}}, "input.web_search_call"),
        ({"type": "mcp_call", "name": "f", "arguments": '{"a":1}'}, "input.mcp_call"),
        ({"type": "mcp_call", "name": "f", "output": "x" * 3000}, "input.mcp_call"),
        ({"type": "mcp_call", "name": "f", "error": "gone"}, "input.mcp_call"),
        (
            {
                "role": "user",
                "content": [{"type": "input_file", "file_data": "JVBER", "detail": "high"}],
            },
            "input.content.input_file.detail",
        ),
    ],
    ids=str,
)
def test_an_item_that_is_not_whole_in_the_hub_is_named(item: Item, path: str) -> None:
    assert request(HELLO, item).dropped == (path,)


ORDER: list[tuple[str, list[Item], list[Item]]] = [
    (
        "a hook between a call and its output",
        [called("c1"), {"role": "developer", "content": "hook"}, output("c1"), HELLO],
        [assistant(made("c1")), result("c1"), {"role": "developer", "content": "hook"}, HELLO],
    ),
    (
        "a hook between two calls",
        [
            called("c1"),
            {"role": "developer", "content": "hook"},
            called("c2"),
            output("c2"),
            output("c1"),
        ],
        [
            assistant(made("c1")),
            result("c1"),
            {"role": "developer", "content": "hook"},
            assistant(made("c2")),
            result("c2"),
        ],
    ),
    (
        "outputs in the order in which the calls were done",
        [called("c1"), called("c2"), output("c2", "2"), output("c1", "1")],
        [assistant(made("c1"), made("c2")), result("c1", "1"), result("c2", "2")],
    ),
    (
        "text between a call and its output",
        [called("c1"), {"role": "assistant", "content": "Wait"}, output("c1")],
        [assistant(made("c1"), content="Wait"), result("c1")],
    ),
    (
        "two turns, which an output divides",
        [called("c1"), output("c1"), called("c2"), output("c2")],
        [assistant(made("c1")), result("c1"), assistant(made("c2")), result("c2")],
    ),
    (
        "an output that comes after the next turn has begun",
        [
            called("c1"),
            called("c2"),
            output("c1"),
            {"role": "assistant", "content": "Hm"},
            output("c2"),
        ],
        [assistant(made("c1"), made("c2")), result("c1"), result("c2"), assistant(content="Hm")],
    ),
    (
        "a user and an answer between a call and its output",
        [called("c1"), HELLO, {"role": "assistant", "content": "Hm"}, output("c1")],
        [assistant(made("c1")), result("c1"), HELLO, assistant(content="Hm")],
    ),
    (
        "an id that every turn has",
        [called("c"), HELLO, called("c"), output("c", "2")],
        [
            assistant(made("c")),
            result("c", "[no result: interrupted]"),
            HELLO,
            assistant(made("c_2")),
            result("c_2", "2"),
        ],
    ),
    (
        "an output without its call",
        [HELLO, output("c9", "late")],
        [HELLO, {"role": "user", "content": "late"}],
    ),
    (
        "an output without an id",
        [called("c1"), {"type": "function_call_output", "output": "ok"}],
        [assistant(made("c1")), result("c1")],
    ),
]


@pytest.mark.parametrize(
    ("items", "wanted"), [row[1:] for row in ORDER], ids=[row[0] for row in ORDER]
)
def test_outputs_follow_their_calls(items: list[Item], wanted: list[Item]) -> None:
    assert request(*items).chat["messages"] == wanted


PARTS: list[tuple[str, Item, Item]] = [
    (
        "an image",
        {"type": "input_image", "image_url": IMAGE, "detail": "original"},
        {"type": "image_url", "image_url": {"url": IMAGE, "detail": "original"}},
    ),
    (
        "an image without a detail",
        {"type": "input_image", "image_url": IMAGE, "detail": None},
        {"type": "image_url", "image_url": {"url": IMAGE}},
    ),
    (
        "an image as chat completions write it",
        {"type": "image_url", "image_url": {"url": IMAGE}},
        {"type": "image_url", "image_url": {"url": IMAGE}},
    ),
    (
        "an uploaded image",
        {"type": "input_image", "file_id": "file-1"},
        {"type": "file", "file": {"file_id": "file-1"}},
    ),
    (
        "a file",
        {
            "type": "input_file",
            "file_data": "data:application/pdf;base64,AA",
            "filename": "a.pdf",
            "file_id": None,
        },
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
        },
    ),
    (
        "a file at an address",
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        {"type": "file", "file": {"file_url": "https://example.org/a.pdf"}},
    ),
    (
        "audio",
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
    ),
    (
        "the end of a cached prefix",
        {"type": "input_text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}},
    ),
]


@pytest.mark.parametrize(
    ("part", "wanted"), [row[1:] for row in PARTS], ids=[row[0] for row in PARTS]
)
def test_a_part_in_the_words_of_the_hub(part: Item, wanted: Item) -> None:
    assert request({"role": "user", "content": [part]}).chat["messages"] == [
        {"role": "user", "content": [wanted]}
    ]


@pytest.mark.parametrize(
    "kind",
    [
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_list_tools",
        "mcp_approval_request",
        "program",
        "program_output",
        "computer_call",
        "computer_call_output",
        "context_compaction",
        "of_next_month",
    ],
)
def test_an_item_of_an_unknown_type_is_named_and_never_refused(kind: str) -> None:
    decoded = request({"type": kind, "id": "x_1"}, HELLO, {"type": kind})
    assert decoded.chat["messages"] == [HELLO]
    assert decoded.dropped == (f"input.{kind}",)


def test_a_part_of_an_unknown_type_is_named() -> None:
    decoded = request({"role": "user", "content": [{"type": "hologram"}, "Hi"]})
    assert decoded.chat["messages"] == [{"role": "user", "content": "Hi"}]
    assert decoded.dropped == ("input.content.hologram",)


def test_a_compaction_of_another_provider_is_named() -> None:
    assert request(HELLO, {"type": "compaction", "encrypted_content": "gAAAA"}).dropped == (
        "input.compaction",
    )


def test_a_call_without_an_id_has_one_that_stays_the_same() -> None:
    item = {"type": "function_call", "name": "look", "arguments": "{}"}
    first, second = (request(item).chat["messages"][0]["tool_calls"][0]["id"] for _ in range(2))
    assert first == second != ""


@pytest.mark.parametrize(
    ("role", "shown"),
    [("judge", "'judge'"), (None, "null"), (True, "true"), ({"a": None}, '{"a":null}')],
)
def test_a_wrong_role_is_shown_as_the_client_wrote_it(role: Any, shown: str) -> None:
    with pytest.raises(Failed) as raised:
        request({"type": "message", "role": role, "content": "x"})
    assert raised.value.failure.message.startswith(f"Invalid value: {shown}. Supported values are")


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_calls_inside_a_message_are_named(role: str) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    more = {"tool_calls": [call], "function_call": None, "id": "msg_1", "phase": "commentary"}
    decoded = request({"role": role, "content": "x", **more})
    assert decoded.chat["messages"] == [{"role": role, "content": "x"}]
    assert decoded.dropped == ("input.message.tool_calls",)
