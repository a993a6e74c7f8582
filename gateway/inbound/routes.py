"""Every path the gateway answers, with and without `/v1`: clients disagree about where the base URL ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from starlette.routing import Route, Router

from gateway.inbound.http import HttpError, Receive, Scope, Send, request_id, send_json
from gateway.inbound.resolve import nearest

PREFIXES: Final = ("/v1", "")
CHAT: Final = "/chat/completions"


App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Identified:
    """An ASGI application whose answers all say their `x-request-id`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        id_ = request_id(scope).encode()

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", id_)]
            await send(message)

        await self._app(scope, receive, send_with_id)


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


class Application:
    """The ASGI application: calls are found by their path at once, everything else by Starlette's router.

    The bare router: an application's middleware would run for every streamed event.
    """

    def __init__(self, chat: App, prefixed: Mapping[str, App], unprefixed: Mapping[str, App]) -> None:
        """`chat` answers the calls and says its own ids; `prefixed` are served with and without `/v1`, `unprefixed` as
        they stand."""
        self._calls: Final[Mapping[str, App]] = {prefix + CHAT: chat for prefix in PREFIXES}
        others = {prefix + path: Identified(app) for path, app in prefixed.items() for prefix in PREFIXES}
        others |= {path: Identified(app) for path, app in unprefixed.items()}
        routes = [Route(path, endpoint=app) for path, app in others.items()]
        not_found = Identified(NotFound((*self._calls, *others)))
        self._router: Final = Router(routes, redirect_slashes=False, default=not_found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._calls.get(scope.get("path", "")) or self._router)(scope, receive, send)
