"""Requests, answers and streams of this face, with as few words as a test needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.dialects.responses import inbound
from gateway.dialects.responses.inbound.history import Stored, expand
from gateway.hub.chunks import delta, finish, usage_chunk
from gateway.hub.contracts import Answer, Batch, Request
from gateway.types import Chunk

Item = dict[str, Any]

USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 12,
    "total_tokens": 42,
    "prompt_tokens_details": {"cached_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 5},
}
HELLO: Item = {"role": "user", "content": "Hello"}


def function(name: str, **more: Any) -> Item:
    return {
        "type": "function",
        "name": name,
        "parameters": {"type": "object", "properties": {}},
        **more,
    }


def called(id_: str, name: str = "look", arguments: str = "{}", **more: Any) -> Item:
    return {"type": "function_call", "call_id": id_, "name": name, "arguments": arguments, **more}


def output(id_: str, value: Any = "ok") -> Item:
    return {"type": "function_call_output", "call_id": id_, "output": value}


def nothing_stored(id_: str) -> Stored | None:
    return None


def request(*items: Item, headers: Mapping[str, str] | None = None, **fields: Any) -> Request:
    """A decoded request; one user message when no item is given."""
    body = {"model": "dev", "input": list(items) or [HELLO], **fields}
    return inbound.decode_request(expand(body, nothing_stored), headers or {})


def answer(*items: Item, headers: Mapping[str, str] | None = None, **fields: Any) -> Answer:
    return Answer("call1", 1_790_000_000, "gpt-test", request(*items, headers=headers, **fields))


def tool_call(
    index: int, id_: str | None = None, name: str = "", arguments: str = "", **more: Any
) -> Chunk:
    """A delta of a function call; its beginning where `id_` is given."""
    call: dict[str, Any] = {"index": index, "function": {"arguments": arguments}, **more}
    if id_ is not None:
        call |= {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
    return delta(tool_calls=[call])


def custom_call(index: int, id_: str | None = None, name: str = "", text: str = "") -> Chunk:
    if id_ is None:
        return delta(tool_calls=[{"index": index, "custom": {"input": text}}])
    return delta(
        tool_calls=[
            {"index": index, "id": id_, "type": "custom", "custom": {"name": name, "input": text}}
        ]
    )


def ending(reason: str = "stop") -> list[Chunk]:
    return [finish(reason), usage_chunk(USAGE)]


def stream(offered: Answer, chunks: Iterable[Chunk]) -> bytes:
    """A whole stream, one batch per chunk."""
    encoder = inbound.StreamEncoder(offered)
    return b"".join(encoder.encode(Batch([chunk])) for chunk in chunks) + encoder.done()
