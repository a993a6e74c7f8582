"""The front door: every request passes here before anything of it is read, whatever its path."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from gateway.hub.contracts import Inbound
from gateway.inbound.access import check_host, host_of
from gateway.inbound.browsers import (
    check_page,
    is_listed,
    is_preflight,
    preflight_headers,
    shared_with,
    wants_page,
)
from gateway.inbound.exchange import Exchange
from gateway.inbound.http import (
    FACE,
    Headers,
    HttpError,
    Receive,
    RequestHeaders,
    Scope,
    Send,
    face_of,
    header_values,
    id_headers,
    request_id,
    send_empty,
    send_error,
)
from gateway.inbound.serving import Gateway, Holder

log = logging.getLogger("gateway.inbound")

PROBES: Final = frozenset({"/livez", "/readyz", "/health"})
"""Paths that answer under every host name: an orchestrator asks a container by its address."""


JUDGED_MAX: Final = 1000
"""Verdicts that are kept: clients have few names for a gateway."""

_Judged = tuple[str, bytes | None, bytes | None, bytes | None]
"""All that a verdict on a call depends on: scheme, Host, Origin, Sec-Fetch-Site."""


class Gate:
    """An ASGI application before another one: refuses foreign hosts and web pages, and answers
    browsers' preflights."""

    def __init__(
        self,
        app: Callable[[Scope, Receive, Send], Awaitable[None]],
        holder: Holder,
        face_of_path: Callable[[str], Inbound],
        refuse_viewer: Callable[[Scope, Send, HttpError], Awaitable[None]] | None = None,
    ) -> None:
        """`refuse_viewer` answers a person who is refused the web page; others get an error of
        their API."""
        self._app = app
        self._refuse_viewer = refuse_viewer
        self._holder = holder
        self._face_of_path = face_of_path
        self._judged: Final[dict[_Judged, Headers]] = {}
        """Calls that pass, and what their answers say to web pages."""
        self._judged_for: Gateway | None = None

    def shared(self, exchange: Exchange) -> Headers | None:
        """What the answer to a call says to web pages. None for a call that is refused, or that
        has to be looked at more closely: it takes the way of ASGI."""
        gateway, headers = self._holder.gateway, exchange.headers
        if gateway is not self._judged_for:
            self._judged_for = gateway
            self._judged.clear()
        first = headers.first
        judged = (
            exchange.scheme,
            first.get(b"host"),
            first.get(b"origin"),
            first.get(b"sec-fetch-site"),
        )
        shared = self._judged.get(judged)
        if shared is None or len(first) != len(headers.pairs):
            return self._judge(judged, headers, gateway)
        return shared

    def _judge(self, judged: _Judged, headers: RequestHeaders, gateway: Gateway) -> Headers | None:
        """As `shared`. The verdict holds for every call that has the same of each header."""
        scope = {"scheme": judged[0], "headers": headers.pairs, "path": ""}
        try:
            _check(scope, gateway)
        except HttpError:
            return None
        shared = shared_with(headers.pairs, gateway.allowed_origins)
        if len(headers.first) == len(headers.pairs):
            if len(self._judged) >= JUDGED_MAX:
                self._judged.clear()
            self._judged[judged] = shared
        return shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        scope[FACE] = self._face_of_path(scope["path"])
        gateway = self._holder.gateway
        shared = shared_with(scope["headers"], gateway.allowed_origins)
        if shared:
            send = _sending(send, shared)
        try:
            _check(scope, gateway)
        except HttpError as error:
            id_ = request_id(scope)
            log.info("%s: refused with %d: %s", id_, error.refusal.status, error)
            headers = id_headers(face_of(scope), id_)
            if self._refuse_viewer is not None and scope["path"] == "/" and wants_page(scope):
                await self._refuse_viewer(scope, _sending(send, headers), error)
                return
            await send_error(send, error, face_of(scope), id_, headers)
            return
        if is_preflight(scope) and is_listed(
            header_values(scope, b"origin"), gateway.allowed_origins
        ):
            id_header = (b"x-request-id", request_id(scope).encode())
            await send_empty(send, 204, [*preflight_headers(scope), id_header])
            return
        await self._app(scope, receive, send)


def _check(scope: Scope, gateway: Gateway) -> None:
    """Raises `HttpError` 400, 403 and 421."""
    is_probe = scope["path"].rstrip("/") in PROBES and not header_values(scope, b"origin")
    if is_probe:
        host_of(scope)
    else:
        check_host(scope, gateway.allowed_hosts)
    check_page(scope, gateway.allowed_origins)


def _sending(send: Send, headers: Headers) -> Send:
    """`send` that adds `headers` to the answer."""

    async def send_with(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *headers]}
        await send(message)

    return send_with
