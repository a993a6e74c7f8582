"""Every field of every provider's answer has a fate, whole and streamed, and a field that is new is
kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway import sse
from gateway.dialects import DIALECTS, Encoded
from gateway.dialects.chat import StreamEncoder, as_chunks, encode_response
from gateway.hub import exact_json
from gateway.hub.answer_fields import Fields
from gateway.hub.fields import Action
from gateway.types import Chat
from tests.dialects import answers
from tests.dialects.accumulate import accumulated, plain
from tests.splits import splits

TABLES: Final[Mapping[str, Mapping[str, Fields]]] = {
    dialect: import_module(f"gateway.dialects.{dialect}.answer_fields").ANSWER
    for dialect in DIALECTS
}
ENCODED: Final = Encoded("/x", {})
each_dialect = pytest.mark.parametrize("dialect", DIALECTS)


def whole(dialect: str) -> Chat:
    return DIALECTS[dialect].decode_response(answers.FULL[dialect], ENCODED)


def stream_of(dialect: str) -> bytes:
    data = b"".join(
        b"data: " + exact_json.dumps(body) + b"\n\n" for body in answers.STREAMS[dialect]
    )
    return data + (b"data: [DONE]\n\n" if dialect == "chat" else b"")


def streamed(dialect: str, pieces: list[bytes]) -> Chat:
    decoder, events, chunks = DIALECTS[dialect].StreamDecoder(ENCODED), sse.Decoder(), []
    for piece in pieces:
        for event in events.decode(piece):
            chunks += decoder.decode(event)
    return accumulated(chunks + decoder.flush())


def choice(chat: Chat) -> Any:
    return chat["choices"][0]


PLACES: Final[Mapping[str, Callable[[Chat], Any]]] = {
    "answer": lambda chat: chat,
    "choice": choice,
    "message": lambda chat: choice(chat)["message"],
    "tool_call": lambda chat: choice(chat)["message"]["tool_calls"][0],
    "usage": lambda chat: chat["usage"],
}
"""Part of an answer → where its fields are kept."""

SAMPLES: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    ("chat", "answer"): answers.CHAT,
    ("chat", "choice"): answers.CHAT_CHOICE,
    ("chat", "message"): answers.CHAT_MESSAGE | answers.GONE_FROM_CHAT,
    ("chat", "tool_call"): answers.CHAT_CALL,
    ("chat", "usage"): answers.CHAT_USAGE,
    ("anthropic", "answer"): answers.ANTHROPIC,
    ("anthropic", "tool_call"): {**answers.TOOL_USE, **answers.NEW},
    ("anthropic", "usage"): answers.ANTHROPIC_USAGE,
    ("google", "answer"): answers.GOOGLE,
    ("google", "choice"): answers.GOOGLE_CANDIDATE,
    ("google", "usage"): answers.GOOGLE_USAGE,
    ("responses", "answer"): answers.RESPONSES,
    ("responses", "tool_call"): {**answers.ITEM, **answers.NEW},
    ("responses", "usage"): answers.RESPONSES_USAGE,
}
RENAMED: Final = {("responses", "service_tier"): "native_service_tier"}
"""Kept under another name: the contract does not have the word `batch`."""
SAME_NAMES: Final = frozenset(
    {"usage", "model", "choices", "object", "message", "index", "finish_reason", "logprobs"}
)
"""The contract's own names: what is there is the hub's and not the provider's."""


@pytest.mark.parametrize(("dialect", "part"), SAMPLES)
def test_each_field_that_is_kept_is_kept(dialect: str, part: str) -> None:
    for chat in (plain(whole(dialect)), plain(streamed(dialect, [stream_of(dialect)]))):
        found = PLACES[part](chat)
        for field, value in SAMPLES[dialect, part].items():
            fate = TABLES[dialect][part].get(field)
            if fate is None or fate.action is Action.PASS:
                name = RENAMED.get((dialect, field), field)
                assert plain(found[name]) == plain(value), field


@pytest.mark.parametrize(("dialect", "part"), SAMPLES)
def test_the_sample_has_every_field_that_the_table_keeps_and_a_new_one(
    dialect: str, part: str
) -> None:
    kept = {field for field, fate in TABLES[dialect][part].items() if fate.action is Action.PASS}
    assert kept <= set(SAMPLES[dialect, part])
    assert "brand_new" in SAMPLES[dialect, part]


@each_dialect
def test_each_field_that_is_not_kept_says_why_or_where_it_goes(dialect: str) -> None:
    for fields in TABLES[dialect].values():
        for field, fate in fields.items():
            assert fate.note or fate.action is Action.PASS, field


@each_dialect
def test_a_field_that_is_dropped_is_dropped(dialect: str) -> None:
    for part, fields in TABLES[dialect].items():
        gone = {field for field, fate in fields.items() if fate.action is Action.DROP} - SAME_NAMES
        if part in PLACES:
            for chat in (whole(dialect), streamed(dialect, [stream_of(dialect)])):
                assert not gone & set(PLACES[part](chat)) - {"id"}


@each_dialect
def test_a_stream_adds_up_to_the_whole_answer_wherever_it_is_cut(dialect: str) -> None:
    expected = plain(
        {key: value for key, value in whole(dialect).items() if key not in ("object", "model")}
    )
    for pieces in splits(stream_of(dialect)):
        assert plain(streamed(dialect, pieces)) == expected


@each_dialect
def test_a_whole_answer_in_place_of_a_stream_adds_up_to_itself(dialect: str) -> None:
    chat = whole(dialect)
    expected = plain({key: value for key, value in chat.items() if key not in ("object", "model")})
    assert plain(accumulated(as_chunks(chat))) == expected


@each_dialect
def test_strict_clients_take_the_whole_answer(dialect: str) -> None:
    body = exact_json.loads(exact_json.dumps(encode_response(whole(dialect), "chatcmpl-1", 1, "m")))
    ChatCompletion.model_validate(body)


@each_dialect
@pytest.mark.parametrize("include_usage", [True, False])
def test_strict_clients_take_every_chunk(dialect: str, include_usage: bool) -> None:
    encoder = StreamEncoder("chatcmpl-1", 1, "m", include_usage=include_usage)
    decoder, found = DIALECTS[dialect].StreamDecoder(ENCODED), []
    for event in sse.Decoder().decode(stream_of(dialect)):
        found.append(encoder.encode(decoder.decode(event)))
    found.append(encoder.encode(decoder.flush()))
    events = sse.Decoder().decode(b"".join(found))
    chunks = [ChatCompletionChunk.model_validate(exact_json.loads(event.data)) for event in events]
    assert any(chunk.usage for chunk in chunks) is include_usage
    assert include_usage or all(chunk.choices for chunk in chunks), (
        "such clients read the first choice of each"
    )


@each_dialect
def test_the_message_says_the_same_in_every_dialect(dialect: str) -> None:
    message = choice(whole(dialect))["message"]
    assert (message["content"], message["reasoning_content"]) == ("Hi", "hm")
    arguments = message["tool_calls"][0]["function"]["arguments"]
    assert exact_json.loads(arguments) == {"n": answers.HUGE}
    assert answers.URL in [item["url_citation"]["url"] for item in message["annotations"]]


NATIVE: Final = {
    "anthropic": [answers.SEARCH, answers.FOUND, {"type": "brand_new_block", "x": 1}],
    "google": [answers.CODE, answers.RESULT, answers.SOUND, {"brandNewPart": {"x": 1}}],
    "responses": [answers.SEARCHED, {"type": "brand_new_item", "id": "b_1"}],
}


@pytest.mark.parametrize("dialect", NATIVE)
def test_parts_that_chat_completions_do_not_have_are_kept_as_they_are(dialect: str) -> None:
    message = choice(plain(whole(dialect)))["message"]
    for part in NATIVE[dialect]:
        assert part in message["native_content"]


def test_native_annotations_without_an_address_are_kept() -> None:
    kept = {"chat": answers.FILE, "anthropic": answers.QUOTED, "responses": answers.IN_FILE}
    for dialect, item in kept.items():
        assert plain(choice(whole(dialect))["message"]["native_annotations"]) == [plain(item)]


@pytest.mark.parametrize("value", ["on_demand", "standard", "priority ", 1, {"a": 1}])
def test_a_value_that_breaks_a_type_of_the_contract_is_kept_beside_it(value: Any) -> None:
    body = {
        "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],
        "service_tier": value,
    }
    chat = DIALECTS["chat"].decode_response(body, ENCODED)
    assert "service_tier" not in chat
    assert chat["native_service_tier"] == value


def test_log_probabilities_of_another_form_are_kept_beside_them() -> None:
    odd = {"tokens": ["Hi"], "token_logprobs": [-0.1], "content": [["Hi", -0.1]]}
    body = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop", "logprobs": odd}]}
    found = choice(DIALECTS["chat"].decode_response(body, ENCODED))
    assert (found["logprobs"], found["native_logprobs"]) == (None, odd)


def test_references_in_a_content_of_parts_are_kept() -> None:
    reference = {"type": "reference", "reference_ids": [1]}
    content = [{"type": "text", "text": "Hi"}, reference]
    body = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}
    message = choice(DIALECTS["chat"].decode_response(body, ENCODED))["message"]
    assert (message["content"], message["native_content"]) == ("Hi", [reference])


def test_facts_do_not_begin_an_answer() -> None:
    """Until there is content, another model may still answer; an empty answer stays empty."""
    decoder = DIALECTS["chat"].StreamDecoder(ENCODED)
    delta = {"content": "", "brand_new": "x", "planning": {"a": 1}}
    body = {"choices": [{"index": 0, "delta": delta, "finish_reason": None}], "provider": "P"}
    assert decoder.decode(sse.Event(b"", exact_json.dumps(body))) == []
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    assert decoder.decode(sse.Event(b"", exact_json.dumps(end))) == []
    first, last = decoder.flush()
    assert first["choices"][0]["delta"] == {"brand_new": "x", "planning": {"a": 1}}
    assert last["provider"] == "P"


def test_the_fingerprint_alone_does_not_cause_one_more_chunk() -> None:
    encoder = StreamEncoder("chatcmpl-1", 1, "m", include_usage=False)
    assert encoder.encode([{"choices": [], "usage": {}, "system_fingerprint": "fp_1"}]) == b""
    assert b'"citations"' in encoder.encode([{"choices": [], "usage": {}, "citations": ["u"]}])


ENDINGS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "chat": (
        "model_length",
        {"choices": [{"message": {"content": "Hi"}, "finish_reason": "model_length"}]},
    ),
    "anthropic": ("pause_turn", {"content": [], "stop_reason": "pause_turn"}),
    "google": (
        "SPII",
        {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "SPII"}]},
    ),
}


@pytest.mark.parametrize("dialect", ENDINGS)
def test_an_unknown_finish_reason_is_kept_beside_the_mapped_one(dialect: str) -> None:
    word, body = ENDINGS[dialect]
    found = choice(DIALECTS[dialect].decode_response(body, ENCODED))
    assert found["native_finish_reason"] == word
    assert found["finish_reason"] in ("stop", "length", "content_filter")


def test_an_envelope_that_holds_counts_alone_is_gone() -> None:
    choice = {"message": {"content": "Hi"}, "finish_reason": "stop"}
    body = {"choices": [choice], "x_groq": {"usage": {"prompt_tokens": 3}}}
    chat = DIALECTS["chat"].decode_response(body, ENCODED)
    assert "x_groq" not in chat
    assert chat["usage"]["prompt_tokens"] == 3
