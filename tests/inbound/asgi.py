"""A whole gateway without sockets: requests as ASGI messages, answers as (status, headers,
body)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from gateway.app import App
from gateway.config import schema
from gateway.config.load import build
from gateway.dialects import INBOUND
from gateway.inbound.http import FACE, Scope

CHAT = "/v1/chat/completions"
NO_SERVER = "http://127.0.0.1:1/v1"
"""A port without a server: a request that gets so far has passed every check."""


class Answer(NamedTuple):
    """What the client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return dict(self.json["error"])


def scope(method: str, path: str, headers: Mapping[str, str]) -> Scope:
    sent = {"host": "127.0.0.1:8484", **headers}
    return {
        "type": "http",
        "method": method,
        "path": path,
        FACE: INBOUND["chat"],
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()
        ],
    }


class Client:
    """One request as the server would hand it on: the body in pieces, then silence until
    `leave`."""

    def __init__(self, *pieces: bytes, ends: bool = True) -> None:
        self.pieces = list(pieces)
        self._ends = ends
        self._left = asyncio.Event()
        self.sent: list[MutableMapping[str, Any]] = []

    def leave(self) -> None:
        self._left.set()

    async def receive(self) -> MutableMapping[str, Any]:
        if self.pieces:
            piece = self.pieces.pop(0)
            return {
                "type": "http.request",
                "body": piece,
                "more_body": bool(self.pieces) or not self._ends,
            }
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)

    @property
    def answer(self) -> Answer:
        start, *bodies = self.sent
        assert not bodies[-1].get("more_body"), "the answer is not complete"
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        assert len(headers) == len(start["headers"]), "a header is sent twice"
        return Answer(start["status"], headers, b"".join(message["body"] for message in bodies))


def make(home: Path, server: schema.Server | None = None, **models: schema.Model) -> App:
    """A gateway with agent `dev` over the given models; by default one that reaches no server."""
    table = models or {"local": schema.Model(provider="custom", model="m", base_url=NO_SERVER)}
    root = schema.Root(
        models=table,
        agents={"dev": schema.Agent(models=list(table))},
        server=server or schema.Server(),
        fallback=schema.Fallback(max_wait_seconds=0),
    )
    app = App(build(root, None, {}, None, []), env={}, home=home)
    app.phase = "serving"
    return app


async def ask_here(
    app: App, method: str, path: str, pieces: Iterable[bytes], headers: Mapping[str, str]
) -> Answer:
    """One request on the loop that runs."""
    client = Client(*pieces)
    await app.asgi(scope(method, path, headers), client.receive, client.send)
    return client.answer


def ask(
    app: App,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request, answered whole."""
    pieces = [body] if isinstance(body, bytes) else list(body)

    return answered(app, scope(method, path, headers or {}), *pieces)


def answered(app: App, request: Scope, *pieces: bytes) -> Answer:
    """One request with a scope of its own, answered whole."""

    async def work() -> Answer:
        client = Client(*pieces)
        try:
            await app.asgi(request, client.receive, client.send)
        finally:
            await app.aclose()
        return client.answer

    return asyncio.run(work())
