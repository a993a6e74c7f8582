"""The tool calls of an answer, in every provider's format: ids of their own, and arguments that are
text."""

from __future__ import annotations

from typing import Any, Final

import pytest

from gateway.dialects import DIALECTS, Encoded
from gateway.dialects.chat import as_chunks
from gateway.hub import exact_json
from gateway.hub.calls import CallIds, stated_id
from gateway.upstream.whole import decode_whole
from tests.dialects.said import Said, event, said

IDS: Final = ("same", "same", None, "other", "same")
INPUT: Final = {"a": 2**70}
each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


def chat() -> Any:
    calls = [{"id": id_, "function": {"name": "f", "arguments": INPUT}} for id_ in IDS]
    choice = {"index": 0, "message": {"tool_calls": calls}, "finish_reason": "tool_calls"}
    return {"id": "answer", "choices": [choice]}


def anthropic() -> Any:
    blocks = [{"type": "tool_use", "id": id_, "name": "f", "input": INPUT} for id_ in IDS]
    return {"id": "answer", "content": blocks, "stop_reason": "tool_use"}


def google() -> Any:
    parts = [{"functionCall": {"id": id_, "name": "f", "args": INPUT}} for id_ in IDS]
    candidate = {"content": {"parts": parts}, "finishReason": "STOP"}
    return {"responseId": "answer", "candidates": [candidate]}


def responses() -> Any:
    calls = [
        {"type": "function_call", "call_id": id_, "name": "f", "arguments": INPUT} for id_ in IDS
    ]
    return {"id": "answer", "status": "completed", "output": calls}


ANSWERS: Final = {
    "chat": chat, "anthropic": anthropic, "google": google, "responses": responses
}  # fmt: skip


def events() -> dict[str, list[Any]]:
    """The same answers as streams."""
    whole = {dialect: answer() for dialect, answer in ANSWERS.items()}
    calls = whole["chat"]["choices"][0].pop("message")["tool_calls"]
    pieces = [{"index": place, **call} for place, call in enumerate(calls)]
    whole["chat"]["choices"][0]["delta"] = {"tool_calls": pieces}
    blocks = [
        {"type": "content_block_start", "index": place, "content_block": block}
        for place, block in enumerate(whole["anthropic"]["content"])
    ]
    change = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}
    start = {"type": "message_start", "message": {"id": "answer"}}
    items = [
        {"type": "response.output_item.done", "output_index": place, "item": item}
        for place, item in enumerate(whole["responses"]["output"])
    ]
    created = {"type": "response.created", "response": {"id": "answer"}}
    end = {"type": "response.completed", "response": {**whole["responses"], "output": []}}
    return {
        "chat": [whole["chat"]],
        "anthropic": [start, *blocks, change],
        "google": [whole["google"]],
        "responses": [created, *items, end],
    }


def check(found: Said) -> list[str]:
    ids = [call["id"] for call in found.calls]
    assert (ids[0], ids[3]) == ("same", "other")
    assert len(set(ids)) == len(IDS)
    assert found.named == [("f", '{"a":%d}' % 2**70)] * len(IDS)  # noqa: UP031
    return ids


@each_dialect
def test_calls_of_one_answer_differ_in_their_ids_streamed_and_whole(dialect: str) -> None:
    chat = decode_whole(DIALECTS[dialect], ANSWERS[dialect](), Encoded("/x", {}))
    whole = check(Said([*as_chunks(chat)]))
    stream = b"".join(event(exact_json.dumps(body).decode()) for body in events()[dialect])
    assert check(said(dialect, stream)) == whole


def test_an_id_that_is_made_up_is_new_in_every_answer() -> None:
    one, other = (CallIds(answer).take(None) for answer in ("a", "b"))
    assert one != other
    assert CallIds("a", 1).take(None) != one


@pytest.mark.parametrize(
    ("stated", "id_"),
    [("a", "a"), (7, "7"), ("", None), ("null", None), (None, None), (True, None), ([], None)],
)
def test_an_id_is_text(stated: Any, id_: str | None) -> None:
    assert stated_id(stated) == id_
