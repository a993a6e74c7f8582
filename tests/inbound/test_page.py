"""The web page: who sees it, with which headers, and that it stays within its bounds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from gateway.app import App
from gateway.inbound.page import COOKIE, POLICY, VIEWERS_MAX, PageEndpoint
from gateway.inbound.sessions import SESSION_S
from gateway.reports.status import Status
from tests.inbound.asgi import Answer, Client, ask, ask_here, make, scope

HTML = {"accept": "text/html,application/xhtml+xml"}
FORM = {"content-type": "application/x-www-form-urlencoded", "origin": "http://127.0.0.1:8484"}
OTHER_SITE = {
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}


def get(app: App, headers: Mapping[str, str] = HTML, method: str = "GET") -> Answer:
    return ask(app, method, "/", headers={**HTML, **headers})


def sign_in(app: App, key: str, **headers: str) -> Answer:
    return ask(app, "POST", "/", f"key={key}".encode(), {**FORM, **headers})


def token_of(answer: Answer) -> str:
    found = re.match(rf"{COOKIE}=([\w-]*);", answer.headers["set-cookie"])
    assert found is not None
    return found[1]


def with_token(token: str) -> dict[str, str]:
    return {"cookie": f"theme=dark; {COOKIE}={token}"}


def test_a_browser_is_shown_the_page(tmp_path: Path) -> None:
    answer = get(make(tmp_path))
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b'<h2 id="agents">Agents</h2>' in answer.body


def test_every_page_is_shielded(tmp_path: Path) -> None:
    app = make(tmp_path)
    pages = [get(app), get(app, OTHER_SITE)]
    app.keys.add("me")
    pages += [get(app), sign_in(app, "wrong")]
    assert [page.status for page in pages] == [200, 403, 401, 403]
    for page in pages:
        assert page.headers["content-security-policy"] == POLICY
        assert "unsafe" not in POLICY
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-request-id"]


def test_programs_still_get_the_error_of_an_unknown_address(tmp_path: Path) -> None:
    for method, headers in (
        ("GET", {"accept": "*/*"}),
        ("GET", {}),
        ("POST", {"content-type": "application/json"}),
    ):
        answer = ask(make(tmp_path), method, "/", headers=headers)
        assert (answer.status, answer.error["code"]) == (404, "unknown_url")


def test_a_probe_with_head_is_answered_without_a_body(tmp_path: Path) -> None:
    app = make(tmp_path)
    app.keys.add("me")
    answer = ask(app, "HEAD", "/", headers={"accept": "*/*"})
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("path", ["/page/style.css", "/page/script.js", "/page/icon.svg"])
def test_the_files_of_the_page(tmp_path: Path, path: str) -> None:
    answer = ask(make(tmp_path), "GET", path)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/page/page.html", "/page/..%2frender.py", "/page/../render.py", "/page/"]
)
def test_no_other_file_is_served(tmp_path: Path, path: str) -> None:
    assert ask(make(tmp_path), "GET", path).status == 404


def test_a_link_from_another_site_leads_to_one_more_click(tmp_path: Path) -> None:
    answer = get(make(tmp_path), OTHER_SITE)
    assert answer.status == 403
    assert b'<a class="button" href="/">Open the page</a>' in answer.body
    assert b"agents" not in answer.body
    other = ask(make(tmp_path), "GET", "/status", headers={**HTML, **OTHER_SITE})
    assert other.error["code"] == "origin_not_allowed"


def test_a_foreign_host_name_is_explained(tmp_path: Path) -> None:
    answer = get(make(tmp_path), {"host": "evil.example<b>"})
    assert answer.status in (400, 421)
    assert b"<b>" not in answer.body


# --- keys -----------------------------------------------------------------------------------------


def test_with_keys_the_page_asks_for_one(tmp_path: Path) -> None:
    app = make(tmp_path)
    app.keys.add("me", admin=True)
    answer = get(app)
    assert answer.status == 401
    assert b'type="password"' in answer.body
    assert b"agents" not in answer.body


def test_an_admin_key_opens_a_session(tmp_path: Path) -> None:
    app = make(tmp_path)
    answer = sign_in(app, app.keys.add("me", admin=True))
    assert (answer.status, answer.headers["location"], answer.body) == (303, "/", b"")
    cookie = answer.headers["set-cookie"]
    assert cookie.endswith(f"; Path=/; Max-Age={SESSION_S}; HttpOnly; SameSite=Strict")
    assert len(token_of(answer)) == 43
    assert get(app, with_token(token_of(answer))).status == 200


@pytest.mark.anyio
async def test_over_tls_the_cookie_is_secure_also_behind_a_proxy(tmp_path: Path) -> None:
    app = make(tmp_path)
    key = app.keys.add("me", admin=True)
    secure = {**scope("POST", "/", {**FORM, "origin": "https://127.0.0.1:8484"}), "scheme": "https"}
    client = Client(f"key={key}".encode())
    await app.asgi(secure, client.receive, client.send)
    assert "; Secure" in client.answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("is_known", "words"), [(True, b"not an admin key"), (False, b"There is no such key")]
)
def test_another_key_is_refused(tmp_path: Path, is_known: bool, words: bytes) -> None:
    app = make(tmp_path)
    ordinary = app.keys.add("ci")
    answer = sign_in(app, ordinary if is_known else "gw-unknown")
    assert answer.status == 403
    assert words in answer.body
    assert "set-cookie" not in answer.headers
    assert ordinary.encode() not in answer.body
    assert get(app, {"authorization": f"Bearer {ordinary}"}).status == 401


def test_an_admin_key_may_come_as_a_header(tmp_path: Path) -> None:
    app = make(tmp_path)
    key = app.keys.add("me", admin=True)
    assert get(app, {"authorization": f"Bearer {key}"}).status == 200
    assert get(app, {"x-api-key": key}).status == 200


def test_a_session_ends_with_its_key_and_by_signing_out(tmp_path: Path) -> None:
    app = make(tmp_path)
    first, second = app.keys.add("me", admin=True), app.keys.add("you", admin=True)
    mine, yours = token_of(sign_in(app, first)), token_of(sign_in(app, second))
    out = ask(app, "POST", "/", b"sign_out=1", {**FORM, **with_token(yours)})
    assert (out.status, token_of(out)) == (303, "")
    assert get(app, with_token(yours)).status == 401
    assert get(app, with_token(mine)).status == 200
    app.keys.remove("me")
    assert get(app, with_token(mine)).status == 401


def test_a_session_is_not_a_key_for_calls(tmp_path: Path) -> None:
    app = make(tmp_path)
    token = token_of(sign_in(app, app.keys.add("me", admin=True)))
    for path in ("/status", "/v1/models"):
        assert ask(app, "GET", path, headers=with_token(token)).status == 401
        assert ask(app, "GET", path, headers={"authorization": f"Bearer {token}"}).status == 401


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.example"}, {"origin": "null"}, OTHER_SITE]
)
def test_another_site_cannot_sign_a_user_in_or_out(tmp_path: Path, headers: dict[str, str]) -> None:
    app = make(tmp_path)
    key = app.keys.add("me", admin=True)
    token = token_of(sign_in(app, key))
    assert sign_in(app, key, **headers).status == 403
    assert (
        ask(app, "POST", "/", b"sign_out=1", {**FORM, **with_token(token), **headers}).status == 403
    )
    assert get(app, with_token(token)).status == 200


def test_a_form_is_small(tmp_path: Path) -> None:
    app = make(tmp_path)
    app.keys.add("me", admin=True)
    assert sign_in(app, "x" * 5000).status == 413
    assert sign_in(app, "%ff%00;=&&key").status == 403


# --- bounds ---------------------------------------------------------------------------------------


IDLE = Status("serving", "1", 9.0, in_flight=0, waiting=0, agents=[])
NOW = 1_800_000_000.0


class Page:
    """A page of its own, whose reports are counted."""

    def __init__(self, home: Path, wall: Callable[[], float] = lambda: NOW) -> None:
        self.app = make(home)
        self.reports = 0
        self._endpoint = PageEndpoint(
            lambda: self.app.gateway, self._report, self.app.keys, None, wall
        )

    async def _report(self, client: Any) -> Status:
        self.reports += 1
        return IDLE

    async def view(self) -> Answer:
        client = Client()
        await self._endpoint(scope("GET", "/", HTML), client.receive, client.send)
        return client.answer


@pytest.mark.anyio
async def test_more_viewers_than_the_limit_are_asked_to_come_back(tmp_path: Path) -> None:
    """The thread that makes the page is busy; the loop is not."""
    held = Event()

    def wall() -> float:
        held.wait(10)
        return NOW

    page = Page(tmp_path, wall)
    viewers = [asyncio.create_task(page.view()) for _ in range(VIEWERS_MAX)]
    await asyncio.sleep(0)
    late = await page.view()
    live = await ask_here(page.app, "GET", "/livez", (), {})
    held.set()
    served = [*await asyncio.gather(*viewers), await page.view()]
    assert (late.status, late.headers["retry-after"], live.status) == (503, "2", 200)
    assert {answer.status for answer in served} == {200}


@pytest.mark.anyio
async def test_viewers_of_the_same_second_share_a_page(tmp_path: Path) -> None:
    page = Page(tmp_path)
    answers = await asyncio.gather(*(page.view() for _ in range(VIEWERS_MAX)))
    assert len({answer.body for answer in answers}) == 1
    assert page.reports == 1


@pytest.mark.anyio
async def test_a_viewer_who_leaves_takes_the_page_from_no_other(tmp_path: Path) -> None:
    page = Page(tmp_path)
    leaving, staying = (asyncio.create_task(page.view()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    with suppress(asyncio.CancelledError):
        await leaving
    assert (await staying).status == 200
    many = await asyncio.gather(*(page.view() for _ in range(VIEWERS_MAX)))
    assert {answer.status for answer in many} == {200}, "the place of the first is free again"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "query",
    [
        b"agent=%ff&call=%00",
        b"agent=" + b"x" * 9000,
        b"&&==",
        b"calls=not-plain&agent=",
    ],
)
async def test_odd_queries_are_answered(tmp_path: Path, query: bytes) -> None:
    client = Client()
    request = {**scope("GET", "/", HTML), "query_string": query}
    await make(tmp_path).asgi(request, client.receive, client.send)
    assert client.answer.status == 200
