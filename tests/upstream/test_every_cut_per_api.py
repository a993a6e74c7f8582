"""A model check per client API and lane: of a stream that is cut at every byte, a client never
reads a finished answer unless it is whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.dialects import DIALECTS, INBOUND, Encoded
from gateway.drill.apis import APIS, Said
from gateway.failures import Failed
from gateway.hub.contracts import Answer
from gateway.inbound.errors import in_band
from gateway.shared.replay import Replay
from gateway.types import Attempt, Request, Timeouts
from gateway.upstream.stream import AnswerStream
from gateway.upstream.tap import Record
from tests.dialects.responses.inbound.strict import check
from tests.makers import Clock, model
from tests.upstream.fakes import Response
from tests.upstream.test_every_cut import stream_of

NAMES = {"anthropic": "messages"}
"""Dialect → the API's name in the drill, where they differ."""
LANES = [
    ("anthropic", "anthropic"),
    ("responses", "responses"),
    ("anthropic", "responses"),
    ("anthropic", "google"),
    ("responses", "anthropic"),
    ("responses", "chat"),
    ("chat", "anthropic"),
]
"""(the client's dialect, the provider's)."""
CASES = [(client, provider, what) for client, provider in LANES for what in ("text", "tool")]


def request(client: str) -> Request:
    bodies: dict[str, dict[str, Any]] = {
        "chat": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
        "responses": {"model": "m", "input": "Hi"},
        "anthropic": {
            "model": "m",
            "messages": [{"role": "user", "content": "Hi"}],
            "max_tokens": 99,
        },
    }
    return INBOUND[client].decode_request(bodies[client], {})


async def _sent(client: str, provider: str, data: bytes) -> bytes:
    """What the client is sent of a stream that consists of `data`; b"" where it gets an HTTP error
    instead."""
    attempt = Attempt(model("custom"), 1)
    encoded = Encoded("/x", {}, native=client == provider)
    record = Record(attempt, Replay(), "me")
    stream = AnswerStream(Response(data), DIALECTS[provider], encoded, Timeouts(), Clock(), record)
    encoder = INBOUND[client].StreamEncoder(Answer("1", 1, "m", request(client)))
    try:
        await stream.begin(2000.0)
    except Failed:
        return b""
    out = b""
    try:
        async for batch in stream:
            out += encoder.encode(batch)
        return out + encoder.done()
    except Failed as failed:
        return out + encoder.error(in_band(failed.failure, attempt))


def seen(client: str, data: bytes) -> Said:
    return APIS[NAMES.get(client, client)].of_stream(data)


@pytest.mark.parametrize(("client", "provider", "what"), CASES)
def test_no_cut_is_shown_as_a_finished_answer(client: str, provider: str, what: str) -> None:
    stream = stream_of(provider, what)
    with asyncio.Runner() as runner:
        whole = seen(client, runner.run(_sent(client, provider, stream)))
        assert whole.done
        assert whole.error is None
        assert whole.text or whole.calls
        for place in range(len(stream)):
            data = runner.run(_sent(client, provider, stream[:place]))
            if not data:
                continue
            if client == "responses":
                check(data)
            cut = seen(client, data)
            assert not cut.events_after_end, place
            assert cut.done != (cut.error is not None), place
            assert whole.text.startswith(cut.text), place
            if cut.done:
                assert cut == whole, f"half an answer shown as a whole one, cut at {place}"
            else:
                assert cut.finish is None, place
