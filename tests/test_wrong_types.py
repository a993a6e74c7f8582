"""A value of the wrong type, in any place of a provider's answer: the answer is malformed, or the
value is left out or kept aside. Nothing behind the decoder meets it.

One value after another of a full answer of each dialect, whole and streamed, becomes each of
`WRONG`. Whatever comes of it passes the record, the types of the hub, and the three client APIs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest

from gateway import sse
from gateway.dialects import DIALECTS, INBOUND, Encoded
from gateway.dialects.responses.inbound.history import kept
from gateway.failures import Failed, Kind
from gateway.hub import exact_json
from gateway.hub.contracts import Answer, Refusal
from gateway.shared.replay import Replay
from gateway.types import Attempt, Batch, Chat, Timeouts
from gateway.upstream.stream import AnswerStream
from gateway.upstream.tap import Record
from gateway.upstream.whole import decode_whole
from tests.dialects import answers
from tests.makers import Clock, model
from tests.upstream.fakes import Response

Path = tuple[str | int, ...]

WRONG: Final[tuple[Any, ...]] = (None, 5, 10**30, True, [], {}, "x", [None], {"a": None})
TEXTS: Final = ("content", "reasoning_content", "refusal")
LISTS: Final = ("tool_calls", "reasoning_details", "annotations", "images")
WORDS: Final = ("stop", "length", "tool_calls", "content_filter")
COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
BROKEN: Final = Refusal(502, "broken", "server_error", "upstream_stream_error")
HI: Final = {"role": "user", "content": "Hi"}
TOOL: Final = {"name": "f", "parameters": {"type": "object"}}
REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "chat": {"messages": [HI], "stream_options": {"include_usage": True}},
    "anthropic": {"messages": [HI], "max_tokens": 9, "thinking": {"type": "adaptive"}},
    "responses": {"input": "Hi", "tools": [{"type": "function", **TOOL}]},
}
ENDS: Final = {
    "chat": ("data: [DONE]", '"error":'),
    "anthropic": ("event: message_stop", "event: error"),
    "responses": ("event: response.completed", "event: response.incomplete", "event: error"),
}
each_dialect = pytest.mark.parametrize("dialect", answers.FULL)


def request_of(client: str) -> Any:
    body = {"model": "dev", "stream": True, **REQUESTS[client]}
    return INBOUND[client].decode_request(body, {})


ASKED: Final = {client: Answer("1", 1, "m", request_of(client)) for client in REQUESTS}


# --- one value replaced ---------------------------------------------------------------------------


def paths(value: Any, before: Path = ()) -> Iterator[Path]:
    """The place of every value inside `value`."""
    if not isinstance(value, dict | list):
        return
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*before, key)
        yield from paths(each, (*before, key))


def replaced(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def variants(value: Any) -> Iterator[tuple[str, Any]]:
    for path in paths(value):
        for wrong in WRONG:
            yield f"{path} is {wrong!r}", replaced(value, path, wrong)


# --- the types of the hub -------------------------------------------------------------------------


def check_fields(fields: dict[str, Any]) -> None:
    """A message or a delta."""
    for name in TEXTS:
        assert isinstance(fields.get(name) or "", str), name
    for name in LISTS:
        assert isinstance(fields.get(name) or [], list), name
        assert all(isinstance(item, dict) for item in fields.get(name) or ()), name
    for call in fields.get("tool_calls") or ():
        assert isinstance(call.get("id", ""), str)
        for each in (call.get("function", {}), call.get("custom", {})):
            assert all(isinstance(each.get(key, ""), str) for key in ("name", "arguments", "input"))


def check_usage(usage: dict[str, Any]) -> None:
    assert all(type(usage[name]) is int for name in COUNTS)
    for details in ("prompt_tokens_details", "completion_tokens_details"):
        for name, value in usage.get(details, {}).items():
            assert type(value) is int or not name.endswith("_tokens")


def check_chunks(chunks: Sequence[Any]) -> None:
    for chunk in chunks:
        for choice in chunk["choices"]:
            assert type(choice["index"]) is int
            assert choice["finish_reason"] in (None, *WORDS)
            check_fields(choice["delta"])
            for call in choice["delta"].get("tool_calls", ()):
                assert type(call["index"]) is int
        if not chunk["choices"]:
            check_usage(chunk["usage"])


def check_chat(chat: Chat) -> None:
    assert isinstance(chat["model"], str | None)
    check_usage(chat.get("usage") or dict.fromkeys(COUNTS, 0))
    for choice in chat["choices"]:
        assert type(choice["index"]) is int
        assert choice["finish_reason"] in WORDS
        check_fields(choice["message"])
        ids = [call["id"] for call in choice["message"].get("tool_calls", ())]
        assert len(set(ids)) == len(ids)


# --- the way of an answer -------------------------------------------------------------------------


def record() -> Record:
    return Record(Attempt(model("custom"), 1), Replay(), "me")


def events_of(dialect: str, bodies: Any) -> list[bytes]:
    """The events of a stream; those that have a type are named after it."""
    data = []
    for body in bodies:
        kind = body.get("type") if isinstance(body, dict) else None
        name = f"event: {kind}\n".encode() if isinstance(kind, str) else b""
        data.append(name + b"data: " + exact_json.dumps(body) + b"\n\n")
    return [*data, b"data: [DONE]\n\n"] if dialect == "chat" else data


async def read(dialect: str, bodies: Any, *, native: bool) -> tuple[list[Batch], bool]:
    """(the batches of a stream, whether it ends well)."""
    response, encoded = Response(*events_of(dialect, bodies)), Encoded("/x", {}, native=native)
    stream = AnswerStream(
        response, DIALECTS[dialect], encoded, Timeouts(), Clock(), record(), lambda each: each
    )
    batches = []
    try:
        await stream.begin(2000.0)
        assert isinstance(stream.model, str | None)
        batches += [batch async for batch in stream]
    except Failed:
        return batches, False
    return batches, True


def check_written(client: str, batches: list[Batch], *, is_whole: bool) -> None:
    """What a client receives is JSON, and has one end."""
    encoder = INBOUND[client].StreamEncoder(ASKED[client])
    data = b"".join(map(encoder.encode, batches))
    data += encoder.done() if is_whole else encoder.error(BROKEN)
    for event in sse.Decoder().decode(data):
        if event.data != b"[DONE]":
            exact_json.loads(event.data)
    text = data.decode()
    assert sum(text.count(end) for end in ENDS[client]) == 1
    if client == "responses":
        kept(ASKED[client].request, encoder.response)


async def check_streams(dialect: str) -> list[str]:
    wrong = []
    for name, bodies in variants(answers.STREAMS[dialect]):
        try:
            batches, is_whole = await read(dialect, bodies, native=False)
            check_chunks([chunk for batch in batches for chunk in batch.chunks])
            for client in INBOUND:
                check_written(client, batches, is_whole=is_whole)
            if dialect in ("anthropic", "responses"):
                batches, is_whole = await read(dialect, bodies, native=True)
                check_written(dialect, batches, is_whole=is_whole)
        except Exception as error:
            wrong.append(f"{name}: {error!r}")
    return wrong


@each_dialect
def test_a_value_of_the_wrong_type_in_a_stream(dialect: str) -> None:
    assert asyncio.run(check_streams(dialect)) == []


def check_whole(dialect: str, body: Any) -> None:
    if not isinstance(body, dict):
        return
    try:
        chat = decode_whole(DIALECTS[dialect], body, Encoded("/x", {}))
    except Failed:
        return
    check_chat(chat)
    record().see_whole(chat)
    for client, face in INBOUND.items():
        exact_json.dumps(face.encode_response(chat, ASKED[client]))
    if dialect == "responses":
        kept(ASKED[dialect].request, body)


@each_dialect
def test_a_value_of_the_wrong_type_in_a_whole_answer(dialect: str) -> None:
    wrong = []
    for name, body in variants(answers.FULL[dialect]):
        try:
            check_whole(dialect, body)
        except Exception as error:
            wrong.append(f"{name}: {error!r}")
    assert wrong == []


@pytest.mark.parametrize(
    ("dialect", "path", "field"),
    [
        ("chat", ("choices", 0, "message", "content"), "content"),
        ("chat", ("model",), "model"),
        ("anthropic", ("stop_reason",), "stop_reason"),
        ("google", ("candidates", 0, "content", "parts", 0, "text"), "text"),
        ("responses", ("status",), "status"),
    ],
)
def test_the_field_is_named(dialect: str, path: Path, field: str) -> None:
    with pytest.raises(Failed, match=f"a number as `{field}`") as raised:
        decode_whole(DIALECTS[dialect], replaced(answers.FULL[dialect], path, 5), Encoded("/x", {}))
    assert raised.value.failure.kind is Kind.MALFORMED
