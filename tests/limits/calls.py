"""A gateway with limits, a provider as a script, and a clock that tests move."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from gateway.app import App
from gateway.config import schema
from gateway.config.load import build
from gateway.limits.rows import Row
from gateway.observe.ledger import Ledger
from gateway.upstream.transport import Request
from tests.inbound.asgi import CHAT, NO_SERVER, Answer, Client, scope
from tests.makers import Clock
from tests.upstream.fakes import JSON, Response

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()
TOKENS = 100
"""What each call asks for at most: 1 USD at the price below."""
PRICE = schema.Price(input=0, output=10_000)
USAGE = {"prompt_tokens": 5, "completion_tokens": TOKENS}


def whole(usage: dict[str, Any] | None = USAGE, text: str = "Hello") -> Response:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    body = {"choices": [choice], **({"usage": usage} if usage is not None else {})}
    return Response(json.dumps(body).encode(), headers=JSON)


def event(**body: Any) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def said(text: str, finish: str | None = None) -> bytes:
    return event(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": finish}])


class Provider:
    """Answers every request by the model's script, the last answer again and again; waits while
    `gate` is shut."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.scripts: dict[str, list[Response]] = {}
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, request: Request, timeout_s: float) -> Response:
        body = orjson.loads(request.body)
        self.requests.append(body)
        await self.gate.wait()
        script = self.scripts.get(body["model"], [])
        return script.pop(0) if script else whole()

    async def aclose(self) -> None:
        pass


class Limited:
    """A gateway. Models `dear` and `local` have the price above and none; agents are `dev` and
    `bot`."""

    def __init__(
        self,
        home: Path,
        dev: dict[str, Any] | None = None,
        *,
        limits: dict[str, Any] | None = None,
        ledger: bool = False,
        now: float = NOON,
    ) -> None:
        self.clock, self.wall = Clock(), Clock(now)
        self.provider = Provider()
        self.home = home
        self.ledger = Ledger(home / "ledger.db", 90, self.wall) if ledger else None
        if self.ledger is not None:
            self.ledger.start()
        self.app = App(
            config(dev or {}, limits or {}),
            env={},
            home=home,
            clock=self.clock,
            wall=self.wall,
            ledger=self.ledger,
        )
        self.app.use_transport(self.provider)
        self.app.phase = "serving"

    def client(
        self, *, agent: str = "dev", stream: bool = False, text: str = "Hi", **more: Any
    ) -> Client:
        body = {
            "model": agent,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": TOKENS,
            **more,
        }
        return Client(orjson.dumps({**body, "stream": stream}))

    async def ask(self, key: str | None = None, **more: Any) -> Answer:
        client = self.client(**more)
        await self.serve(client, key)
        return client.answer

    async def serve(self, client: Client, key: str | None = None, path: str = CHAT) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        await self.app.asgi(scope("POST", path, headers), client.receive, client.send)

    async def row(self, owner: str = "agent dev", unit: str = "USD") -> Row:
        return next(
            row for row in await self.app.limits.rows() if (row.owner, row.unit) == (owner, unit)
        )


def config(dev: dict[str, Any], limits: dict[str, Any]) -> Any:
    models = {
        name: schema.Model(provider="custom", model=name, base_url=NO_SERVER, price=price)
        for name, price in (
            ("dear", PRICE),
            ("local", None),
            ("free", schema.Price(input=0, output=0)),
        )
    }
    root = schema.Root(
        models=models,
        agents={
            "dev": schema.Agent(**{"models": ["dear"], **dev}),
            "bot": schema.Agent(models=["dear"]),
        },
        fallback=schema.Fallback(max_wait_seconds=0),
        limits=schema.Limits(**{"time_zone": "UTC", **limits}),
    )
    return build(root, None, {}, None, [])


class Leaving(Client):
    """Leaves once it has read something."""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await super().send(message)
        if message.get("body"):
            self.leave()
            await asyncio.Event().wait()
