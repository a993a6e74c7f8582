"""`GET /v1/models` and `GET /v1/models/{id}`: what this caller may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from gateway.hub.models_list import ListForms, ModelItem
from gateway.inbound.access import check_key
from gateway.inbound.http import (
    HttpError,
    Receive,
    Scope,
    Send,
    headers_of,
    request_id,
    send_error,
    send_json,
)
from gateway.inbound.resolve import Names
from gateway.inbound.serving import Gateway
from gateway.types import Agent, Client

Json = dict[str, Any]
Items = Iterator[ModelItem]


class ModelsEndpoint:
    """An ASGI application for the list and for its items; ids may hold slashes."""

    def __init__(self, current: Callable[[], Gateway], started_at: int, forms: ListForms) -> None:
        self._current = current
        self._created = started_at
        self._forms = forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gateway = self._current()
        try:
            client = check_key(headers_of(scope), gateway.keys)
            id_ = unquote(scope.get("path_params", {}).get("id", ""))
            body = self._one(id_, gateway, client) if id_ else self._all(scope, gateway, client)
        except HttpError as error:
            face = self._forms.face_of(headers_of(scope))
            await send_error(send, error, face, request_id(scope), [])
            return
        await send_json(send, 200, body, [])

    def _all(self, scope: Scope, gateway: Gateway, client: Client) -> Json:
        items = [self._item(name, agent) for name, agent in gateway.names.visible(client).items()]
        if self._forms.wants_aliases(headers_of(scope)):
            items += list(self._aliases(items, gateway.names, client))
        listing = self._forms.encode_models(items)
        is_catalog = self._forms.wants_catalog(scope["query_string"].decode("latin-1"))
        return self._forms.with_catalog(listing) if is_catalog else listing

    def _aliases(self, items: Sequence[ModelItem], names: Names, client: Client) -> Items:
        """Those that mean what they say: a configured pattern may give one to another agent."""
        for item in self._forms.aliases_of(items):
            agent = names.find(item.id, client)
            if agent is not None and self._item(item.id, agent) == item:
                yield item

    def _one(self, id_: str, gateway: Gateway, client: Client) -> Json:
        """Under the name that was asked for, alias or not."""
        return self._forms.encode_model(self._item(id_, gateway.names.resolve(id_, client)))

    def _item(self, name: str, agent: Agent) -> ModelItem:
        """The limits are the smallest of the chain: what fits there fits every model."""
        windows = [model.context_window for model in agent.models if model.context_window]
        outputs = [model.max_output_tokens for model in agent.models if model.max_output_tokens]
        return ModelItem(
            id=name,
            created=self._created,
            owned_by=agent.models[0].provider.name,
            context_window=min(windows, default=None),
            max_output_tokens=min(outputs, default=None),
            chain=tuple(model.name for model in agent.models),
        )
