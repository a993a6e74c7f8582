"""The requests that are counted, each after the same request has warmed up what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import orjson

from gateway.app import App
from gateway.shared.redis.cluster import Cluster
from tests.census.counting import Census, counted
from tests.census.wired import Client, Script, StillLoop, gateway
from tests.inbound.asgi import CHAT
from tests.makers import Clock

WARM_UPS: Final = 3
EVENTS: Final = 20
"""Streams of this many events and of twice as many are compared."""
LATER_S: Final = 24 * 3600.0
"""After this every cooldown is over."""

_MESSAGES: Final = [
    {"role": "system", "content": "You are brief."},
    {"role": "user", "content": "What is the capital of France?"},
]
_USAGE: Final = {
    "prompt_tokens": 21,
    "completion_tokens": 7,
    "total_tokens": 28,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
_ANSWER: Final = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1764000000,
    "model": "gpt-4o",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Paris.",
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": _USAGE,
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}
_HEADERS: Final = (
    "x-request-id: req_1\r\nopenai-processing-ms: 300\r\nopenai-version: 2020-10-01\r\n"
    "x-ratelimit-limit-requests: 5000\r\nx-ratelimit-limit-tokens: 800000\r\n"
    "x-ratelimit-remaining-requests: 4999\r\nx-ratelimit-remaining-tokens: 799900\r\n"
    "x-ratelimit-reset-requests: 12ms\r\nx-ratelimit-reset-tokens: 6ms"
)
"""As OpenAI's API sends them."""


def _head(status: str, type_: str, length: int | None) -> bytes:
    framing = f"content-length: {length}" if length is not None else "connection: keep-alive"
    chunked = "\r\ntransfer-encoding: chunked" if length is None else ""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {type_}\r\n{_HEADERS}\r\n{framing}{chunked}"
    return f"{head}\r\n\r\n".encode()


def _whole(status: str, value: Mapping[str, object]) -> Script:
    body = orjson.dumps(value)
    return [_head(status, "application/json", len(body)) + body]


def _piece(data: bytes) -> bytes:
    event = b"data: " + data + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(event), event)


def _chunk(delta: Mapping[str, object], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1764000000}
    more = {"model": "gpt-4o", "service_tier": "default", "system_fingerprint": "fp_1"}
    return _piece(orjson.dumps({**common, **more, "choices": [choice], "obfuscation": "a1b2"}))


def _stream(events: int) -> Script:
    """Each event arrives by itself, as a model writes it."""
    begin = _head("200 OK", "text/event-stream", None) + _chunk({"role": "assistant"})
    words = [_chunk({"content": f" word{number}"}) for number in range(events)]
    return [begin, *words, _chunk({}, "stop") + _piece(b"[DONE]") + b"0\r\n\r\n"]


_OK: Final = _whole("200 OK", _ANSWER)
_BROKEN: Final = _whole("500 Internal Server Error", {"error": {"message": "It broke."}})


def _request(key: str, *, stream: bool) -> bytes:
    """With the headers that a client library sends at least."""
    body = orjson.dumps({"model": "dev", "messages": _MESSAGES, "stream": stream})
    lines = (
        f"POST {CHAT} HTTP/1.1",
        "host: 127.0.0.1:8484",
        "accept: application/json",
        f"authorization: Bearer {key}",
        "content-type: application/json",
        f"content-length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _count(
    scripts: dict[str, Script],
    *,
    stream: bool = False,
    pause_s: float = 0.0,
    member: Callable[[Clock], Cluster] | None = None,
) -> Census:
    """The calls of one request, `pause_s` after the same requests before it. `member` makes the
    gateway one of a cluster."""
    clock = Clock()

    async def work(app: App) -> Census:
        client = Client(app)
        request = _request(app.keys.add("census"), stream=stream)
        for _ in range(WARM_UPS):
            await client.ask(request)
            clock.now += pause_s
        with counted() as census:
            answer = await client.ask(request)
        assert answer.startswith(b"HTTP/1.1 200 ")
        await app.aclose()
        return census

    with (
        TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=StillLoop) as runner,
        gateway(Path(folder), scripts, clock, member(clock) if member else None) as app,
    ):
        return runner.run(work(app))


def _json_call() -> Census:
    return _count({"one.test": _OK})


def in_a_cluster(member: Callable[[Clock], Cluster]) -> Census:
    """A small JSON call of a gateway that is a member of a cluster."""
    return _count({"one.test": _OK}, member=member)


def _fallback() -> Census:
    """What the first model's failure adds to a call."""
    chain = {"one.test": _BROKEN, "two.test": _OK}
    return _count(chain, pause_s=LATER_S).minus(_count({"one.test": _OK}, pause_s=LATER_S))


def _events() -> Census:
    more = _count({"one.test": _stream(2 * EVENTS)}, stream=True)
    return more.minus(_count({"one.test": _stream(EVENTS)}, stream=True))


CASES: Final[Mapping[str, Callable[[], Census]]] = {
    "a small JSON call, chat to chat": _json_call,
    "a fallback": _fallback,
    f"{EVENTS} streamed events, chat to chat": _events,
}
