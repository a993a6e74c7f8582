"""A strict reader of Messages streams: what any of the known clients fails on is an assertion
here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

from gateway import sse
from gateway.dialects.anthropic.inbound import StreamEncoder, decode_request
from gateway.hub.contracts import Answer, Batch
from gateway.types import Chunk

EVENT: Final = TypeAdapter[Any](RawMessageStreamEvent)

BODY: Final[Mapping[str, Any]] = {
    "model": "coder",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hi"}],
    "thinking": {"type": "adaptive"},
}


def answer(**fields: Any) -> Answer:
    """An answer to a request with `fields`."""
    return Answer("1", 1_700_000_000, "gpt-5.5", decode_request({**BODY, **fields}, {}))


def encoded(chunks: Sequence[Chunk], size: int = 1, **fields: Any) -> bytes:
    """The whole stream of `chunks`, `size` of them in each batch."""
    encoder = StreamEncoder(answer(**fields))
    batches = [Batch(chunks[place : place + size]) for place in range(0, len(chunks), size)]
    return b"".join(map(encoder.encode, batches)) + encoder.done()


def events(data: bytes) -> list[dict[str, Any]]:
    """The bodies of all events but pings; each has a name, which its body repeats."""
    decoder = sse.Decoder()
    found = []
    for event in [*decoder.decode(data), *decoder.flush()]:
        body = orjson.loads(event.data)
        assert event.name.decode() == body["type"]
        found.append(body)
    return [body for body in found if body["type"] != "ping"]


def read(data: bytes) -> dict[str, Any]:
    """The message of a whole stream, checked event by event."""
    bodies = events(data)
    first, *middle, change, last = bodies
    message = _begun(first)
    assert last == {"type": "message_stop"}
    assert change["type"] == "message_delta"
    open_block: dict[str, Any] | None = None
    for body in middle:
        open_block = _BLOCK_EVENTS[body["type"]](message, body, open_block)
    assert open_block is None, "a block is left open"
    assert isinstance(change["delta"]["stop_reason"], str)
    for key in (
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    ):
        assert type(change["usage"][key]) is int
    message |= change["delta"]
    message["usage"] = change["usage"]
    _check_with_the_official_reader(data, message)
    return message


def _begun(body: dict[str, Any]) -> dict[str, Any]:
    assert body["type"] == "message_start"
    message = dict(body["message"])
    assert message["content"] == []
    assert message["role"] == "assistant"
    assert message["id"].startswith("msg_")
    assert message["stop_reason"] is None
    assert type(message["usage"]["input_tokens"]) is int
    return message


def _start(
    message: dict[str, Any], body: dict[str, Any], block: dict[str, Any] | None
) -> dict[str, Any]:
    assert block is None, "two blocks are open"
    assert body["index"] == len(message["content"]), "an index is left out or used twice"
    started = dict(body["content_block"])
    assert started == _EMPTY[started["type"]](started)
    message["content"].append(started)
    return started


_EMPTY: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "text": lambda block: {"type": "text", "text": ""},
    "thinking": lambda block: {"type": "thinking", "thinking": "", "signature": ""},
    "tool_use": lambda block: {
        "type": "tool_use",
        "id": block["id"],
        "name": block["name"],
        "input": {},
    },
}


def _delta(
    message: dict[str, Any], body: dict[str, Any], block: dict[str, Any] | None
) -> dict[str, Any]:
    assert block is not None, "no block is open"
    assert body["index"] == len(message["content"]) - 1
    piece = body["delta"]
    kind, key = _DELTAS[piece["type"]]
    assert block["type"] == kind, "a delta of another kind"
    assert not block.get("signature"), "more after the signature"
    if key == "citation":
        block.setdefault("citations", []).append(piece[key])
    else:
        block[key] = (
            block.get(key) if key in ("text", "thinking", "signature") else block.get(key, "")
        )
        block[key] += piece[key]
    return block


_DELTAS: Final[Mapping[str, tuple[str, str]]] = {
    "text_delta": ("text", "text"),
    "citations_delta": ("text", "citation"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
    "input_json_delta": ("tool_use", "partial_json"),
}


def _stop(message: dict[str, Any], body: dict[str, Any], block: dict[str, Any] | None) -> None:
    assert block is not None, "no block is open"
    assert body["index"] == len(message["content"]) - 1
    text = block.pop("partial_json", "")
    if text:
        try:
            block["input"] = orjson.loads(text)
        except orjson.JSONDecodeError:
            block["input"] = text


_BLOCK_EVENTS: Final[Mapping[str, Callable[[dict[str, Any], dict[str, Any], Any], Any]]] = {
    "content_block_start": _start,
    "content_block_delta": _delta,
    "content_block_stop": _stop,
}


def _check_with_the_official_reader(data: bytes, message: dict[str, Any]) -> None:
    """The official SDK reads the same message, where all arguments are JSON."""
    if any(isinstance(block.get("input"), str) for block in message["content"]):
        return
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for body in events(data):
        event = EVENT.validate_python(body)
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    assert snapshot is not None
    found = snapshot.to_dict()
    assert found["stop_reason"] == message["stop_reason"]
    assert [_essence(block) for block in found["content"]] == [
        _essence(block) for block in message["content"]
    ]
    assert snapshot.usage.output_tokens == message["usage"]["output_tokens"]
    assert snapshot.usage.input_tokens == message["usage"]["input_tokens"]


def _essence(block: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: block.get(key)
        for key in ("type", "text", "thinking", "signature", "id", "name", "input")
    }
