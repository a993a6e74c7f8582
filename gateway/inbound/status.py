"""`GET /status`: what the gateway does now, as `reports/status.py` describes it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from gateway.inbound.access import check_key
from gateway.inbound.http import (
    HttpError,
    Receive,
    Scope,
    Send,
    face_of,
    headers_of,
    request_id,
    send_error,
    send_json,
)
from gateway.inbound.serving import Gateway
from gateway.limits.rows import Row
from gateway.reports.status import Status, status
from gateway.shared.breaker import Breaker
from gateway.shared.redis.health import Group
from gateway.types import Call, Client, Model


class StatusEndpoint:
    """An ASGI application.

    `facts` gives what the process knows of itself, and `calls` the calls under way, oldest first.
    `clock` is the clock that stamps the calls. `limits` gives the limits that concern a client,
    `cluster` the gateways that share; `has_key` says whether there is a key for a model.
    """

    def __init__(
        self,
        current: Callable[[], Gateway],
        breaker: Breaker,
        facts: Callable[[], dict[str, Any]],
        calls: Callable[[], Iterable[Call]] = tuple,
        clock: Callable[[], float] = time.monotonic,
        limits: Callable[[Client], Awaitable[list[Row]]] | None = None,
        cluster: Callable[[], Awaitable[Group]] | None = None,
        has_key: Callable[[Model], bool] = lambda model: True,
    ) -> None:
        self._current = current
        self._breaker = breaker
        self._facts = facts
        self._calls = calls
        self._clock = clock
        self._limits = limits
        self._cluster = cluster
        self._has_key = has_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gateway = self._current()
        try:
            client = check_key(headers_of(scope), gateway.keys)
        except HttpError as error:
            await send_error(send, error, face_of(scope), request_id(scope), [])
            return
        await send_json(send, 200, await self.report(client), [])

    async def report(self, client: Client) -> Status:
        """What `client` may see."""
        agents = self._current().agents.values()
        facts, calls, now = self._facts(), self._calls(), self._clock()
        limits = await self._limits(client) if self._limits is not None else []
        group = await self._cluster() if self._cluster is not None else None
        return status(
            facts,
            agents,
            self._breaker,
            calls,
            client=client,
            now=now,
            limits=limits,
            cluster=group,
            has_key=self._has_key,
        )
