from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.responses import inbound
from gateway.dialects.responses.inbound.history import (
    Expanded,
    Stored,
    deleted,
    expand,
    input_items,
    kept,
)
from gateway.failures import Failed
from gateway.hub.chunks import delta
from gateway.hub.contracts import Answer, Batch
from gateway.types import Chunk
from tests.dialects.responses.inbound.makers import (
    HELLO,
    ending,
    function,
    nothing_stored,
    tool_call,
)

LOOK = function("look")


class Shelf:
    """A store of one client, without limits."""

    def __init__(self) -> None:
        self.found: dict[str, Stored] = {}

    def find(self, id_: str) -> Stored | None:
        return self.found.get(id_)

    def turn(self, number: int, chunks: list[Chunk], **body: Any) -> dict[str, Any]:
        """One call: expanded, decoded, answered, stored. Returns the response object."""
        self.request = inbound.decode_request(expand({"model": "dev", **body}, self.find), {})
        encoder = inbound.StreamEncoder(Answer(f"call{number}", 1, "m", self.request))
        encoder.encode(Batch(chunks))
        encoder.done()
        assert encoder.response is not None
        stored = kept(self.request, encoder.response)
        if stored is not None:
            self.found |= {stored.id: stored} | dict.fromkeys(stored.items, stored)
        return encoder.response


def said(text: str) -> list[Chunk]:
    return [delta(content=text), *ending()]


def test_a_chain_of_three_answers_holds_the_whole_conversation() -> None:
    shelf = Shelf()
    first = shelf.turn(1, said("One"), input="1", instructions="Count")
    call = [tool_call(0, "c1", "look", "{}"), *ending("tool_calls")]
    second = shelf.turn(2, call, input=[HELLO], previous_response_id=first["id"], tools=[LOOK])
    output = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
    third = shelf.turn(3, said("Three"), input=[output], previous_response_id=second["id"])
    assert shelf.request.chat["messages"] == [
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": "One"},
        HELLO,
        {
            "role": "assistant",
            "tool_calls": [{"id": "c1", "type": "function", "function": _call()}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
    ], "instructions are not carried over"
    assert third["previous_response_id"] == second["id"]


def _call() -> dict[str, str]:
    return {"name": "look", "arguments": "{}"}


def test_references_become_the_items_that_they_name() -> None:
    shelf = Shelf()
    chunks = [delta(reasoning_content="Why"), delta(content="One"), *ending()]
    reasoning, message = shelf.turn(1, chunks, input="1")["output"]
    references = [{"type": "item_reference", "id": item["id"]} for item in (reasoning, message)]
    shelf.turn(2, said("Two"), input=[{"role": "user", "content": "1"}, *references, HELLO])
    assert shelf.request.chat["messages"] == [
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": "One", "reasoning_content": "Why"},
        HELLO,
    ]
    assert shelf.request.body["input"][1:3] == [reasoning, message]


def test_a_reference_needs_no_type_and_counts_once() -> None:
    shelf = Shelf()
    [message] = shelf.turn(1, said("One"), input="1")["output"]
    body = expand({"input": [{"id": message["id"]}] * 3}, shelf.find)
    assert body["input"] == [message]


def test_an_item_of_the_chain_is_not_repeated() -> None:
    shelf = Shelf()
    first = shelf.turn(1, said("One"), input="1")
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    body = expand({"input": [reference, HELLO], "previous_response_id": first["id"]}, shelf.find)
    assert [item.get("role") for item in body["input"]] == ["user", "assistant", "user"]


def test_unknown_reasoning_is_left_out() -> None:
    body = expand({"input": [{"type": "item_reference", "id": "rs_gone"}, HELLO]}, nothing_stored)
    assert body["input"] == [HELLO]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        (
            {"previous_response_id": "resp_gone"},
            "previous_response_id",
            "previous_response_not_found",
        ),
        ({"input": [{"type": "item_reference", "id": "msg_gone"}]}, "input", "item_not_found"),
        ({"input": [{"type": "item_reference"}]}, "input[0].id", None),
    ],
)
def test_what_is_not_stored_is_refused_with_a_way_out(
    body: dict[str, Any], param: str, code: str | None
) -> None:
    with pytest.raises(Failed) as raised:
        expand(body, nothing_stored)
    failure = raised.value.failure
    assert (failure.status, failure.param, failure.code) == (400, param, code)
    assert code is None or "whole input" in failure.message


def test_the_id_of_an_item_is_not_the_id_of_an_answer() -> None:
    shelf = Shelf()
    [message] = shelf.turn(1, said("One"), input="1")["output"]
    with pytest.raises(Failed):
        expand({"previous_response_id": message["id"], "input": "x"}, shelf.find)


def test_a_body_without_references_stays_as_it_is() -> None:
    body = {"model": "dev", "input": "Hello", "new": 1}
    assert expand(body, nothing_stored) == body
    assert isinstance(expand(body, nothing_stored), Expanded)


@pytest.mark.parametrize("given", [None, 5, {}, "x", [], ["x", 5, None]], ids=str)
def test_an_input_of_any_shape_is_left_to_the_decoder(given: Any) -> None:
    assert expand({"input": given}, nothing_stored)["input"] == given


def test_what_the_client_keeps_itself_is_not_stored() -> None:
    shelf = Shelf()
    response = shelf.turn(1, said("One"), input="1", store=False)
    assert response["store"] is False
    assert shelf.found == {}


@pytest.mark.parametrize(
    "response", [None, {"id": "resp_1", "status": "failed", "output": []}, {"status": "completed"}]
)
def test_only_a_whole_answer_is_stored(response: dict[str, Any] | None) -> None:
    request = inbound.decode_request({"model": "dev", "input": "x"}, {})
    assert kept(request, response) is None


def test_a_stored_native_answer_says_that_it_is_stored() -> None:
    request = inbound.decode_request({"model": "dev", "input": "x"}, {})
    stored = kept(request, {"id": "resp_1", "status": "completed", "output": [], "store": False})
    assert stored is not None
    assert stored.response["store"] is True


def stored_answer(count: int) -> Stored:
    shelf = Shelf()
    items = [{"role": "user", "content": f"{number}"} for number in range(count)]
    return shelf.found[shelf.turn(1, said("One"), input=items)["id"]]


def texts(page: dict[str, Any]) -> list[str]:
    return [item["content"][0]["text"] for item in page["data"]]


def test_input_items_are_listed_page_by_page() -> None:
    stored = stored_answer(25)
    first = input_items(stored, {})
    assert (first["object"], len(first["data"]), first["has_more"]) == ("list", 20, True)
    assert texts(first)[:2] == ["24", "23"]
    rest = input_items(stored, {"after": first["last_id"]})
    assert (texts(rest), rest["has_more"]) == (["4", "3", "2", "1", "0"], False)
    assert texts(input_items(stored, {"order": "asc", "limit": "2"})) == ["0", "1"]
    assert all(
        item["type"] == "message" and item["id"].startswith("msg_") for item in first["data"]
    )
    assert (first["first_id"], first["last_id"]) == (
        first["data"][0]["id"],
        first["data"][-1]["id"],
    )


def test_an_empty_page_has_no_ends() -> None:
    stored = stored_answer(1)
    last = input_items(stored, {})["last_id"]
    page = input_items(stored, {"after": last})
    assert (page["data"], page["first_id"], page["last_id"], page["has_more"]) == (
        [],
        None,
        None,
        False,
    )


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"limit": "9" * 99},
        {"limit": ""},
        {"after": "gone"},
    ],
)
def test_a_query_that_is_wrong_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(Failed) as raised:
        input_items(stored_answer(1), query)
    assert raised.value.failure.param == next(iter(query))


def test_a_deletion_is_confirmed() -> None:
    assert deleted("resp_1") == {"id": "resp_1", "object": "response", "deleted": True}
