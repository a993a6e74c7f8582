"""Every path the gateway answers, with and without `/v1`: clients disagree about where the base URL
ends.

For the same reason a trailing slash, `//` and a second `/v1` do not count.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, NamedTuple

from starlette.routing import Route, Router

from gateway.inbound.asgi import asgi
from gateway.inbound.browsers import wants_page
from gateway.inbound.exchange import Serve
from gateway.inbound.http import (
    HttpError,
    Receive,
    Scope,
    Send,
    face_of,
    header_values,
    id_headers,
    request_id,
    send_empty,
    send_error,
)
from gateway.inbound.resolve import nearest
from gateway.inbound.unserved import unserved_api

PREFIXES: Final = ("/v1", "")
READ: Final = ("GET", "HEAD")
FORM: Final = "application/x-www-form-urlencoded"

_PATH_CHARS_MAX: Final = 200
_SLASHES: Final = re.compile(r"/{2,}")
_PREFIXES_TOO_MANY: Final = re.compile(r"(?:/v1)+(?=/v1(?:/|$))")

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Identified:
    """An ASGI application whose answers all have their `x-request-id`, and which takes only some
    methods."""

    def __init__(self, app: App, methods: tuple[str, ...] = ()) -> None:
        """No `methods` are all methods."""
        self._app = app
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ids = id_headers(face_of(scope), request_id(scope))

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *ids]
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
    await send_error(send, error, face_of(scope), request_id(scope), [])


class NotFound:
    """Answers every other path as OpenAI would: with an error object, never with a page."""

    def __init__(self, paths: tuple[str, ...], calls: int = 0) -> None:
        """`paths` are those that a hint may suggest, the usual form of each first; `calls` of them
        answer calls."""
        self._paths = paths
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope.get(ASKED, scope["path"])[:_PATH_CHARS_MAX]
        message = f"Invalid URL ({scope['method']} {asked}).{self._hint(scope['path'])}"
        error = HttpError(404, message, code="unknown_url")
        await send_error(send, error, face_of(scope), request_id(scope), [])

    def _hint(self, path: str) -> str:
        api = unserved_api(path)
        if api is not None:
            return (
                f" {api} is not served by this gateway; it serves "
                f"{', '.join(self._paths[: self._calls])}."
            )
        ends = [known for known in self._paths if path.endswith(known.removeprefix("/v1"))]
        near = ends or nearest(path[:_PATH_CHARS_MAX], self._paths)
        return f" Did you mean {near[0]}?" if near else ""


ASKED: Final = "gateway.asked"
"""The key of an ASGI scope with the path as the client sent it."""


class Mounted(NamedTuple):
    """An ASGI application, and the methods that it takes."""

    app: App
    methods: tuple[str, ...] = READ


class Application:
    """The ASGI application: calls are found by their path at once, everything else by Starlette's
    router.

    The bare router: an application's middleware would run for every streamed event.
    """

    def __init__(
        self,
        calls: Mapping[str, Serve],
        prefixed: Mapping[str, Mounted],
        unprefixed: Mapping[str, Mounted],
        page: App | None = None,
    ) -> None:
        """`calls` answer calls (POST) and state their own ids. They and `prefixed` are served with
        and without `/v1`, `unprefixed` as they are. `page` answers browsers at `/`."""
        self._page: Final = Identified(page) if page is not None else None
        self.calls: Final[Mapping[str, Serve]] = {
            prefix + path: serve for prefix in PREFIXES for path, serve in calls.items()
        }
        """What answers a call, by its whole path."""
        self._calls: Final = {path: asgi(serve) for path, serve in self.calls.items()}
        others = {prefix + path: app for path, app in prefixed.items() for prefix in PREFIXES}
        others |= unprefixed
        routes = [Route(path, endpoint=Identified(*mounted)) for path, mounted in others.items()]
        suggested = tuple(path for path in (*self._calls, *others) if "{" not in path)
        self._router: Final = Router(
            routes, redirect_slashes=False, default=Identified(NotFound(suggested, len(calls)))
        )
        self._options: Final = Identified(NotFound(()), ("POST",))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        asked = scope["path"]
        path = asked if asked in self._calls else plain_path(asked)
        if path != asked:
            scope = {**scope, "path": path, ASKED: asked}
        app = self._calls.get(path)
        if self._page is not None and path == "/" and _is_for_page(scope):
            app = self._page
        if app is not None and scope["method"] == "OPTIONS":
            app = self._options
        return (app or self._router)(scope, receive, send)


def _is_for_page(scope: Scope) -> bool:
    """A browser's request, or a probe with HEAD. Other requests for `/` are mistaken base URLs."""
    if scope["method"] == "POST":
        return any(value.startswith(FORM) for value in header_values(scope, b"content-type"))
    return scope["method"] == "HEAD" or wants_page(scope)


def plain_path(path: str) -> str:
    """`path` without empty segments and without a second `/v1`."""
    path = _SLASHES.sub("/", path).removesuffix("/")
    prefix = _PREFIXES_TOO_MANY.match(path)
    return (path[prefix.end() :] if prefix else path) or "/"
