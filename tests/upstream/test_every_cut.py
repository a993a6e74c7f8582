"""A model check: a stream of each format, cut at every byte, ends in the whole answer or in the
truth about it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from gateway.dialects import DIALECTS, Encoded
from gateway.failures import Failed, Kind
from gateway.lab import anthropic, chat, google, responses
from gateway.lab.answers import Asked
from gateway.lab.play import play
from gateway.shared.replay import Replay
from gateway.types import Attempt, Chunk, Timeouts
from gateway.upstream.stream import AnswerStream
from gateway.upstream.tap import Record
from tests.makers import Clock, model
from tests.upstream.fakes import Piece, Response

APIS: dict[str, ModuleType] = {
    "anthropic": anthropic,
    "chat": chat,
    "google": google,
    "responses": responses,
}
TOOL: dict[str, Any] = {"look_up": {"type": "object", "properties": {"city": {"type": "string"}}}}
ASKED = {
    "text": Asked("m", "say: Grüße 🙈 to all", stream=True, thinks=True),
    "tool": Asked("m", "look_up", stream=True, tools=TOOL, forced=True, thinks=True),
}
CASES = [(dialect, what) for dialect in APIS for what in ASKED]


def stream_of(dialect: str, what: str) -> bytes:
    steps = play("ok", APIS[dialect], ASKED[what], "lab1").steps
    return b"".join(step for step in steps if isinstance(step, bytes))


async def read(dialect: str, *pieces: Piece) -> tuple[list[Chunk], Failed | None]:
    """(the chunks that came, how it failed)."""
    chunks: list[Chunk] = []
    record = Record(Attempt(model("custom"), 1), Replay(), "me")
    face = DIALECTS[dialect]
    stream = AnswerStream(Response(*pieces), face, Encoded("/x", {}), Timeouts(), Clock(), record)
    try:
        await stream.begin(2000.0)
        async for batch in stream:
            chunks += batch.chunks
    except Failed as failed:
        return chunks, failed
    return chunks, None


def said(chunks: list[Chunk]) -> dict[str, str]:
    """Everything that was said, by kind."""
    found = {"content": "", "reasoning_content": "", "arguments": ""}
    for chunk in chunks:
        for choice in chunk["choices"]:
            found["content"] += choice["delta"].get("content") or ""
            found["reasoning_content"] += choice["delta"].get("reasoning_content") or ""
            for call in choice["delta"].get("tool_calls", ()):
                found["arguments"] += call["function"].get("arguments", "")
    return found


def finishes(chunks: list[Chunk]) -> list[str]:
    return [
        choice["finish_reason"]
        for chunk in chunks
        for choice in chunk["choices"]
        if choice["finish_reason"]
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(("dialect", "what"), CASES)
async def test_every_cut_is_reported(dialect: str, what: str) -> None:
    stream = stream_of(dialect, what)
    whole, failed = await read(dialect, stream)
    assert failed is None
    everything = said(whole)
    assert everything["content" if what == "text" else "arguments"]
    for place in range(len(stream)):
        chunks, failed = await read(dialect, stream[:place])
        if failed is None:
            assert said(chunks) == everything, (
                f"half an answer shown as a whole one, cut at {place}"
            )
            assert finishes(chunks) == finishes(whole)
            continue
        assert failed.failure.kind in (Kind.TRUNCATED, Kind.MALFORMED), place
        assert finishes(chunks) == [], f"a finish, and a failure behind it, cut at {place}"
        assert all(everything[kind].startswith(text) for kind, text in said(chunks).items()), place


@pytest.mark.anyio
@pytest.mark.parametrize(("dialect", "what"), CASES)
async def test_every_reset_is_reported(dialect: str, what: str) -> None:
    stream = stream_of(dialect, what)
    everything = said((await read(dialect, stream))[0])
    for place in range(1, len(stream), 7):
        chunks, failed = await read_with_reset(dialect, stream[:place])
        assert failed or said(chunks) == everything, (
            f"half an answer shown as a whole one, reset at {place}"
        )


async def read_with_reset(dialect: str, data: bytes) -> tuple[list[Chunk], bool]:
    from gateway.upstream.transport import TransportError

    try:
        chunks, failed = await read(dialect, data, "reset")
    except TransportError:
        return [], True  # before the first content, where the caller turns it into a failure
    return chunks, failed is not None
