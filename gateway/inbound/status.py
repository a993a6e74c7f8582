"""`GET /status`: what the gateway does now, as `reports/status.py` describes it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from gateway.inbound.access import check_key
from gateway.inbound.http import HttpError, Receive, Scope, Send, face_of, request_id, send_error, send_json
from gateway.inbound.serving import Gateway
from gateway.reports.status import status
from gateway.shared.breaker import Breaker
from gateway.types import Call


class StatusEndpoint:
    """An ASGI application.

    `facts` gives what the process knows of itself, and `calls` the calls under way, oldest first.
    `clock` is the clock that stamps the calls.
    """

    def __init__(
        self,
        current: Callable[[], Gateway],
        breaker: Breaker,
        facts: Callable[[], dict[str, Any]],
        calls: Callable[[], Iterable[Call]] = tuple,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._current = current
        self._breaker = breaker
        self._facts = facts
        self._calls = calls
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gateway = self._current()
        try:
            client = check_key(scope, gateway.keys)
        except HttpError as error:
            await send_error(send, error, face_of(scope), request_id(scope), [])
            return
        agents = gateway.agents.values()
        facts, calls, now = self._facts(), self._calls(), self._clock()
        report = status(facts, agents, self._breaker, calls, client=client, now=now)
        await send_json(send, 200, report, [])
