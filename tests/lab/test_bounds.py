"""What the lab keeps and computes is bounded, whatever a client sends and for however long."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import orjson
import pytest

from gateway import lab as lab_
from gateway.lab import Lab, answers, server
from gateway.lab.play import Played
from gateway.lab.server import Request

HEAD = "POST /openai/v1/{} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer any\r\n"


def request(body: bytes, path: str = "chat/completions") -> Request:
    made = Request()
    made.feed(f"{HEAD.format(path)}content-length: {len(body)}\r\n\r\n".encode() + body)
    return made


def asked(content: str, **more: Any) -> bytes:
    return orjson.dumps({"model": "m", "messages": [{"role": "user", "content": content}], **more})


def answered(lab: Lab, body: bytes, path: str = "chat/completions") -> Played:
    return lab.handle(request(body, path))


def nested(depth: int) -> dict[str, Any]:
    """Twice as many values on every level for a reader that repeats what is required twice."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "required": ["a", "a"], "properties": {"a": schema}}
    return schema


def feed_often(made: Request, piece: bytes, times: int) -> None:
    for _ in range(times):
        made.feed(piece)


def test_the_number_of_remembered_calls_is_bounded() -> None:
    lab = Lab()
    for number in range(lab_.CALLS_MAX + 10):
        answered(lab, asked(f"{number}"))
    kept = [seen.body["messages"][0]["content"] for seen in lab.calls]
    assert kept == [f"{number}" for number in range(10, lab_.CALLS_MAX + 10)]


def test_the_size_of_remembered_calls_is_bounded() -> None:
    lab, large = Lab(), asked("x" * (lab_.CALLS_BYTES_MAX // 4))
    for _ in range(10):
        answered(lab, large)
    assert len(lab.calls) == 3
    answered(lab, asked("y" * lab_.CALLS_BYTES_MAX))
    assert lab.calls == []


@pytest.mark.parametrize(
    ("beginning", "more"),
    [
        ("GET /" + "p" * 1000, "p" * 1000),
        ("GET / HTTP/1.1\r\nx: ", "v" * 1000),
        ("GET / HTTP/1.1\r\n", "x: " + "v" * 990 + "\r\n"),
        ("GET / HTTP/1.1\r\n" + "n" * 100, "n" * 1000),
    ],
    ids=["path", "value", "headers", "name"],
)
def test_a_head_without_end_is_refused(beginning: str, more: str) -> None:
    made = Request()
    made.feed(beginning.encode())
    with pytest.raises(server.TooLarge):
        feed_often(made, more.encode(), server.HEAD_BYTES_MAX // 1000 + 1)


def test_a_body_without_end_is_refused() -> None:
    made, piece = Request(), b"x" * 2**20
    made.feed(HEAD.format("x").encode() + b"transfer-encoding: chunked\r\n\r\n")
    chunk = b"%x\r\n%s\r\n" % (len(piece), piece)
    with pytest.raises(server.TooLarge):
        feed_often(made, chunk, server.REQUEST_BYTES_MAX // len(piece) + 1)
    assert len(made.body) <= server.REQUEST_BYTES_MAX


@pytest.mark.anyio
async def test_a_client_that_sends_too_much_is_left() -> None:
    async with Lab() as lab:
        reader, writer = await asyncio.open_connection("127.0.0.1", lab.port)
        writer.write(b"GET / HTTP/1.1\r\nx: " + b"v" * (server.HEAD_BYTES_MAX + 1))
        with pytest.raises((ConnectionError, EOFError)):
            await reader.readexactly(1)
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", lab.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        assert lab.held_bytes < 100


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("embeddings", {"model": "m", "input": "x", "dimensions": 10**9}),
        ("embeddings", {"model": "m", "input": "x", "dimensions": -1}),
        ("embeddings", {"model": "m", "input": "x", "dimensions": "many"}),
        ("embeddings", {"model": "m", "input": ["x"] * (answers.INPUTS_MAX + 1)}),
        ("embeddings", {"model": "m", "input": ["x"] * 2048, "dimensions": 4096}),
        ("chat/completions", {"model": ["m"], "messages": [{"role": "user", "content": "x"}]}),
        (
            "chat/completions",
            {
                "model": "m",
                "messages": [{"role": "user", "content": "x"}],
                "response_format": {"type": "json_schema", "schema": nested(240)},
            },
        ),
    ],
)
def test_what_no_real_server_would_do_is_refused(path: str, body: dict[str, Any]) -> None:
    lab = Lab()
    played = answered(lab, json.dumps(body).encode(), path)
    assert played.status in (200, 400)
    assert sum(len(step) for step in played.steps if isinstance(step, bytes)) < 10_000


def test_a_repeated_text_and_the_tools_are_bounded() -> None:
    lab, chars = Lab(), answers.TEXT_CHARS_MAX
    played = answered(lab, asked("say: " + "x" * (2 * chars)))
    assert len(played.steps[0]) < chars + 1000  # type: ignore[arg-type]  # bytes here
    tools = [{"type": "function", "function": {"name": f"t{number}"}} for number in range(5000)]
    played = answered(lab, asked("Use the tool", tools=tools))
    body = orjson.loads(b"".join(step for step in played.steps if isinstance(step, bytes)))
    assert len(body["choices"][0]["message"]["tool_calls"]) == answers.TOOLS_MAX


def test_a_required_property_is_made_once() -> None:
    """It would take 2^60 steps otherwise."""
    schema = {"type": "json_schema", "json_schema": {"schema": nested(60)}}
    played = answered(Lab(), asked("x", response_format=schema))
    body = orjson.loads(b"".join(step for step in played.steps if isinstance(step, bytes)))
    value = orjson.loads(body["choices"][0]["message"]["content"])
    for _ in range(60):
        value = value["a"]
    assert value == "Oslo"
