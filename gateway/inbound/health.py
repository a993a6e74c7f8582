"""`/livez`, `/readyz`, `/health`. They never call a provider: an orchestrator must not restart us
for a vendor's outage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from gateway.inbound.http import Receive, Scope, Send, send_json

Phase = Literal["starting", "serving", "draining"]


class Health:
    """One ASGI application per question. `phase` says where the process is in its life, `facts`
    what `/health` adds."""

    def __init__(self, phase: Callable[[], Phase], facts: Callable[[], dict[str, Any]]) -> None:
        self._phase = phase
        self._facts = facts

    async def live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """200 as long as the process answers at all."""
        await send_json(send, 200, {"status": "ok"}, [])

    async def ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        """200 while serving, 503 while starting or draining."""
        phase = self._phase()
        await send_json(send, 200 if phase == "serving" else 503, {"status": phase}, [])

    async def health(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same with a few facts, for a person."""
        phase = self._phase()
        await send_json(
            send, 200 if phase == "serving" else 503, {"status": phase, **self._facts()}, []
        )
