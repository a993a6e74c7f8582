"""Who may come in: the `Host` header, the client's key, and what a key is limited to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from gateway.config import schema
from gateway.inbound.access import ANYBODY, check_host, check_key
from gateway.inbound.http import HttpError, headers_of
from gateway.inbound.keys import Keys
from gateway.types import Client
from tests.inbound.asgi import CHAT, answered, ask, make, scope
from tests.makers import Clock

OURS = frozenset({"localhost", "127.0.0.1", "[::1]", "gateway.lan"})
BODY = orjson.dumps({"model": "dev", "messages": [{"role": "user", "content": "Hello"}]})


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8484",
        "localhost.:8484",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:8484",
        "[0:0:0:0:0:0:0:1]:8484",
        "gateway.lan:80",
        "GATEWAY.lan.",
    ],
)
def test_our_own_names(host: str) -> None:
    check_host(scope("GET", "/", {"host": host}), OURS)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8484",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8484",
        "127.0.0.2",
        "[::2]:8484",
        "0.0.0.0:8484",
    ],
)
def test_any_other_name(host: str) -> None:
    with pytest.raises(HttpError) as raised:
        check_host(scope("GET", "/", {"host": host}), OURS)
    assert raised.value.refusal.status == 421
    assert raised.value.refusal.code == "host_not_allowed"


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "evil.example#localhost",
        "localhost/",
        "localhost:8484:evil",
        "localhost:8484@evil.example",
        "user@localhost",
        "user:password@localhost:8484",
        "localhost:abc",
        "localhost:-1",
        "localhost:99999",
        "localhost:٨",
        "localhost 8484",
        "localhost,evil.example",
        "localhost\\@evil.example",
        "http://localhost",
        "::1",
        "[::1",
        "[::1]x",
        "[localhost]",
        "[::1%25lo]",
        "loc\xe4lhost",
        "a" * 400,
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/metrics", "/livez", "/nowhere"])
def test_an_invalid_host_is_refused_on_every_route(tmp_path: Path, host: str, path: str) -> None:
    request = scope("POST", path, {})
    request["headers"] = [(b"host", host.encode("utf-8"))]
    answer = answered(make(tmp_path), request)
    assert (answer.status, answer.error["code"]) == (400, "invalid_host")


@pytest.mark.parametrize(
    "hosts", [[], [b"localhost", b"evil.example"], [b"localhost", b"localhost"]]
)
def test_there_is_exactly_one_host(hosts: list[bytes]) -> None:
    request = {**scope("GET", "/", {}), "headers": [(b"host", host) for host in hosts]}
    with pytest.raises(HttpError) as raised:
        check_host(request, OURS)
    assert raised.value.refusal.status == 400


def test_an_http10_request_needs_no_host() -> None:
    check_host({**scope("GET", "/", {}), "headers": [], "http_version": "1.0"}, OURS)


def test_the_refusal_says_what_to_set(tmp_path: Path) -> None:
    answer = ask(make(tmp_path), "GET", "/v1/models", headers={"host": "host.docker.internal:8484"})
    assert answer.status == 421
    assert '[server] allowedHosts = ["host.docker.internal"]' in answer.error["message"]


@pytest.mark.parametrize("path", ["/metrics", "/status", "/nowhere", "/v1/models"])
def test_a_foreign_name_is_refused_on_every_route_but_the_probes(tmp_path: Path, path: str) -> None:
    assert ask(make(tmp_path), "GET", path, headers={"host": "evil.example"}).status == 421


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health"])
def test_a_probe_may_use_any_name(tmp_path: Path, path: str) -> None:
    assert ask(make(tmp_path), "GET", path, headers={"host": "10.0.0.7:8484"}).status == 200


def test_a_star_allows_any() -> None:
    check_host(scope("GET", "/", {"host": "evil.example"}), frozenset({"*"}))


def test_a_request_without_a_host() -> None:
    bare = {**scope("GET", "/", {}), "headers": []}
    with pytest.raises(HttpError):
        check_host(bare, OURS)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", CHAT), ("GET", "/v1/models"), ("GET", "/v1/models/dev")]
)
def test_a_page_that_rebinds_its_name_gets_nothing(tmp_path: Path, method: str, path: str) -> None:
    answer = ask(make(tmp_path), method, path, BODY, {"host": "evil.example:8484"})
    assert answer.status == 421
    assert "dev" not in answer.body.decode()


def test_a_listed_name_is_ours(tmp_path: Path) -> None:
    app = make(tmp_path, schema.Server(allowed_hosts=["Gateway.LAN"]))
    assert ask(app, "GET", "/v1/models", headers={"host": "gateway.lan:8484"}).status == 200


def test_an_address_in_brackets_is_ours_when_the_gateway_listens_there(tmp_path: Path) -> None:
    app = make(tmp_path, schema.Server(host="FD00::1"))
    assert ask(app, "GET", "/v1/models", headers={"host": "[fd00::1]:8484"}).status == 200


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys.json", Clock(), Clock(1_800_000_000.0))


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer anything"}, {"x-api-key": "anything"}]
)
def test_without_keys_every_client_on_this_host_may_call(
    keys: Keys, headers: dict[str, str]
) -> None:
    assert check_key(headers_of(scope("GET", "/", headers)), keys) is ANYBODY


@pytest.mark.parametrize(
    "form",
    [
        {"authorization": "Bearer {}"},
        {"authorization": "bearer  {} "},
        {"authorization": "Bearer Bearer {}"},
        {"authorization": 'Bearer "{}"'},
        {"authorization": "'Bearer {}'"},
        {"authorization": "{}"},
        {"x-api-key": "{}"},
        {"x-api-key": "'{}'"},
        {"api-key": "{}"},
        {"api-key": "Bearer {}"},
        {"x-goog-api-key": "{}"},
        {"authorization": "Bearer wrong", "x-api-key": "{}"},
        {"authorization": "Basic Z3c6eA==", "api-key": "{}"},
        {"authorization": "Bearer {}", "x-api-key": "wrong", "x-goog-api-key": "wrong"},
    ],
)
def test_a_key_may_come_in_either_header(keys: Keys, form: dict[str, str]) -> None:
    key = keys.add("laptop")
    sent = {name: value.format(key) for name, value in form.items()}
    headers = headers_of(scope("GET", "/", sent))
    assert [check_key(headers, keys) for _ in range(3)] == [Client("laptop")] * 3
    keys.remove("laptop")
    with pytest.raises(HttpError):
        check_key(headers, keys)


def test_a_key_that_expires_is_not_recalled(tmp_path: Path) -> None:
    clock, wall = Clock(), Clock(1_800_000_000.0)
    keys = Keys(tmp_path / "keys.json", clock, wall)
    key = keys.add("guest", expires=datetime.fromtimestamp(wall.now + 60, UTC))
    headers = headers_of(scope("GET", "/", {"authorization": f"Bearer {key}"}))
    assert [check_key(headers, keys).name for _ in range(2)] == ["guest", "guest"]
    wall.now += 61
    with pytest.raises(HttpError):
        check_key(headers, keys)


def test_the_first_valid_key_counts_however_often_it_is_sent(keys: Keys) -> None:
    """A header that is recalled says nothing of one that is looked at before it."""
    laptop, server = keys.add("laptop"), keys.add("server")
    alone = headers_of(scope("GET", "/", {"x-api-key": laptop}))
    both = headers_of(scope("GET", "/", {"x-api-key": laptop, "authorization": f"Bearer {server}"}))
    assert [check_key(each, keys).name for each in (alone, alone, both, both, alone)] == [
        *("laptop", "laptop"),
        *("server", "server"),
        "laptop",
    ]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "You didn't provide an API key"),
        ({"authorization": "Bearer "}, "You didn't provide an API key"),
        ({"authorization": "Bearer Bearer"}, "You didn't provide an API key"),
        ({"x-api-key": '""'}, "You didn't provide an API key"),
        ({"authorization": "Basic Z3c6eA=="}, "You didn't provide an API key"),
        ({"authorization": "Bearer gw-wrong"}, "Incorrect API key"),
        ({"x-api-key": "gw-wrong"}, "Incorrect API key"),
        ({"api-key": "gw-wrong"}, "Incorrect API key"),
        ({"x-goog-api-key": "gw-wrong"}, "Incorrect API key"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", CHAT), ("GET", "/v1/models")])
def test_a_wrong_key_or_none(
    tmp_path: Path, headers: dict[str, str], message: str, method: str, path: str
) -> None:
    app = make(tmp_path)
    app.keys.add("laptop")
    answer = ask(app, method, path, BODY, headers)
    assert answer.status == 401
    assert answer.error["code"] == "invalid_api_key"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert message in answer.error["message"]
    assert "gw-wrong" not in answer.body.decode()


def test_a_key_that_is_limited_to_agents(tmp_path: Path) -> None:
    app = make(tmp_path)
    other, own = app.keys.add("other", ["ops"]), app.keys.add("own", ["dev"])
    refused = ask(app, "POST", CHAT, BODY, {"authorization": f"Bearer {other}"})
    assert refused.status == 404
    assert refused.error["code"] == "model_not_found"
    assert "Did you mean" not in refused.error["message"]
    assert (
        ask(app, "POST", CHAT, BODY, {"authorization": f"Bearer {own}"}).headers["x-gateway-agent"]
        == "dev"
    )


def test_the_key_is_asked_for_before_the_body_is_read(tmp_path: Path) -> None:
    app = make(tmp_path, schema.Server(max_body_bytes=1))
    app.keys.add("laptop")
    assert ask(app, "POST", CHAT, BODY).status == 401


def test_health_needs_no_key(tmp_path: Path) -> None:
    app = make(tmp_path)
    app.keys.add("laptop")
    assert [ask(app, "GET", path).status for path in ("/livez", "/readyz", "/health")] == [
        200,
        200,
        200,
    ]
