"""Every path the gateway answers, with and without `/v1`: clients disagree about where the base URL ends.

For the same reason a trailing slash, `//` and a second `/v1` do not count.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from starlette.routing import Route, Router

from gateway.inbound.http import HttpError, Receive, Scope, Send, request_id, send_empty, send_json
from gateway.inbound.resolve import nearest
from gateway.inbound.unserved import unserved_api

PREFIXES: Final = ("/v1", "")
CHAT: Final = "/chat/completions"
READ: Final = ("GET", "HEAD")

_PATH_CHARS_MAX: Final = 200
_SLASHES: Final = re.compile(r"/{2,}")
_PREFIXES_TOO_MANY: Final = re.compile(r"(?:/v1)+(?=/v1(?:/|$))")

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Identified:
    """An ASGI application whose answers all have their `x-request-id`, and which takes only some methods."""

    def __init__(self, app: App, methods: tuple[str, ...] = ()) -> None:
        """No `methods` are all methods."""
        self._app = app
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        id_ = request_id(scope).encode()

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", id_)]
            await send(message)

        if self._methods and scope["method"] not in self._methods:
            await _refuse_method(scope, send_with_id, self._methods)
            return
        await self._app(scope, receive, send_with_id)


async def _refuse_method(scope: Scope, send: Send, methods: tuple[str, ...]) -> None:
    """405; a plain OPTIONS is a question, and this is its answer."""
    allow = ", ".join(methods)
    if scope["method"] == "OPTIONS":
        await send_empty(send, 204, [(b"allow", allow.encode())])
        return
    message = f"{scope['method']} is not allowed here; use {methods[0]}."
    error = HttpError(405, message, headers={"allow": allow})
    await send_json(send, error.status, error.body, error.headers)


class NotFound:
    """Answers every other path as OpenAI would: with an error object, never with a page."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        """`paths` are those that a hint may suggest, the usual form of each first."""
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope.get(ASKED, scope["path"])[:_PATH_CHARS_MAX]
        message = f"Invalid URL ({scope['method']} {asked}).{self._hint(scope['path'])}"
        error = HttpError(404, message, code="unknown_url")
        await send_json(send, error.status, error.body, [])

    def _hint(self, path: str) -> str:
        api = unserved_api(path)
        if api is not None:
            return f" {api} is not served by this gateway; it serves POST /v1{CHAT}."
        ends = [known for known in self._paths if path.endswith(known.removeprefix("/v1"))]
        near = ends or nearest(path[:_PATH_CHARS_MAX], self._paths)
        return f" Did you mean {near[0]}?" if near else ""


ASKED: Final = "gateway.asked"
"""The key of an ASGI scope with the path as the client sent it."""


class Application:
    """The ASGI application: calls are found by their path at once, everything else by Starlette's router.

    The bare router: an application's middleware would run for every streamed event.
    """

    def __init__(self, chat: App, prefixed: Mapping[str, App], unprefixed: Mapping[str, App]) -> None:
        """`chat` answers the calls and says its own ids; `prefixed` are served with and without `/v1`, `unprefixed` as
        they are. All of these are read only."""
        self._calls: Final[Mapping[str, App]] = {prefix + CHAT: chat for prefix in PREFIXES}
        others = {prefix + path: app for path, app in prefixed.items() for prefix in PREFIXES}
        others |= unprefixed
        routes = [Route(path, endpoint=Identified(app, READ)) for path, app in others.items()]
        suggested = tuple(path for path in (*self._calls, *others) if "{" not in path)
        self._router: Final = Router(routes, redirect_slashes=False, default=Identified(NotFound(suggested)))
        self._options: Final = Identified(NotFound(()), ("POST",))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["path"]
        path = asked if asked in self._calls else plain_path(asked)
        if path != asked:
            scope = {**scope, "path": path, ASKED: asked}
        app = self._calls.get(path)
        if app is not None and scope["method"] == "OPTIONS":
            app = self._options
        await (app or self._router)(scope, receive, send)


def plain_path(path: str) -> str:
    """`path` without empty segments and without a second `/v1`."""
    path = _SLASHES.sub("/", path).removesuffix("/")
    prefix = _PREFIXES_TOO_MANY.match(path)
    return (path[prefix.end() :] if prefix else path) or "/"
