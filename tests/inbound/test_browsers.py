"""Web pages: refused on every route before anything is read, unless their origin is listed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

import gateway
from gateway.config import schema
from gateway.inbound.browsers import EXPOSED
from gateway.inbound.gate import Gate
from gateway.inbound.http import Receive, Scope, Send
from tests.inbound.asgi import CHAT, Answer, answered, ask, make, scope

BODY = orjson.dumps({"model": "dev", "messages": [{"role": "user", "content": "Hello"}]})
STREAM = orjson.dumps(
    {"model": "dev", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
)
PAGE = "http://localhost:3000"
OWN = "http://127.0.0.1:8484"
PATHS = [
    CHAT,
    "/chat/completions",
    "/v1//chat/completions/",
    "/v1/models",
    "/v1/models/dev",
    "/metrics",
    "/status",
    "/livez",
    "/readyz",
    "/health",
    "/",
    "/v1/embeddings",
    "/api/version",
    "/api/tags",
    "/api/show",
    "/nowhere",
]
FOREIGN: list[dict[str, str]] = [
    {"origin": "https://evil.example"},
    {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    {"origin": "https://evil.example", "sec-fetch-site": "none"},
    {"origin": "null"},
    {"origin": "NULL"},
    {"origin": ""},
    {"origin": "*"},
    {"origin": "nonsense"},
    {"origin": "file://"},
    {"origin": "chrome-extension://abcdefghijklmnop"},
    {"origin": PAGE},
    {"origin": "http://127.0.0.1"},
    {"origin": "http://127.0.0.1:8485"},
    {"origin": "https://127.0.0.1:8484"},
    {"origin": "http://localhost:8484"},
    {"origin": "http://127.0.0.1:8484.evil.example"},
    {"origin": "http://127.0.0.1:8484@evil.example"},
    {"origin": "http://evil.example/http://127.0.0.1:8484"},
    {"origin": f"{OWN}/"},
    {"origin": f"{OWN} https://evil.example"},
    {"origin": OWN, "sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "Cross-Site"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
]


def listed(home: Path, *origins: str) -> Any:
    return make(home, schema.Server(allowed_origins=list(origins)))


def shares(answer: Answer) -> bool:
    return any(name.startswith("access-control-") for name in answer.headers)


# --- pages that are not listed --------------------------------------------------------------------


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_page_is_refused_on_every_route(
    tmp_path: Path, headers: dict[str, str], path: str
) -> None:
    app = make(tmp_path)
    for method in ("GET", "POST", "OPTIONS"):
        answer = ask(app, method, path, BODY, headers)
        assert (answer.status, answer.error["code"]) == (403, "origin_not_allowed")
        assert not shares(answer)
        assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "application/json", ""],
)
@pytest.mark.parametrize("body", [BODY, STREAM, b"", b"{"])
def test_no_content_type_and_no_body_changes_that(
    tmp_path: Path, content_type: str, body: bytes
) -> None:
    headers = {"origin": "https://evil.example", "content-type": content_type}
    assert ask(make(tmp_path), "POST", CHAT, body, headers).status == 403


def test_a_page_is_refused_before_its_key_is_looked_at(tmp_path: Path) -> None:
    app = make(tmp_path)
    key = app.keys.add("laptop")
    for authorization in (f"Bearer {key}", "Bearer wrong"):
        headers = {"origin": "https://evil.example", "authorization": authorization}
        assert ask(app, "POST", CHAT, BODY, headers).status == 403


def test_several_origins_count_as_no_origin(tmp_path: Path) -> None:
    request = scope("POST", CHAT, {})
    request["headers"] += [(b"origin", PAGE.encode()), (b"origin", PAGE.encode())]
    assert answered(listed(tmp_path, PAGE), request, BODY).status == 403


def test_a_page_that_rebinds_its_name_is_not_the_gateways_own(tmp_path: Path) -> None:
    headers = {
        "host": "evil.example:8484",
        "origin": "http://evil.example:8484",
        "sec-fetch-site": "same-origin",
    }
    for path in PATHS:
        assert ask(make(tmp_path), "POST", path, BODY, headers).status == 421


def test_the_refusal_says_what_to_set(tmp_path: Path) -> None:
    answer = ask(make(tmp_path), "POST", CHAT, BODY, {"origin": "HTTP://LocalHost:3000"})
    assert f'[server] allowedOrigins = ["{PAGE}"]' in answer.error["message"]


# --- everyone else --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "something-new"},
        {"referer": "https://evil.example/"},
        {"origin": OWN},
        {"origin": OWN, "sec-fetch-site": "same-origin"},
        {"host": "LOCALHOST:8484", "origin": "http://localhost:8484"},
        {"host": "localhost.", "origin": "http://localhost"},
        {"host": "[::1]:80", "origin": "http://[::1]"},
    ],
    ids=str,
)
def test_a_program_and_the_gateways_own_page(tmp_path: Path, headers: dict[str, str]) -> None:
    answer = ask(make(tmp_path), "POST", CHAT, BODY, headers)
    assert answer.headers["x-gateway-agent"] == "dev"
    assert not shares(answer)
    assert answer.headers.get("vary") == ("Origin" if "origin" in headers else None)


# --- pages that are listed ------------------------------------------------------------------------


def preflight(origin: str = PAGE, **more: str) -> Mapping[str, str]:
    return {
        "origin": origin,
        "sec-fetch-site": "cross-site",
        "access-control-request-method": "POST",
        **{f"access-control-request-{name}": value for name, value in more.items()},
    }


@pytest.mark.parametrize("path", PATHS)
def test_a_preflight(tmp_path: Path, path: str) -> None:
    app = listed(tmp_path, "https://a.example", "HTTP://LocalHost:3000")
    app.keys.add("laptop")  # a preflight carries no key
    answer = ask(
        app,
        "OPTIONS",
        path,
        headers=preflight(headers="authorization,content-type, x-stainless-os"),
    )
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert (
        answer.headers["access-control-allow-headers"]
        == "authorization, content-type, x-stainless-os"
    )
    assert {"GET", "POST", "DELETE"} <= set(
        answer.headers["access-control-allow-methods"].split(", ")
    )
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-private-network" not in answer.headers
    assert "access-control-allow-credentials" not in answer.headers


def test_a_preflight_into_a_private_network(tmp_path: Path) -> None:
    headers = {**preflight(), "access-control-request-private-network": "true"}
    answer = ask(listed(tmp_path, PAGE), "OPTIONS", CHAT, headers=headers)
    assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("names", ["x-a\r\nset-cookie: b", "x a", "é", ",,", "@"])
def test_an_invalid_header_name_is_not_allowed(tmp_path: Path, names: str) -> None:
    headers = {**preflight(), "access-control-request-headers": f"authorization,{names}"}
    answer = ask(listed(tmp_path, PAGE), "OPTIONS", CHAT, headers=headers)
    assert answer.headers["access-control-allow-headers"] == "authorization"


def test_an_options_request_that_is_not_a_preflight(tmp_path: Path) -> None:
    answer = ask(listed(tmp_path, PAGE), "OPTIONS", CHAT, headers={"origin": PAGE})
    assert (answer.status, answer.headers["allow"]) == (204, "POST")
    assert answer.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize(
    ("method", "path", "body", "more", "status"),
    [
        ("POST", CHAT, BODY, {}, 502),
        ("POST", CHAT, STREAM, {}, 502),
        ("POST", CHAT, b"{", {}, 400),
        ("POST", CHAT, BODY, {"content-encoding": "lzma"}, 415),
        ("GET", CHAT, b"", {}, 405),
        ("GET", "/v1/models", b"", {}, 200),
        ("GET", "/v1/models/none", b"", {}, 404),
        ("GET", "/nowhere", b"", {}, 404),
        ("GET", "/metrics", b"", {}, 200),
        ("GET", "/v1/models", b"", {"host": "evil.example"}, 421),
        ("GET", "/v1/models", b"", {"host": "a:b"}, 400),
        ("GET", "/v1/models", b"", {"sec-fetch-site": "cross-site"}, 200),
        ("GET", "/v1/models", b"", {"sec-fetch-site": "same-site"}, 200),
    ],
)
def test_every_answer_is_shared_with_a_listed_page(
    tmp_path: Path, method: str, path: str, body: bytes, more: dict[str, str], status: int
) -> None:
    answer = ask(listed(tmp_path, PAGE), method, path, body, {"origin": PAGE, **more})
    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert set(answer.headers["access-control-expose-headers"].split(", ")) == set(EXPOSED)
    assert answer.headers["vary"] == "Origin"


def test_a_stream_is_shared(tmp_path: Path) -> None:
    app = listed(tmp_path, PAGE)

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]})
        await send({"type": "http.response.body", "body": b"data: ", "more_body": True})
        await send({"type": "http.response.body", "body": b"1\n\n"})

    app.asgi = Gate(stream, app, app.face_of_path)
    answer = ask(app, "POST", CHAT, STREAM, {"origin": PAGE})
    assert (answer.body, answer.headers["x-a"]) == (b"data: 1\n\n", "1")
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_the_error_of_a_wrong_key_is_shared(tmp_path: Path) -> None:
    app = listed(tmp_path, PAGE)
    app.keys.add("laptop")
    answer = ask(app, "POST", CHAT, BODY, {"origin": PAGE})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, PAGE)


@pytest.mark.parametrize(
    "headers", [each for each in FOREIGN if each.get("origin") != PAGE], ids=str
)
def test_another_page_is_refused_as_before(tmp_path: Path, headers: dict[str, str]) -> None:
    for method in ("POST", "OPTIONS"):
        answer = ask(
            listed(tmp_path, PAGE),
            method,
            CHAT,
            BODY,
            {**preflight(), "origin": "https://x", **headers},
        )
        assert answer.status == 403
        assert not shares(answer)
        assert answer.headers["vary"] == "Origin"


def test_caches_learn_that_the_answer_varies(tmp_path: Path) -> None:
    assert ask(listed(tmp_path, PAGE), "GET", "/v1/models").headers["vary"] == "Origin"
    assert "vary" not in ask(make(tmp_path), "GET", "/v1/models").headers


def test_a_page_without_an_origin_must_be_listed(tmp_path: Path) -> None:
    assert ask(listed(tmp_path, "*"), "POST", CHAT, BODY, {"origin": "null"}).status == 403
    answer = ask(listed(tmp_path, "null"), "POST", CHAT, BODY, {"origin": "null"})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (502, "null")
    assert ask(listed(tmp_path, "null"), "POST", CHAT, BODY, {"origin": PAGE}).status == 403


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}], ids=str
)
def test_a_star_lets_any_page_in(tmp_path: Path, headers: dict[str, str]) -> None:
    answer = ask(listed(tmp_path, "*"), "POST", CHAT, BODY, headers)
    assert answer.status == 502
    assert answer.headers.get("access-control-allow-origin") == headers.get("origin")


@pytest.mark.parametrize("origin", ["nonsense", "*", "", "https://a/b"])
def test_a_star_is_for_origins_alone(tmp_path: Path, origin: str) -> None:
    assert ask(listed(tmp_path, "*"), "POST", CHAT, BODY, {"origin": origin}).status == 403


def test_every_header_of_ours_can_be_read_by_a_page() -> None:
    folder = Path(gateway.__file__).parent / "inbound"
    named = {
        name
        for file in folder.glob("*.py")
        for name in re.findall(r'b?"(x-gateway-[a-z-]+)"', file.read_text())
    }
    assert named <= set(EXPOSED)
    assert {"x-request-id", "retry-after", "x-should-retry"} <= set(EXPOSED)
