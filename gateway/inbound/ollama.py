"""The part of Ollama's API with which clients find models: `/api/version`, `/api/tags`,
`/api/show`.

Editors and chat clients that know Ollama ask these three, and then call `/v1/chat/completions`.
Source of the shapes: Ollama's OpenAPI document, and what VS Code's Copilot reads of them
(`model_info["general.architecture"]`, `<architecture>.context_length`, `general.basename`,
`capabilities`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from gateway.hub import exact_json
from gateway.inbound.access import check_key
from gateway.inbound.asgi import AsgiRequest
from gateway.inbound.body import read_body
from gateway.inbound.http import ClientLeft, HttpError, Receive, Scope, Send, headers_of, send_json
from gateway.inbound.interrupt import Interrupt
from gateway.inbound.serving import Gateway
from gateway.types import Agent, Client, by_entry

Body = Callable[[Gateway, Client], dict[str, Any]]

VERSION: Final = "0.12.6"
"""The version of Ollama whose answers these are. Clients refuse a server of too old a version."""
ARCHITECTURE: Final = "gateway"
"""What `model_info` names its keys by."""

_TAG: Final = ":latest"
"""What clients add to a name without a tag."""
_BODY_BYTES_MAX: Final = 64 * 1024


class OllamaEndpoint:
    """ASGI applications for the three paths. The access checks are those of `GET /v1/models`."""

    def __init__(self, current: Callable[[], Gateway], started_at: float) -> None:
        self._current = current
        self._modified_at = datetime.fromtimestamp(started_at, UTC).isoformat()

    async def version(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, send, lambda gateway, client: {"version": VERSION})

    async def tags(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, send, self._tags)

    async def show(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`{"model": name}`, or `name` as older clients write it."""
        try:
            # before anything of the body is read
            check_key(headers_of(scope), self._current().keys)
            name = await self._name(scope, receive)
        except HttpError as error:
            await _refuse(send, error)
            return
        except ClientLeft:
            return
        await self._answer(scope, send, lambda gateway, client: self._show(name, gateway, client))

    async def _answer(self, scope: Scope, send: Send, body: Body) -> None:
        gateway = self._current()
        try:
            found = body(gateway, check_key(headers_of(scope), gateway.keys))
        except HttpError as error:
            await _refuse(send, error)
            return
        await send_json(send, 200, found, [])

    async def _name(self, scope: Scope, receive: Receive) -> str:
        with Interrupt() as interrupt:
            limit_s = self._current().server.request_seconds
            body = await read_body(AsgiRequest(scope, receive), _BODY_BYTES_MAX, limit_s, interrupt)
        try:
            asked = exact_json.loads(body, replace_surrogates=True)
        except ValueError:
            asked = None
        name = (asked.get("model") or asked.get("name")) if isinstance(asked, dict) else None
        if not isinstance(name, str):
            raise HttpError(400, 'The body must be a JSON object with a "model".')
        return name

    def _tags(self, gateway: Gateway, client: Client) -> dict[str, Any]:
        return {"models": [self._tag(agent) for agent in usable(gateway, client)]}

    def _tag(self, agent: Agent) -> dict[str, Any]:
        """`size` is 0: nothing is on this host. The digest only tells two names apart."""
        return {
            "name": agent.name,
            "model": agent.name,
            "modified_at": self._modified_at,
            "size": 0,
            "digest": sha256(agent.name.encode()).hexdigest(),
            "details": _details(agent),
            "capabilities": capabilities(agent),
        }

    def _show(self, name: str, gateway: Gateway, client: Client) -> dict[str, Any]:
        known = gateway.names.find(name, client)
        agent = known or gateway.names.resolve(name.removesuffix(_TAG), client)
        return {
            "modelfile": "",
            "parameters": "",
            "template": "",
            "modified_at": self._modified_at,
            "details": _details(agent),
            "model_info": _model_info(agent),
            "capabilities": capabilities(agent),
        }


async def _refuse(send: Send, error: HttpError) -> None:
    """An error as Ollama states it."""
    refusal = error.refusal
    headers = [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
    await send_json(send, refusal.status, {"error": refusal.message}, headers)


def usable(gateway: Gateway, client: Client) -> list[Agent]:
    """The agents and the named models that `client` may use, agents first."""
    models = by_entry(gateway.models).items()
    alone = (Agent(name, chain) for name, chain in models if name not in gateway.agents)
    agents = (*gateway.agents.values(), *alone)
    return [agent for agent in agents if client.may_use(agent.name)]


def _details(agent: Agent) -> dict[str, Any]:
    provider = agent.models[0].provider.name
    return {
        "parent_model": "",
        "format": "api",
        "family": provider,
        "families": [provider],
        "parameter_size": "",
        "quantization_level": "",
    }


def _model_info(agent: Agent) -> dict[str, Any]:
    """The context length is the smallest window of the chain; absent where none is configured."""
    info: dict[str, Any] = {"general.architecture": ARCHITECTURE, "general.basename": agent.name}
    windows = [model.context_window for model in agent.models if model.context_window]
    if windows:
        info[f"{ARCHITECTURE}.context_length"] = min(windows)
    return info


def capabilities(agent: Agent) -> list[str]:
    """What at least one model of the chain does: a request goes on to the one that takes it."""
    if all(model.embeds for model in agent.models):
        return ["embedding"]
    abilities = {
        "completion": True,
        "tools": any(model.quirks.tools for model in agent.models),
        "vision": any(model.quirks.images for model in agent.models),
    }
    return [name for name, has in abilities.items() if has]
