from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.chat import decode_response
from gateway.dialects.chat.answers import as_chunks
from gateway.failures import Failed, Kind
from gateway.hub.contracts import Encoded
from gateway.types import Chat

ENCODED = Encoded("/chat/completions", {})


def answer(
    message: dict[str, Any], finish_reason: Any = "stop", encoded: Encoded = ENCODED, **more: Any
) -> Chat:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return decode_response({"id": "1", "model": "m", "choices": [choice], **more}, encoded)


def test_every_tool_call_has_an_id_of_its_own() -> None:
    calls = [
        {"id": id_, "function": {"name": "f", "arguments": arguments}}
        for id_, arguments in (
            ("call_0", {"x": 1}),
            ("call_0", ""),
            (7, None),
            ("null", "{}"),
            ("", "{}"),
        )
    ]
    choice = answer({"content": None, "tool_calls": calls})["choices"][0]
    ids = [call["id"] for call in choice["message"]["tool_calls"]]
    assert (ids[0], ids[2]) == ("call_0", "7")
    assert len({id_ for id_ in ids if isinstance(id_, str) and id_}) == 5
    assert [call["function"]["arguments"] for call in choice["message"]["tool_calls"]][:3] == [
        '{"x":1}',
        "{}",
        "{}",
    ]
    assert choice["finish_reason"] == "tool_calls"


def test_an_index_is_a_number_and_a_tier_one_of_the_contract() -> None:
    choices = [{"index": None, "message": {"content": "Hi"}, "finish_reason": "stop"}]
    chat = decode_response({"model": "m", "service_tier": "on_demand", "choices": choices}, ENCODED)
    assert chat["choices"][0]["index"] == 0
    assert "service_tier" not in chat
    assert answer({"content": "Hi"}, service_tier="flex")["service_tier"] == "flex"


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"choices": []}, Kind.MALFORMED, "choices"),
        ({"choices": None, "base_resp": {"status_code": 1008}}, Kind.MALFORMED, "base_resp"),
        ({"error": "Unexpected endpoint or method."}, Kind.UNAVAILABLE, "Unexpected endpoint"),
        ({"object": "error", "message": "busy", "code": 503}, Kind.OVERLOADED, "busy"),
        ({"detail": "the engine has died"}, Kind.UNAVAILABLE, "died"),
        ({"message": "slow down", "code": 429}, Kind.RATE_LIMIT, "slow down"),
        ({"choices": [{"message": {}, "finish_reason": "abort"}]}, Kind.UNAVAILABLE, "abort"),
        (
            {"choices": [{"message": {}, "error": {"code": 502, "message": "gone"}}]},
            Kind.UNAVAILABLE,
            "gone",
        ),
    ],
)
def test_a_200_without_an_answer(body: dict[str, Any], kind: Kind, words: str) -> None:
    with pytest.raises(Failed) as raised:
        decode_response(body, ENCODED)
    assert raised.value.failure.kind is kind
    assert words in raised.value.failure.message


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("MAX_TOKENS", "length"),
        ("eos", "stop"),
        ("sensitive", "content_filter"),
        ("never heard of", "stop"),
    ],
)
def test_finish_reasons(said: str, word: str) -> None:
    assert answer({"content": "Hi"}, said)["choices"][0]["finish_reason"] == word


@pytest.mark.parametrize("said", [None, ""])
def test_no_finish_reason_is_made_up_for_a_server_that_states_one(said: str | None) -> None:
    with pytest.raises(Failed) as raised:
        answer({"content": "Hi"}, said)
    assert raised.value.failure.kind is Kind.TRUNCATED
    lenient = answer({"content": "Hi"}, said, Encoded("/chat/completions", {}, finish="none"))
    assert lenient["choices"][0]["finish_reason"] == "stop"


def test_usage_details_of_another_form_are_none() -> None:
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "prompt_tokens_details": [],
        "completion_tokens_details": "x",
    }
    assert answer({"content": "Hi"}, usage=usage)["usage"]["total_tokens"] == 7


def test_a_whole_answer_as_a_stream_keeps_its_extras_with_an_index() -> None:
    details = [{"type": "reasoning.text", "text": "Hm"}]
    chat = answer(
        {"content": "Hi", "reasoning_details": details, "images": [{"type": "image_url"}]}
    )
    deltas = [chunk["choices"][0]["delta"] for chunk in as_chunks(chat) if chunk["choices"]]
    assert {"reasoning_details": [{"index": 0, **details[0]}]} in deltas
    assert {"images": [{"index": 0, "type": "image_url"}]} in deltas
