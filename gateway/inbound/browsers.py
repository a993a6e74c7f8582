"""Web pages: which may use the gateway, and what their browsers need to be sent (CORS, in the Fetch
standard).

A browser lets any page send requests to a loopback address. The page cannot read the answer, but
the request costs the operator's tokens. A browser says which page sends a request (`Origin`) and
how that page relates to the server (`Sec-Fetch-Site`); a page can neither forge nor omit them.
Programs send neither.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from gateway.inbound.http import Headers, HttpError, Scope, header_names, header_values
from gateway.urls import ANY, NULL, parse_origin

MAX_AGE_S: Final = 600
"""How long a browser may remember the answer to a preflight."""

METHODS: Final = b"GET, HEAD, POST, DELETE, OPTIONS"
EXPOSED: Final = (
    "x-request-id",
    "retry-after",
    "x-should-retry",
    "x-gateway-agent",
    "x-gateway-attempts",
    "x-gateway-budget",
    "x-gateway-degraded",
    "x-gateway-degraded",
    "x-gateway-dropped",
    "x-gateway-embedding-space",
    "x-gateway-model",
    "x-gateway-overhead-ms",
    "x-gateway-provider",
    "x-gateway-sticky",
    "x-gateway-upstream-request-id",
)
"""Headers of an answer that a page may read."""

VARY: Final = (b"vary", b"Origin")
_EXPOSE: Final = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())
_OF_BROWSERS: Final = frozenset({b"origin", b"sec-fetch-site"})
_FOREIGN: Final = frozenset({"cross-site", "same-site"})
_NAMES: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NAMES_CHARS_MAX: Final = 4096


def check_page(scope: Scope, allowed: Collection[str]) -> None:
    """Raises `HttpError` 403 for the request of a web page that may not use the gateway.

    A page may if its origin is in `allowed`, or if it is the gateway's own: the one that its
    `Host`, which is checked already, names.
    """
    if _OF_BROWSERS.isdisjoint(header_names(scope)):
        return
    origins = header_values(scope, b"origin")
    if is_listed(origins, allowed) or (not origins and ANY in allowed):
        return
    if origins and not _is_own(scope, origins):
        raise _refusal(origins)
    sites = ",".join(header_values(scope, b"sec-fetch-site")).lower()
    if _FOREIGN & {site.strip() for site in sites.split(",")}:
        raise _refusal(origins)


def shared_with(headers: Iterable[tuple[bytes, bytes]], allowed: Collection[str]) -> Headers:
    """What an answer says to the page that sent a request with these `headers`, and to caches on
    the way."""
    origins = header_values({"headers": headers}, b"origin")
    if not allowed and not origins:
        return []
    if not is_listed(origins, allowed):
        return [VARY]
    return [(b"access-control-allow-origin", origins[0].encode("latin-1")), _EXPOSE, VARY]


def is_listed(origins: list[str], allowed: Collection[str]) -> bool:
    """Whether the one origin of a request is in `allowed`. `*` holds for every origin but
    `null`."""
    if not allowed or len(origins) != 1:
        return False
    origin = parse_origin(origins[0])
    return origin in allowed or (ANY in allowed and origin not in (None, NULL))


def is_preflight(scope: Scope) -> bool:
    """Whether a browser asks, before the request itself, if a page may send it."""
    return (
        scope["method"] == "OPTIONS"
        and bool(header_values(scope, b"origin"))
        and bool(header_values(scope, b"access-control-request-method"))
    )


def preflight_headers(scope: Scope) -> Headers:
    """The answer to a preflight of a listed page, besides `shared_with`."""
    headers: Headers = [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-max-age", b"%d" % MAX_AGE_S),
    ]
    stated = ",".join(header_values(scope, b"access-control-request-headers"))[:_NAMES_CHARS_MAX]
    names = [name for name in map(str.strip, stated.split(",")) if _NAMES.fullmatch(name)]
    if names:
        headers.append((b"access-control-allow-headers", ", ".join(names).encode()))
    if header_values(scope, b"access-control-request-private-network") == ["true"]:
        headers.append((b"access-control-allow-private-network", b"true"))
    return headers


def wants_page(scope: Scope) -> bool:
    """Whether a browser asks for a page: programs do not name HTML in `Accept`."""
    accepted = ",".join(header_values(scope, b"accept")).lower()
    return scope["method"] in ("GET", "HEAD") and "text/html" in accepted


def _is_own(scope: Scope, origins: list[str]) -> bool:
    """Whether the one origin of a request is that of the gateway, under the name by which it is
    addressed."""
    hosts = header_values(scope, b"host")
    if len(origins) != 1 or len(hosts) != 1:
        return False
    own = parse_origin(f"{scope.get('scheme', 'http')}://{hosts[0].strip()}")
    return own is not None and own == parse_origin(origins[0])


def _refusal(origins: list[str]) -> HttpError:
    origin = parse_origin(origins[0]) if len(origins) == 1 else None
    if origin is not None:
        page = f"the web origin {origin!r}"
        cure = f'To allow it, set in its configuration: [server] allowedOrigins = ["{origin}"]'
    else:
        page = "a web page of another site"
        cure = "To allow a page, list its origin in [server] allowedOrigins."
    message = f"This gateway does not answer {page}. {cure}"
    return HttpError(403, message, code="origin_not_allowed")
