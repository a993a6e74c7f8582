"""Counts the input tokens of a request: by the agent's first model where that can count, else by an
estimate.

A count is not a call: no circuit, budget or ledger counts it, and no other model of the chain is
asked, since each has a tokenizer of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gateway.failures import UNREADABLE, Failed, structure_fault
from gateway.hub.contracts import Counting, Encoded
from gateway.hub.exact_json import parse_object
from gateway.inbound.access import check_key
from gateway.inbound.asgi import AsgiRequest
from gateway.inbound.body import read_body
from gateway.inbound.http import (
    ClientLeft,
    Headers,
    HttpError,
    Receive,
    Scope,
    Send,
    header_value,
    headers_of,
    request_id,
    send_error,
    send_json,
)
from gateway.inbound.interrupt import Interrupt
from gateway.inbound.memory import Memory
from gateway.inbound.serving import Gateway
from gateway.types import Client, Model, Request


class Counter(Protocol):
    """Asks providers."""

    async def count(self, dialect: str, encoded: Encoded, model: Model) -> int | None:
        """A provider's own count; None where it gives none. Raises `Failed` for a request that it
        refuses."""
        ...


class CountingEndpoint:
    """An ASGI application for one client API. `memory` keeps its answers, where the API has
    that."""

    def __init__(
        self,
        current: Callable[[], Gateway],
        counting: Counting,
        upstream: Counter,
        memory: Memory | None = None,
    ) -> None:
        self._current = current
        self._counting = counting
        self._upstream = upstream
        self._memory = memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            tokens, headers = await self._answer(scope, receive)
        except ClientLeft:
            return
        except HttpError as error:
            await send_error(send, error, self._counting.face, request_id(scope), [])
            return
        await send_json(send, 200, self._counting.render(tokens), headers)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, Headers]:
        """(the count, headers that say whose it is). Raises `HttpError` and `ClientLeft`."""
        gateway = self._current()
        client = check_key(headers_of(scope), gateway.keys)
        server = gateway.server
        with Interrupt() as interrupt:
            asked, limit_s = AsgiRequest(scope, receive), server.request_seconds
            body = await read_body(asked, server.max_body_bytes, limit_s, interrupt)
        named: dict[str, str] = {}
        try:
            request = self._decode(body, scope, client)
            agent = gateway.names.resolve(request.chat["model"], client)
            named["x-gateway-agent"] = header_value(agent.name).decode()
            tokens, counted_by = await self._count(request, agent.models[0])
        except Failed as failed:
            wrong = failed.failure
            raise HttpError(
                400, wrong.message, code=wrong.code, param=wrong.param, headers=named
            ) from failed
        except UNREADABLE as error:
            message = f"Invalid request: {structure_fault(error)}."
            raise HttpError(400, message, code="invalid_value", headers=named) from error
        return tokens, [(b"x-gateway-agent", header_value(agent.name)), *counted_by]

    def _decode(self, body: bytes, scope: Scope, client: Client) -> Request:
        stated: Mapping[str, Any] = parse_object(body)
        if self._memory is not None:
            stated = self._memory.expand(client.name, stated)
        return self._counting.decode(stated, headers_of(scope))

    async def _count(self, request: Request, model: Model) -> tuple[int, Headers]:
        dialect, native = self._counting.face.NAME, self._counting.native
        if native is not None and model.provider.dialect == dialect:
            tokens = await self._upstream.count(dialect, native(request, model), model)
            if tokens is not None:
                return tokens, _of_model(model)
        return self._counting.estimate(request), []


def _of_model(model: Model) -> Headers:
    """The headers that name the model which counted; an estimate has none."""
    return [
        (b"x-gateway-model", header_value(model.name)),
        (b"x-gateway-provider", header_value(model.provider.name)),
    ]
