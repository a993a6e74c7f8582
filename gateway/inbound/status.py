"""`GET /status`: what the gateway is doing now, for `gateway status` and `gateway explain`; none of OpenAI's paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.inbound.access import check_key
from gateway.inbound.http import HttpError, Receive, Scope, Send, face_of, request_id, send_error, send_json
from gateway.inbound.serving import Gateway
from gateway.redact import scrub
from gateway.shared.breaker import Breaker
from gateway.types import Agent, Client, Model


class StatusEndpoint:
    """An ASGI application. `facts` adds what the process knows of itself, `limits` what concerns a client."""

    def __init__(
        self,
        current: Callable[[], Gateway],
        breaker: Breaker,
        facts: Callable[[], dict[str, Any]],
        limits: Callable[[Client], Awaitable[list[dict[str, Any]]]],
    ) -> None:
        self._current = current
        self._breaker = breaker
        self._facts = facts
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gateway = self._current()
        try:
            client = check_key(scope, gateway.keys)
        except HttpError as error:
            await send_error(send, error, face_of(scope), request_id(scope), [])
            return
        told = {"agents": self._agents(gateway, client), "limits": await self._limits(client)}
        await send_json(send, 200, {**self._facts(), **told}, [])

    def _agents(self, gateway: Gateway, client: Client) -> list[dict[str, Any]]:
        agents = [agent for agent in gateway.agents.values() if client.may_use(agent.name)]
        return [self._agent(agent) for agent in agents]

    def _agent(self, agent: Agent) -> dict[str, Any]:
        return {"agent": agent.name, "chain": [self._model(model) for model in agent.models]}

    def _model(self, model: Model) -> dict[str, Any]:
        """`state` is closed (well), open (rests) or half_open (its next call is a test)."""
        reason = self._breaker.reason(model)
        return {
            "model": model.name,
            "provider": model.provider.name,
            "id": model.model_id,
            "state": self._breaker.state(model),
            "resting_s": round(self._breaker.cooldown_left_s(model), 1),
            "reason": f"{reason.brief()}: {scrub(reason.message)[:200]}" if reason is not None else None,
        }
