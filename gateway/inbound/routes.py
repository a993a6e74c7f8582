"""Every path the gateway answers, with and without `/v1`: clients disagree about where the base URL ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.routing import Route, Router

from gateway.inbound.http import HttpError, Receive, Scope, Send, send_json
from gateway.inbound.resolve import nearest

PREFIXES: Final = ("/v1", "")


class Asgi:
    """Marks a bound method or an object as an ASGI application: the router would take a function for an endpoint."""

    def __init__(self, app: object) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)  # type: ignore[operator]


class NotFound:
    """Answers every other path as OpenAI would: with an error object, never with a page."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        near = nearest(scope["path"], self._paths)
        hint = f" Did you mean {near[0]}?" if near else ""
        error = HttpError(404, f"Invalid URL ({scope['method']} {scope['path']}).{hint}", code="unknown_url")
        await send_json(send, error.status, error.body, [])


def application(endpoints: Mapping[str, object], unprefixed: Mapping[str, object]) -> Router:
    """The ASGI application. `endpoints` are served with and without `/v1`, `unprefixed` as they stand."""
    paths = [(prefix + path, app) for path, app in endpoints.items() for prefix in PREFIXES]
    paths += list(unprefixed.items())
    routes = [Route(path, endpoint=Asgi(app)) for path, app in paths]
    # The bare router: an application's middleware would run for every streamed event.
    return Router(routes, redirect_slashes=False, default=NotFound(tuple(path for path, _ in paths)))
