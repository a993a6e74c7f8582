from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.responses.inbound.history import Stored
from gateway.dialects.responses.inbound.store import IDLE_S, RESPONSE_BYTES_MAX, ResponsesStore
from tests.makers import Clock


def stored(id_: str, *items: str, size: int = 100) -> Stored:
    output: list[dict[str, Any]] = [
        {"type": "message", "id": item, "role": "assistant", "content": []} for item in items
    ]
    before = ({"role": "user", "content": "Hello"},)
    response: dict[str, Any] = {"id": id_, "output": output}
    return Stored(response, before, {item["id"]: item for item in output}, size)


def test_an_answer_is_found_by_its_id_and_by_those_of_its_items() -> None:
    store, answer = ResponsesStore(Clock()), stored("resp_1", "msg_1")
    store.put("me", answer)
    find = store.finder("me")
    assert find("resp_1") is find("msg_1") is answer
    assert find("resp_2") is None
    assert store.response("me", "resp_1") == answer.response
    assert store.response("me", "msg_1") is None


def test_another_client_s_answer_does_not_exist() -> None:
    store = ResponsesStore(Clock())
    store.put("me", stored("resp_1", "msg_1"))
    assert store.get("you", "resp_1") is store.get("you", "msg_1") is None
    assert store.input_items("you", "resp_1", {}) is None
    assert not store.delete("you", "resp_1")
    assert store.get("me", "resp_1") is not None


def test_a_deleted_answer_is_gone_with_its_items() -> None:
    store = ResponsesStore(Clock())
    store.put("me", stored("resp_1", "msg_1"))
    assert store.delete("me", "resp_1")
    assert not store.delete("me", "resp_1")
    assert store.get("me", "msg_1") is None


def test_the_input_is_listed() -> None:
    store = ResponsesStore(Clock())
    store.put("me", stored("resp_1"))
    page = store.input_items("me", "resp_1", {"limit": "5"})
    assert page is not None
    assert [item["content"][0]["text"] for item in page["data"]] == ["Hello"]
    assert store.input_items("me", "resp_2", {}) is None


def test_the_least_recently_used_go_first() -> None:
    store = ResponsesStore(Clock(), bytes_max=6_000)
    for number in range(3):
        store.put("me", stored(f"resp_{number}", f"msg_{number}", size=800))
    assert store.get("me", "resp_0")
    store.put("me", stored("resp_3", size=800))
    assert [store.get("me", f"resp_{number}") is not None for number in range(4)] == [
        True,
        False,
        True,
        True,
    ]
    assert store.get("me", "msg_1") is None


def test_an_answer_that_is_too_large_is_not_kept() -> None:
    store = ResponsesStore(Clock())
    store.put("me", stored("resp_1", size=RESPONSE_BYTES_MAX))
    store.put("me", stored("resp_2", size=RESPONSE_BYTES_MAX + 1))
    assert store.get("me", "resp_1") is not None
    assert store.get("me", "resp_2") is None


@pytest.mark.parametrize(("waited_s", "found"), [(IDLE_S, True), (IDLE_S + 1, False)])
def test_an_answer_that_is_not_used_goes(waited_s: float, found: bool) -> None:
    clock = Clock()
    store = ResponsesStore(clock)
    store.put("me", stored("resp_1"))
    clock.now += IDLE_S - 1
    assert store.get("me", "resp_1")
    clock.now += waited_s
    assert (store.get("me", "resp_1") is not None) is found


def test_an_answer_of_the_same_id_takes_the_place_of_the_older_one() -> None:
    store = ResponsesStore(Clock())
    store.put("me", stored("resp_1", "msg_1"))
    store.put("me", stored("resp_1", "msg_2"))
    assert store.get("me", "msg_1") is None
    assert store.get("me", "msg_2") is not None
    assert repr(store) == "<ResponsesStore entries=1 bytes=1124>"


def test_an_item_of_two_answers_stays_with_the_later_one() -> None:
    store = ResponsesStore(Clock())
    store.put("me", stored("resp_1", "msg_1"))
    later = stored("resp_2", "msg_1")
    store.put("me", later)
    store.delete("me", "resp_1")
    assert store.get("me", "msg_1") is later
