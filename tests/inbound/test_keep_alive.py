"""What keeps a client waiting, in each API: before the first content, and in the silences of a
stream."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.config import schema
from gateway.config.load import build
from gateway.drill.apis import APIS
from gateway.lab import anthropic, chat, responses
from gateway.lab.answers import Asked, answer
from tests.inbound.asgi import NO_SERVER, Client, make, scope
from tests.upstream.fakes import Piece, Response, Transport

COMMENT = b": \n\n"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
IDS = {"anthropic": "claude-sonnet-5", "openai": "gpt-4o", "custom": "m"}
LAB = {"anthropic": anthropic, "openai": responses, "custom": chat}
LANES = [
    ("chat", "custom"),
    ("chat", "anthropic"),
    ("messages", "anthropic"),
    ("messages", "custom"),
    ("responses", "openai"),
    ("responses", "custom"),
]
"""(the client's API, the provider)."""


def events(provider: str) -> list[bytes]:
    """The events of a short answer."""
    said = answer(Asked("m", "say: Hello", stream=True))
    return [part.encode() for part in LAB[provider].events(said, "m", "1")]


async def ask(
    home: Path, api: str, provider: str, client: Client, transport: Transport, **timeouts: Any
) -> bytes:
    """The body of an answer that comes through `transport`."""
    folder = home / ".action-llama" / "credentials" / f"{provider}_key" / "default"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "token").write_text("secret-key")
    (folder / "token").chmod(0o600)
    model = schema.Model(provider=provider, model=IDS[provider], base_url=NO_SERVER)
    app = make(home, None, dev=model)
    root = schema.Root(
        models={"dev": model},
        agents={"dev": schema.Agent(models=["dev"])},
        timeouts=schema.Timeouts(**timeouts),
        fallback=schema.Fallback(max_wait_seconds=0),
    )
    app.swap(build(root, None, {}, None, []))
    app.use_transport(transport)
    await app.asgi(scope("POST", APIS[api].path, {}), client.receive, client.send)
    assert client.answer.status == 200, client.answer.body
    return client.answer.body


def request(api: str) -> bytes:
    return orjson.dumps(APIS[api].ask("dev", stream=True))


@pytest.mark.anyio
@pytest.mark.parametrize(("api", "provider"), LANES)
async def test_a_silence_is_filled_in_the_way_of_the_api(
    tmp_path: Path, api: str, provider: str
) -> None:
    parts = events(provider)
    place = next(place for place, part in enumerate(parts) if b"Hello" in part) + 1
    pieces: list[Piece] = [b"".join(parts[:place]), "timeout", "timeout", b"".join(parts[place:])]
    body = await ask(tmp_path, api, provider, Client(request(api)), Transport(Response(*pieces)))
    if api == "chat":
        assert body.count(COMMENT) == 2
    elif api == "messages":
        before, _, _ = body.partition(b"content_block_stop")
        assert before.endswith(PING + PING + b"event: ")
    else:
        assert body.count(b"event: response.in_progress") == 3
    said = APIS[api].of_stream(body)
    assert (said.text, said.finish, said.done, said.events_after_end) == (
        "Hello",
        "stop",
        True,
        False,
    )


class Slow(Transport):
    """Answers, or breaks off, only once the client has been sent something."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(*answers)
        self.sent = asyncio.Event()

    async def send(self, request: Any, timeout_s: float) -> Response:
        await self.sent.wait()
        return await super().send(request, timeout_s)


class Waiting(Client):
    """A client whose first heartbeat lets the transport go on."""

    transport: Slow

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await super().send(message)
        if message["type"] == "http.response.body":
            self.transport.sent.set()


BEFORE = {"chat": COMMENT, "messages": PING, "responses": COMMENT}
"""Responses has no event that may come before the first one."""


@pytest.mark.anyio
@pytest.mark.parametrize(("api", "provider"), LANES)
async def test_a_client_is_kept_waiting_for_the_first_content(
    tmp_path: Path, api: str, provider: str
) -> None:
    client = Waiting(request(api))
    client.transport = Slow(Response(b"".join(events(provider))))
    body = await ask(
        tmp_path,
        api,
        provider,
        client,
        client.transport,
        heartbeat_before_commit=True,
        heartbeat_seconds=0.001,
    )
    assert body.startswith(BEFORE[api])
    said = APIS[api].of_stream(body)
    assert (said.text, said.finish, said.done, said.events_after_end) == (
        "Hello",
        "stop",
        True,
        False,
    )


@pytest.mark.anyio
@pytest.mark.parametrize(("api", "provider"), LANES)
async def test_a_failure_behind_a_heartbeat_is_reported_in_the_stream(
    tmp_path: Path, api: str, provider: str
) -> None:
    client = Waiting(request(api))
    client.transport = Slow("connect")
    body = await ask(
        tmp_path,
        api,
        provider,
        client,
        client.transport,
        heartbeat_before_commit=True,
        heartbeat_seconds=0.001,
    )
    assert body.startswith(BEFORE[api])
    said = APIS[api].of_stream(body)
    assert said.error
    assert "cannot connect" in said.error["message"]
    assert (said.text, said.finish, said.done, said.events_after_end) == ("", None, False, False)
