"""Nothing that a client or a provider sends costs more than its size. Work is counted; no time is
asserted.

Where the work is inside one call of a library, the input is so large that anything but linear work
would never end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import orjson
import pytest

from gateway import sse
from gateway.dialects import DIALECTS, Encoded
from gateway.dialects.chat import decode_error, decode_request
from gateway.dialects.chat.think_tags import Splitter, split
from gateway.dialects.whole import JsonText
from gateway.hub import halves
from gateway.hub.structured_output import Unfence, unfence
from gateway.redact import redact
from gateway.shared.replay import Replay
from gateway.shared.slots import FairOrder
from gateway.types import Attempt
from gateway.upstream.tap import Record
from tests.dialects.said import ARGUMENTS, CALL, FINISH, HIGH, LAST, TEXT, THOUGHT, chat
from tests.makers import model
from tests.work import calls_of, is_linear

LARGE = 2_000_000
Work = Callable[[], object]


def decoding(dialect: str, stream: bytes, encoded: Encoded | None = None) -> Work:
    """All chunks of a stream."""
    events = sse.Decoder().decode(stream)
    decoder = DIALECTS[dialect].StreamDecoder(encoded or Encoded("/", {}))

    def work() -> None:
        for event in events:
            decoder.decode(event)
        decoder.flush()

    return work


def tool_call(fields: str) -> bytes:
    return chat('{"tool_calls":[{%s}]}' % fields)  # noqa: UP031


def text_in_pieces(name: str, n: int) -> bytes:
    return TEXT[name]("a") * n


def arguments_in_pieces(name: str, n: int) -> bytes:
    return CALL[name] + ARGUMENTS[name]("1") * n


STREAMS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "a name in every delta": (
        "chat",
        lambda n: (
            tool_call('"index":0,"function":{"name":"f","arguments":"{\\"a"}')
            + tool_call('"index":0,"function":{"name":"f","arguments":"b"}') * n
            + tool_call('"index":0,"function":{"name":"f","arguments":"\\":1}"}')
        ),
    ),
    "calls without an index": (
        "chat",
        lambda n: b"".join(tool_call(f'"id":"c{k}","function":{{"name":"f"}}') for k in range(n)),
    ),
    "calls with one id": (
        "chat",
        lambda n: tool_call('"id":"c","function":{"name":"f","arguments":"{}"}') * n,
    ),
    "calls without an id": (
        "chat",
        lambda n: tool_call('"function":{"name":"f","arguments":"{}"}') * n,
    ),
    "content behind the finish": ("chat", lambda n: FINISH["chat"] + TEXT["chat"]("a") * n),
    "halves": ("chat", lambda n: TEXT["chat"](HIGH) * n),
    "blocks of thinking": ("anthropic", lambda n: THOUGHT["anthropic"]("a") * n),
    **{f"text of {name}": (name, partial(text_in_pieces, name)) for name in DIALECTS},
    **{f"arguments of {name}": (name, partial(arguments_in_pieces, name)) for name in CALL},
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream(name: str) -> None:
    dialect, stream = STREAMS[name]
    end = FINISH[dialect] + LAST[dialect]
    assert is_linear(lambda n: decoding(dialect, stream(n) + end), 200)


def test_arguments_are_not_parsed_again_with_every_delta() -> None:
    stream = STREAMS["a name in every delta"][1](500) + FINISH["chat"] + LAST["chat"]
    assert calls_of("loads", decoding("chat", stream)) <= 500 + 10  # the events themselves


def test_json_in_pieces_is_whole_when_its_brackets_are_closed() -> None:
    text, found = JsonText(), []
    for piece in ("{", '"a', "}\\", '"', '":[', "]", "}"):
        text.add(piece)
        found.append(text.is_whole())
    assert found == [*[False] * 6, True]


def test_many_ids_that_are_alike() -> None:
    def conversation(n: int) -> Work:
        calls = [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}] * n
        messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": calls}]
        return lambda: decode_request({"model": "m", "messages": messages})

    assert is_linear(conversation, 200)


@pytest.mark.parametrize("stated", [True, False])
def test_many_results_in_another_order_than_their_calls(stated: bool) -> None:
    def conversation(n: int) -> Work:
        ids = [f"c{number}" for number in range(n)]
        calls = [
            {"id": id_, "type": "function", "function": {"name": "f", "arguments": "{}"}}
            for id_ in ids
        ]
        results = [
            {"role": "tool", "content": "x"} | ({"tool_call_id": id_} if stated else {})
            for id_ in ids[::-1]
        ]
        messages = [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "tool_calls": calls},
            *results,
        ]
        return lambda: decode_request({"model": "m", "messages": messages})

    assert is_linear(conversation, 200)


def test_ids_keep_the_numbers_that_they_had() -> None:
    ids = ("x", "x", "x_2", "x", "x_2", "x_2_2")
    calls = [{"id": id_, "function": {"name": "f", "arguments": "{}"}} for id_ in ids]
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": calls}]
    chat_ = decode_request({"model": "m", "messages": messages})
    found = [each["id"] for each in chat_["messages"][1]["tool_calls"]]
    assert found == ["x", "x_2", "x_2_2", "x_3", "x_2_3", "x_2_2_2"]


def test_calls_that_wait_and_are_woken() -> None:
    def waiting(n: int) -> Work:
        order, circuit_id = FairOrder(), ("custom", "m")
        for ticket in range(n):
            order.join(ticket, "a", 1, (circuit_id,))

        def work() -> None:
            for ticket in range(n):
                assert order.first_for(circuit_id) == ticket
                order.leave(ticket, served=True)

        return work

    assert is_linear(waiting, 300)


def test_the_reasoning_of_many_calls_is_measured_once() -> None:
    record = Record(Attempt(model(), 1), Replay(), "me")
    calls = [
        {"index": n, "id": f"call_{n:08}", "function": {"name": "f", "arguments": ""}}
        for n in range(300)
    ]
    record.see([{"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}
                for fields in ({"reasoning_content": "hm"}, {"tool_calls": calls})])  # fmt: skip
    assert calls_of("repr", record.done) == 1


SPACES = " " * 500
FEEDS: dict[str, Callable[[], tuple[Callable[[str], object], list[str]]]] = {
    "space before a fence": lambda: (Unfence().feed, [SPACES] * 20_000),
    "space behind a fence": lambda: (Unfence().feed, ["```json", *[SPACES] * 20_000]),
    "space inside a fence": lambda: (Unfence().feed, ["```json\n{", *[SPACES] * 20_000, "}"]),
    "space before a tag": lambda: (Splitter().feed, [SPACES] * 20_000),
    "space inside a tag": lambda: (Splitter().feed, ["<think>a", *[SPACES] * 20_000, "b</think>"]),
    "space inside a tag that says nothing": lambda: (
        Splitter().feed,
        ["<think>", *[SPACES] * 20_000],
    ),
}


@pytest.mark.parametrize("name", FEEDS)
def test_text_that_is_held_back(name: str) -> None:
    feed, pieces = FEEDS[name]()
    for piece in pieces:
        feed(piece)


TEXTS = (" " * LARGE + "x", "```" + " " * LARGE + "x", "`" * LARGE, "```\n" + " \n" * LARGE + "``")
PAGES = (b"<title>" * 100_000, b"<title>" + b" " * LARGE, b"1" * LARGE, b"try again in " * 80_000)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_one_text_with_what_may_be_a_fence_or_a_tag(text: str) -> None:
    assert len(unfence(text)) <= len(text)
    whole = Unfence()
    assert len(whole.feed(text) + whole.flush()) <= len(text)
    assert len(split("<think>" + text).reasoning) <= len(text)


@pytest.mark.parametrize("body", PAGES, ids=range(len(PAGES)))
def test_an_error_page(body: bytes) -> None:
    assert decode_error(503, {}, body, 0.0).message


WORDS = ("eyJ-", "sk-", "a.", "1", "bearer ", "'a", "wait 1s and ", "model ", "`")


@pytest.mark.parametrize("word", WORDS)
def test_the_words_of_an_error(word: str) -> None:
    assert len(redact(word * (LARGE // len(word)))) <= LARGE
    body = orjson.dumps(
        {"error": {"message": word * (LARGE // len(word)), "type": "invalid_request_error"}}
    )
    for face in DIALECTS.values():
        assert face.decode_error(429, {}, body, 0.0).message


def test_half_a_character_many_times() -> None:
    assert halves.loads(b'"' + b"\\ud83d" * (LARGE // 6) + b'"') == "\ufffd" * (LARGE // 6)
    with pytest.raises(orjson.JSONDecodeError):
        halves.loads(b'"' + b"\\" * LARGE + b"\\ud83d")
