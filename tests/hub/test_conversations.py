"""Which requests are of one conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gateway.dialects import INBOUND, SESSION_HEADERS, conversation_of
from gateway.hub.contracts import Conversation
from gateway.types import Agent, Call, Client, Request
from tests.makers import model
from tests.work import is_linear

USER: dict[str, Any] = {"role": "user", "content": "Fix the tests."}
SYSTEM: dict[str, Any] = {"role": "system", "content": "You are a coder."}
ANSWER: dict[str, Any] = {"role": "assistant", "content": "Done."}
NEXT: dict[str, Any] = {"role": "user", "content": "And now?"}
MARK = {"cache_control": {"type": "ephemeral"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}}


def found(
    body: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    *,
    api: str = "chat",
    client: str = "anna",
    agent: str = "dev",
) -> Conversation:
    request = INBOUND[api].decode_request({"model": agent, **body}, headers or {})
    call = Call("req_1", Agent(agent, (model(),)), Client(client), request, False, 0.0)
    conversation = conversation_of(call, headers or {})
    assert conversation is not None
    return conversation


def chat(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"messages": list(messages), **fields}


def text(value: str, **more: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": value, **more}]


FIRST = found(chat(SYSTEM, USER))


@pytest.mark.parametrize(
    "messages",
    [
        [SYSTEM, USER, ANSWER, NEXT],
        [{**SYSTEM, "content": text("You are a coder.", **MARK)}, USER, ANSWER, NEXT],
        [SYSTEM, {**USER, "content": text("Fix the tests.", **MARK)}, ANSWER, NEXT],
        [SYSTEM, USER, ANSWER, {**SYSTEM, "content": "Mind the time."}, NEXT],
        [{**SYSTEM, "role": "developer"}, USER, ANSWER, NEXT],
    ],
)
def test_later_requests_of_a_conversation_begin_like_the_first(
    messages: list[dict[str, Any]],
) -> None:
    assert found(chat(*messages)) == (FIRST.key, True)


def test_a_system_message_in_the_middle_does_not_begin_a_conversation() -> None:
    assert found(chat(USER)).key == found(chat(USER, ANSWER, SYSTEM, NEXT)).key


def test_an_image_counts_and_its_mark_does_not() -> None:
    plain, marked, other = (
        found(chat({"role": "user", "content": [image, *text("What is it?")]})).key
        for image in (
            IMAGE,
            {**IMAGE, **MARK},
            {**IMAGE, "image_url": {"url": "data:image/png;base64,bbbb"}},
        )
    )
    assert plain == marked != other


@pytest.mark.parametrize(
    "other",
    [
        found(chat(USER)),
        found(chat(SYSTEM, NEXT)),
        found(chat({**SYSTEM, "content": "You are a cook."}, USER)),
        found(chat(SYSTEM, USER), client="bert"),
        found(chat(SYSTEM, USER), agent="ops"),
        found(chat(SYSTEM, USER, prompt_cache_key="s1")),
        found(chat(SYSTEM, USER), {"session-id": "s1"}),
    ],
)
def test_fields_that_distinguish_conversations(other: Conversation) -> None:
    assert other.key != FIRST.key


def test_a_new_conversation_continues_none() -> None:
    assert not FIRST.may_continue


@pytest.mark.parametrize("header", [row[0] for row in SESSION_HEADERS])
def test_a_header_names_a_session(header: str) -> None:
    begun = found(chat(USER), {header: "s1"})
    assert begun == found(chat({**USER, "content": "Summary: …"}, ANSWER, NEXT), {header: "s1"})
    assert begun.may_continue
    assert begun.key != found(chat(USER), {header: "s2"}).key
    assert begun.key != found(chat(USER), {header: "s1"}, client="bert").key
    assert found(chat(USER), {header: ""}) == found(chat(USER)), "an empty name is none"


@pytest.mark.parametrize("row", [row for row in SESSION_HEADERS if len(row) > 1])
def test_the_agents_of_a_session_have_conversations_of_their_own(row: tuple[str, str]) -> None:
    session, agent = row
    one, other = (found(chat(USER), {session: "s1", agent: name}).key for name in "ab")
    assert len({one, other, found(chat(USER), {session: "s1"}).key}) == 3


def messages(name: str | None, *history: dict[str, Any]) -> dict[str, Any]:
    return {"max_tokens": 9, "messages": list(history), "metadata": {"user_id": name}}


def responses(name: str | None, *history: dict[str, Any]) -> dict[str, Any]:
    return {"input": list(history), "prompt_cache_key": name}


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("anthropic", messages),
        ("responses", responses),
        ("chat", lambda name, *history: chat(*history, prompt_cache_key=name)),
    ],
)
def test_a_name_in_the_body_tells_conversations_apart_that_begin_alike(
    api: str, body: Callable[..., Any]
) -> None:
    begun = found(body("s1", USER), api=api)
    assert not begun.may_continue, "it may name a user or a program"
    assert found(body("s1", USER, ANSWER, NEXT), api=api) == (begun.key, True)
    assert found(body("s2", USER, ANSWER, NEXT), api=api).key != begun.key
    assert found(body("s1", NEXT), api=api).key != begun.key
    assert found(body(None, USER), api=api).key != begun.key


@pytest.mark.parametrize(
    "fields", [{"metadata": {"user_id": ["a"]}}, {"metadata": "a"}, {"prompt_cache_key": 7}]
)
def test_a_name_that_is_not_text_is_ignored(fields: dict[str, Any]) -> None:
    request = Request({"model": "dev", "messages": [SYSTEM, USER]}, fields)
    call = Call("req_1", Agent("dev", (model(),)), Client("anna"), request, False, 0.0)
    assert conversation_of(call, {}) == FIRST


def test_half_a_character_does_no_harm() -> None:
    assert found(chat({"role": "user", "content": "\ud83d"}), {}).key != FIRST.key


def test_embeddings_have_no_conversation() -> None:
    call = Call(
        "req_1", Agent("dev", (model(),)), Client("anna"), Request({"input": ["a"]}), False, 0.0
    )
    assert conversation_of(call, {"session-id": "s1"}) is None


@pytest.mark.parametrize(
    "history",
    [
        lambda size: [{**USER, "content": text("a") * size}],
        lambda size: [SYSTEM] * size,
        lambda size: [USER, *[NEXT] * size],
    ],
)
def test_the_work_grows_with_the_request(history: Callable[[int], list[dict[str, Any]]]) -> None:
    def work(size: int) -> Callable[[], object]:
        request = Request({"messages": history(size)})
        call = Call("req_1", Agent("dev", (model(),)), Client("anna"), request, False, 0.0)
        return lambda: conversation_of(call, {})

    assert is_linear(work, 200)
