"""The web page at `/`: who may see it, and how often it is made.

It never slows calls down. A page is made in a thread of its own, one at a time, at most once per
second for the same question, for at most `VIEWERS_MAX` requests at a time.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from urllib.parse import parse_qs

from gateway.inbound.access import presented_keys
from gateway.inbound.asgi import AsgiRequest
from gateway.inbound.body import read_body
from gateway.inbound.browsers import wants_page
from gateway.inbound.http import (
    ClientLeft,
    Headers,
    HttpError,
    Receive,
    Scope,
    Send,
    face_of,
    header,
    header_values,
    headers_of,
    request_id,
    send_empty,
    send_error,
)
from gateway.inbound.interrupt import Interrupt
from gateway.inbound.keys import Keys, hash_of
from gateway.inbound.serving import Gateway
from gateway.inbound.sessions import SESSION_S, Sessions
from gateway.observe.ledger_glance import Asked
from gateway.page.assets import TYPES, asset
from gateway.reports.history import Sums, sums
from gateway.reports.overview import overview
from gateway.reports.status import Status
from gateway.types import Client, Model

COOKIE: Final = "gateway_session"
VIEWERS_MAX: Final = 8
"""Requests for the page that wait or are answered at a time."""
FRESH_S: Final = 1.0
"""How long a page is shown again to those who ask the same."""
PAGES_MAX: Final = 32
SWITCH_S: Final = 0.0001
"""How long the event loop waits for the interpreter while a page is made."""
FORM_BYTES_MAX: Final = 4096
FORM_S: Final = 10.0
NAME_CHARS_MAX: Final = 256

VIEWER: Final = Client("page")
"""Sees all agents and calls."""

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE: Final[Headers] = [
    # Not `no-referrer`: a browser would then send `Origin: null` with the form.
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
PAGE: Final[Headers] = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    *SAFE,
]

T = TypeVar("T")


class _View(NamedTuple):
    """The inputs of a page, besides the time."""

    asked: Asked
    base_url: str
    is_signed_in: bool


class PageEndpoint:
    """An ASGI application for `GET`, `HEAD` and `POST /`.

    `status` gives what the gateway does now, as a client sees it. `ledger` is the file, None
    without one. `wall` is Unix time in seconds, and `clock` monotonic.
    """

    def __init__(
        self,
        current: Callable[[], Gateway],
        status: Callable[[Client], Awaitable[Status]],
        keys: Keys,
        ledger: Path | None,
        wall: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._current = current
        self._status = status
        self._keys = keys
        self._sessions = Sessions(keys, wall)
        self._ledger = ledger
        self._wall = wall
        self._clock = clock
        self._thread: ThreadPoolExecutor | None = None
        self._viewers = 0
        self._sums = _Remembered(clock)
        self._made: dict[_View, tuple[float, asyncio.Task[str]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not wants_page(scope) and scope["method"] == "HEAD":
            await send_empty(send, 200, [(b"cache-control", b"no-store"), *SAFE])
            return
        if scope["method"] != "POST":
            await self._bounded(send, self._get(scope))
            return
        try:
            await self._post(scope, receive, send)
        except ClientLeft:
            pass
        except HttpError as error:
            await send_error(send, error, face_of(scope), request_id(scope), [])

    def close(self) -> None:
        """Ends the thread; the next viewer would start another one."""
        self._made.clear()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None

    async def refuse(self, scope: Scope, send: Send, error: HttpError) -> None:
        """Answers a person whom the gate refuses."""

        async def refusal() -> tuple[int, str]:
            return error.refusal.status, await self._run(lambda: _refusal(error))

        await self._bounded(send, refusal())

    async def _bounded(self, send: Send, answer: Coroutine[None, None, tuple[int, str]]) -> None:
        """Sends a page, unless too many are being made."""
        if self._viewers >= VIEWERS_MAX:
            answer.close()
            await _send(send, 503, BUSY, [(b"retry-after", b"2")])
            return
        self._viewers += 1
        try:
            status, html = await answer
        finally:
            self._viewers -= 1
        await _send(send, status, html)

    async def _get(self, scope: Scope) -> tuple[int, str]:
        if self._may_see(scope):
            return 200, await self._page(self._view(scope))
        return 401, await self._run(lambda: _sign_in(""))

    # --- access -----------------------------------------------------------------------------------

    def _may_see(self, scope: Scope) -> bool:
        if not self._keys.any():
            return True
        if any(self._sessions.is_open(token) for token in _tokens(scope)):
            return True
        entries = (self._keys.entry(hash_of(key)) for key in presented_keys(headers_of(scope)))
        return any(entry is not None and entry.admin for entry in entries)

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Signs in with a key, or out."""
        form = await _form(scope, receive)
        if "sign_out" in form:
            await self._run(lambda: self._sessions.end(_tokens(scope)))
            await _send_home(send, _cookie(scope, "", 0))
            return
        key = form.get("key", "").strip()
        token = await self._run(lambda: self._sessions.begin(key))
        if token is not None:
            await _send_home(send, _cookie(scope, token, SESSION_S))
        elif self._keys.lookup(key) is not None:
            await self._ask_again(send, "This key is valid, but it is not an admin key.")
        else:
            await self._ask_again(send, "There is no such key.")

    async def _ask_again(self, send: Send, message: str) -> None:
        await _send(send, 403, await self._run(lambda: _sign_in(message)))

    # --- rendering --------------------------------------------------------------------------------

    def _view(self, scope: Scope) -> _View:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        stated = {name: values[0][:NAME_CHARS_MAX] for name, values in query.items()}
        asked = Asked(stated.get("agent"), stated.get("calls") == "not-plain", stated.get("call"))
        host = header(scope, b"host") or "localhost"
        return _View(asked, f"{scope.get('scheme', 'http')}://{host}", self._keys.any())

    async def _page(self, view: _View) -> str:
        """The page, made now or less than `FRESH_S` ago."""
        now = self._clock()
        made_at, task = self._made.get(view, (-FRESH_S, None))
        if task is None or now - made_at >= FRESH_S:
            self._forget(now)
            task = asyncio.ensure_future(self._make(view))
            self._made[view] = (now, task)
        return await asyncio.shield(task)

    def _forget(self, now: float) -> None:
        old = [view for view, (at, _) in self._made.items() if now - at >= FRESH_S]
        for view in old + list(self._made)[PAGES_MAX:]:
            self._made.pop(view, None)

    async def _make(self, view: _View) -> str:
        """Takes the state on the loop; reads the ledger and makes the page in the thread."""
        status, config = await self._status(VIEWER), self._current().config

        def made() -> str:
            from gateway.page.render import page

            found = overview(
                status,
                self._ledger,
                config.models,
                view.asked,
                now=self._wall(),
                read_sums=self._sums,
            )
            return page(found, view.base_url, is_signed_in=view.is_signed_in)

        return await self._run(made)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="page")
        return await asyncio.get_running_loop().run_in_executor(self._thread, _politely, work)


def _politely(work: Callable[[], T]) -> T:
    """Runs in the thread, and lets the event loop have the interpreter almost at once when it wakes
    up. By default it would wait 5 ms for a thread that computes."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        return work()
    finally:
        sys.setswitchinterval(before_s)


class _Remembered:
    """The sums of the ledger, read again when they are older than `FRESH_S`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._read_at = -FRESH_S
        self._sums: Sums | None = None

    def __call__(self, path: Path, models: Mapping[str, Model], now: float) -> Sums:
        at = self._clock()
        if self._sums is None or at - self._read_at >= FRESH_S:
            self._sums, self._read_at = sums(path, models, now), at
        return self._sums


BUSY: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Busy · Gateway</title>'
    "<h1>Too many viewers</h1><p>The page is shown to others just now. Try again in a moment.</p>"
)
"""The answer when too many viewers ask at once; a constant, so that it costs no work."""


def _sign_in(message: str) -> str:
    from gateway.page.render import sign_in

    return sign_in(message)


def _refusal(error: HttpError) -> str:
    """For a link on another site, or a host name that is not the gateway's."""
    from gateway.page.render import notice

    if error.refusal.code != "origin_not_allowed":
        return notice("Not this way", error.refusal.message)
    text = "A link on another site led here. The gateway asks first, so that no site acts for you."
    return notice("One more click", text, again="Open the page")


async def assets(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application for the stylesheet, the script and the icon; they hold no secrets."""
    name = scope["path_params"]["name"]
    if name not in TYPES:
        error = HttpError(404, "There is no such file.", code="unknown_url")
        await send_error(send, error, face_of(scope), request_id(scope), [])
        return
    found = asset(name)
    forever = b"public, max-age=31536000, immutable"
    headers = [(b"content-type", found.type.encode()), (b"cache-control", forever), *SAFE]
    await _send_bytes(send, 200, found.body, headers)


async def _send(send: Send, status: int, html: str, headers: Headers | None = None) -> None:
    await _send_bytes(send, status, html.encode(), [*PAGE, *(headers or [])])


async def _send_bytes(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def _send_home(send: Send, cookie: bytes) -> None:
    """303, so that a reload does not send the form again."""
    headers = [(b"location", b"/"), (b"set-cookie", cookie), (b"cache-control", b"no-store")]
    await send_empty(send, 303, [*headers, (b"content-length", b"0"), *SAFE])


async def _form(scope: Scope, receive: Receive) -> dict[str, str]:
    """The fields of a small form. Raises `HttpError` and `ClientLeft`."""
    with Interrupt() as interrupt:
        body = await read_body(AsgiRequest(scope, receive), FORM_BYTES_MAX, FORM_S, interrupt)
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def _tokens(scope: Scope) -> list[str]:
    """The session tokens that a browser sends."""
    cookies = ";".join(header_values(scope, b"cookie")).split(";")
    pairs = (cookie.strip().partition("=") for cookie in cookies)
    return [value for name, _, value in pairs if name == COOKIE and value][:2]


def _cookie(scope: Scope, token: str, seconds: int) -> bytes:
    is_secure = scope.get("scheme") == "https" or _origin(scope).startswith("https:")
    secure = "; Secure" if is_secure else ""
    rules = f"Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    return f"{COOKIE}={token}; {rules}".encode()


def _origin(scope: Scope) -> str:
    """The page's own origin as the browser sees it, also behind a proxy with TLS."""
    return (header(scope, b"origin") or "").lower()
