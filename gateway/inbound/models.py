"""`GET /v1/models` and `GET /v1/models/{id}`: the agents and named models this caller may use, in OpenAI's list
shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from gateway.inbound.access import check_key
from gateway.inbound.http import HttpError, Receive, Scope, Send, face_of, request_id, send_error, send_json
from gateway.inbound.resolve import resolve
from gateway.inbound.serving import Gateway
from gateway.types import Agent, Client


class ModelsEndpoint:
    """An ASGI application for the list and for its items; ids may hold slashes."""

    def __init__(self, current: Callable[[], Gateway], started_at: int) -> None:
        self._current = current
        self._created = started_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gateway = self._current()
        try:
            client = check_key(scope, gateway.keys)
            id_ = unquote(scope.get("path_params", {}).get("id", ""))
            body = self._one(id_, gateway, client) if id_ else self._all(gateway, client)
        except HttpError as error:
            await send_error(send, error, face_of(scope), request_id(scope), [])
            return
        await send_json(send, 200, body, [])

    def _all(self, gateway: Gateway, client: Client) -> dict[str, Any]:
        agents = [agent for agent in gateway.agents.values() if client.may_use(agent.name)]
        agents += [
            Agent(model.name, (model,))
            for model in gateway.models.values()
            if client.may_use(model.name) and model.name not in gateway.agents
        ]
        return {"object": "list", "data": [self._item(agent) for agent in agents]}

    def _one(self, id_: str, gateway: Gateway, client: Client) -> dict[str, Any]:
        return self._item(resolve(id_, gateway.agents, gateway.models, client))

    def _item(self, agent: Agent) -> dict[str, Any]:
        """`context_length` is the smallest window of the chain: what fits there fits every model."""
        windows = [model.context_window for model in agent.models if model.context_window]
        item: dict[str, Any] = {
            "id": agent.name,
            "object": "model",
            "created": self._created,
            "owned_by": agent.models[0].provider.name,
            "chain": [model.name for model in agent.models],
        }
        if windows:
            item["context_length"] = min(windows)
        return item
