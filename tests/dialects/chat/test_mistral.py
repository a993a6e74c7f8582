"""What only Mistral does, in both directions."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway import sse
from gateway.dialects import Encoded
from gateway.dialects.chat import StreamDecoder, decode_error, decode_response, encode_request
from gateway.types import Chunk
from tests.makers import chat, model


def sent(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return encode_request(chat(*messages, **fields), model("mistral")).body


def streamed(*choices: dict[str, Any]) -> list[Chunk]:
    decoder = StreamDecoder(Encoded("/x", {}))
    bodies = [{"id": "a", "model": "m", "choices": [choice]} for choice in choices]
    chunks = [
        chunk for body in bodies for chunk in decoder.decode(sse.Event(b"", orjson.dumps(body)))
    ]
    return chunks + decoder.flush()


def test_instructions_alone_become_a_user_message() -> None:
    """ "Expected last role User or Tool (or Assistant with prefix True)"."""
    assert sent({"role": "system", "content": "You are a potato."})["messages"] == [
        {"role": "user", "content": "You are a potato."}
    ]


@pytest.mark.parametrize(("temperature", "found"), [(0, None), (0.0, None), (0.1, 0.9)])
def test_top_p_is_dropped_beside_a_temperature_of_zero(
    temperature: float, found: float | None
) -> None:
    encoded = encode_request(chat(temperature=temperature, top_p=0.9), model("mistral"))
    assert (encoded.body.get("top_p"), encoded.dropped) == (found, ())


def test_two_whole_calls_of_one_index_without_ids_are_two() -> None:
    calls = [
        {"id": "null", "index": 0, "function": {"name": name, "arguments": '{"a": 1}'}}
        for name in ("f", "f", "g")
    ]
    chunks = streamed(
        {"index": 0, "delta": {"content": "", "tool_calls": calls}, "finish_reason": "tool_calls"}
    )
    found = [call for chunk in chunks[:-1] for call in chunk["choices"][0]["delta"]["tool_calls"]]
    assert [(call["index"], call["function"]["name"]) for call in found] == [
        (0, "f"),
        (1, "f"),
        (2, "g"),
    ]
    assert len({call["id"] for call in found}) == 3
    assert {call["function"]["arguments"] for call in found} == {'{"a": 1}'}


def test_content_in_any_form() -> None:
    reference = {"type": "reference", "reference_ids": [1]}
    content = [
        {"type": "thinking", "thinking": ["h", {"type": "text", "text": "m"}, reference]},
        {"type": "text", "text": "yes"},
        reference,
        " no",
        None,
    ]
    answer = {
        "choices": [{"index": 0, "message": {"content": content}, "finish_reason": "model_length"}]
    }
    choice = decode_response(answer, Encoded("/x", {}))["choices"][0]
    assert (choice["message"]["content"], choice["message"]["reasoning_content"]) == (
        "yes no",
        "hm",
    )
    assert choice["finish_reason"] == "length"


@pytest.mark.parametrize(
    "wrap", [lambda detail: {"detail": detail}, lambda detail: {"message": {"detail": detail}}]
)
def test_the_refused_field_is_found_wherever_the_validator_says_it(wrap: Any) -> None:
    detail = [
        {
            "type": "extra_forbidden",
            "loc": ["body", "user"],
            "msg": "Extra inputs are not permitted",
        }
    ]
    assert (
        decode_error(422, {}, orjson.dumps({"object": "error", **wrap(detail)}), 0.0).param
        == "user"
    )
