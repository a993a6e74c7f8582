"""Answers that a client continues by id, where its API has that, and the routes that show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

from gateway.failures import Failed
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
from gateway.types import Request


class Memory(Protocol):
    """Stored answers. `client` is the name of a client key: one client's answers do not exist for
    another."""

    def named_by(self, body: Mapping[str, Any]) -> Iterable[str]:
        """The ids that a request's body refers to."""
        ...

    async def fetch(self, client: str, ids: Iterable[str]) -> None:
        """Brings what other processes of this gateway store under these ids."""
        ...

    def expand(self, client: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A request's body with what it names by id put in place. Raises `Failed` for an unknown
        id."""
        ...

    def keep(self, client: str, request: Request, response: Mapping[str, Any] | None) -> None:
        """Stores an answer, if the client wants that. `response` is None for one that is not
        whole."""
        ...

    def response(self, client: str, id_: str) -> Mapping[str, Any] | None:
        """A stored answer; None for an unknown id."""
        ...

    def input_items(
        self, client: str, id_: str, query: Mapping[str, str]
    ) -> Mapping[str, Any] | None:
        """One page of what led to an answer; None for an unknown id. Raises `Failed` for a wrong
        query."""
        ...

    def delete(self, client: str, id_: str) -> Mapping[str, Any] | None:
        """Forgets an answer and says so; None for an unknown id."""
        ...


class StoredEndpoint:
    """`GET` and `DELETE /v1/responses/{id}`, and `GET /v1/responses/{id}/input_items`."""

    def __init__(self, current: Callable[[], Gateway], memory: Memory) -> None:
        self._current = current
        self._memory = memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            client = check_key(headers_of(scope), self._current().keys).name
            await self._memory.fetch(client, [scope["path_params"]["id"].partition("/")[0]])
            body = self._found(scope, client)
        except HttpError as error:
            await send_error(send, error, face_of(scope), request_id(scope), [])
            return
        await send_json(send, 200, body, [])

    def _found(self, scope: Scope, client: str) -> Mapping[str, Any]:
        """Raises `HttpError` 400, 404 and 405."""
        asked: str = scope["path_params"]["id"]
        id_, _, part = asked.partition("/")
        if part not in ("", "input_items"):
            raise _unknown(asked)
        found = self._answer(scope, client, id_, part)
        if found is None:
            raise _unknown(id_)
        return found

    def _answer(self, scope: Scope, client: str, id_: str, part: str) -> Mapping[str, Any] | None:
        method = scope["method"]
        if part == "input_items" and method == "GET":
            try:
                return self._memory.input_items(
                    client, id_, dict(parse_qsl(scope["query_string"].decode("latin-1")))
                )
            except Failed as failed:
                wrong = failed.failure
                raise HttpError(400, wrong.message, code=wrong.code, param=wrong.param) from failed
        if part == "" and method == "GET":
            return self._memory.response(client, id_)
        if part == "" and method == "DELETE":
            return self._memory.delete(client, id_)
        allowed = "GET" if part else "GET, DELETE"
        raise HttpError(
            405, f"{method} is not allowed here; use {allowed}.", headers={"allow": allowed}
        )


def _unknown(id_: str) -> HttpError:
    return HttpError(
        404,
        f"No stored response has the id {id_[:100]!r}.",
        code="response_not_found",
        param="response_id",
    )
