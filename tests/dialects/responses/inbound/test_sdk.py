"""The official accumulators read our streams: the strictest readers there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from gateway.dialects.responses import inbound
from gateway.hub.chunks import delta
from gateway.hub.contracts import Batch, Refusal
from gateway.types import Chunk
from tests.dialects.responses.inbound.makers import Item, ending, stream
from tests.dialects.responses.inbound.test_streams import CASES, bare, offered

BROKEN = Refusal(502, "gone", "server_error", "upstream_stream_error")
ENDS_WELL = [
    row
    for row in CASES
    if row[1][-2]["choices"][0]["finish_reason"] not in ("length", "content_filter")
]


def replay(data: bytes) -> Callable[[httpx2.Request], httpx2.Response]:
    headers = {"content-type": "text/event-stream"}
    return lambda _: httpx2.Response(200, headers=headers, content=data)


def client(answer: Callable[[httpx2.Request], httpx2.Response]) -> OpenAI:
    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return OpenAI(api_key="key", base_url="http://gateway.test/v1", http_client=http, max_retries=0)


@pytest.mark.parametrize(
    ("chunks", "wanted"), [row[1:] for row in ENDS_WELL], ids=[row[0] for row in ENDS_WELL]
)
def test_the_accumulator_of_the_official_sdk_has_every_item(
    chunks: list[Chunk], wanted: list[Item]
) -> None:
    data = stream(offered(), chunks)
    with client(replay(data)).responses.stream(model="dev", input="Hello") as events:
        final = events.get_final_response()
    found = [_plain(item.to_dict()) for item in final.output]
    assert found == wanted
    assert final.status == "completed"
    assert final.output_text == "".join(
        part["text"]
        for item in wanted
        for part in item.get("content", ())
        if part["type"] == "output_text"
    )


def _plain(item: dict[str, Any]) -> Item:
    """Without ids, and without what the SDK has parsed by itself."""
    [plain] = bare([item])
    plain.pop("parsed_arguments", None)
    for part in plain.get("content", ()):
        part.pop("parsed", None)
    return plain


@pytest.mark.parametrize(
    ("chunks", "wanted"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_plain_iteration_of_the_official_sdk_sees_one_end(
    chunks: list[Chunk], wanted: list[Item]
) -> None:
    data = stream(offered(), chunks)
    events = list(client(replay(data)).responses.create(model="dev", input="Hello", stream=True))
    last = events[-1]
    assert last.type in ("response.completed", "response.incomplete")
    assert [_plain(item.to_dict()) for item in last.response.output] == wanted


def test_a_broken_answer_raises_in_both() -> None:
    encoder = inbound.StreamEncoder(offered())
    data = encoder.encode(Batch([delta(content="He")])) + encoder.error(BROKEN)
    with pytest.raises(openai.APIError, match="gone"):
        list(client(replay(data)).responses.create(model="dev", input="Hello", stream=True))
    sdk = client(replay(data))
    with (
        pytest.raises(openai.APIError, match="gone"),
        sdk.responses.stream(model="dev", input="Hello") as events,
    ):
        events.get_final_response()


def test_keep_alives_disturb_no_accumulator() -> None:
    encoder = inbound.StreamEncoder(offered())
    data = encoder.keep_alive()
    for chunk in (delta(content="He"), delta(content="llo"), *ending()):
        data += encoder.encode(Batch([chunk])) + encoder.keep_alive() * 3
    data += encoder.done()
    with client(replay(data)).responses.stream(model="dev", input="Hello") as events:
        assert events.get_final_response().output_text == "Hello"


def test_a_whole_answer_is_read() -> None:
    message = {"role": "assistant", "content": "Hello", "reasoning_content": "Why"}
    body = inbound.encode_response(
        {"choices": [{"message": message, "finish_reason": "stop"}]}, offered()
    )
    response = client(lambda _: httpx2.Response(200, json=body)).responses.create(
        model="dev", input="Hello"
    )
    assert response.output_text == "Hello"
    assert response.output[0].type == "reasoning"
    assert response.usage is not None
