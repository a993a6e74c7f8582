"""Every path with and without `/v1`, and every other path with an error object."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.inbound.routes import plain_path
from gateway.inbound.unserved import UNSERVED
from tests.inbound.asgi import ask, make


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/v1/chat/completion", "Did you mean /v1/chat/completions?"),
        ("/api/v1/chat/completions", "Did you mean /v1/chat/completions?"),
        ("/api/v1/models", "Did you mean /v1/models?"),
        ("/v1/livez", "Did you mean /livez?"),
        ("/", ""),
        ("/v1", ""),
        ("/V1/models", "Did you mean /v1/models?"),
        ("/nowhere/" + "a" * 60_000, ""),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_url(tmp_path: Path, method: str, path: str, hint: str) -> None:
    answer = ask(make(tmp_path), method, path)
    assert answer.status == 404
    assert answer.error["code"] == "unknown_url"
    assert f"Invalid URL ({method} {path[:200]})" in answer.error["message"]
    assert hint in answer.error["message"]
    assert bool(hint) is ("Did you mean" in answer.error["message"])
    assert "{" not in answer.error["message"]


def test_a_path_does_not_name_a_file(tmp_path: Path) -> None:
    assert (
        ask(make(tmp_path), "GET", "/v1/models/../../metrics/x").error["code"] == "model_not_found"
    )


@pytest.mark.parametrize(
    ("path", "api"),
    [(path, api) for api, paths in UNSERVED.items() for path in paths]
    + [
        ("/images/generations", "The Images API"),
        ("/audio/speech", "The Audio API"),
        ("/files/file-1/content", "The Files API"),
        ("/chat/completions/chatcmpl-1/messages", "The stored chat completions API"),
        ("/api/chat/", "The Ollama API"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_an_api_that_is_not_served_is_named(
    tmp_path: Path, prefix: str, path: str, api: str
) -> None:
    if path == "/chat/completions":
        path += "/chatcmpl-1"
    answer = ask(make(tmp_path), "POST", prefix + path)
    own = "not_found_error" if path.startswith("/messages") else "unknown_url"
    assert (answer.status, answer.error.get("code") or answer.error["type"]) == (404, own)
    assert f"{api} is not served" in answer.error["message"]
    assert "/models" not in answer.error["message"]
    assert "Did you mean" not in answer.error["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/",
        "/v1//models",
        "//v1/models",
        "/v1/v1/models",
        "/v1/v1/v1//models//",
        "//models",
        "/v1/models/dev/",
        "/v1/v1/models/dev",
        "/livez/",
        "//metrics",
    ],
)
def test_slashes_and_prefixes_too_many_do_not_count(tmp_path: Path, path: str) -> None:
    assert ask(make(tmp_path), "GET", path).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions/",
        "/v1//chat/completions",
        "/v1/v1/chat/completions",
        "//chat/completions//",
    ],
)
def test_nor_do_they_in_front_of_a_call(tmp_path: Path, path: str) -> None:
    assert (
        ask(make(tmp_path), "POST", path, b"{")
        .error["message"]
        .startswith("We could not parse the JSON")
    )


@pytest.mark.parametrize(
    "path", ["/v1" * 20_000, "/" * 60_000, "/v1" * 20_000 + "x", "/v1/" * 15_000]
)
def test_a_long_path_is_plain_at_once(path: str) -> None:
    assert len(plain_path(path)) <= len("/v1/v1x")


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/health", "/metrics", "/status", "/v1/models"]
)
def test_read_only_paths_refuse_other_methods(tmp_path: Path, path: str) -> None:
    answers = {
        method: ask(make(tmp_path), method, path)
        for method in ("HEAD", "OPTIONS", "POST", "DELETE")
    }
    assert {method: answer.status for method, answer in answers.items()} == {
        "HEAD": 200,
        "OPTIONS": 204,
        "POST": 405,
        "DELETE": 405,
    }
    assert {answers[method].headers["allow"] for method in ("OPTIONS", "POST", "DELETE")} == {
        "GET, HEAD"
    }


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/models/dev", "/models/dev"])
def test_with_and_without_v1(tmp_path: Path, path: str) -> None:
    assert ask(make(tmp_path), "GET", path).status == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/metrics"])
def test_paths_outside_the_api_have_no_v1(tmp_path: Path, path: str) -> None:
    assert ask(make(tmp_path), "GET", path).status == 200
    assert ask(make(tmp_path), "GET", "/v1" + path).status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nowhere"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/nobody"),
        ("POST", "/v1/models"),
    ],
)
def test_every_answer_has_a_request_id(tmp_path: Path, method: str, path: str) -> None:
    assert ask(make(tmp_path), method, path).headers["x-request-id"].startswith("req_")
    assert (
        ask(make(tmp_path), method, path, headers={"x-request-id": "mine"}).headers["x-request-id"]
        == "mine"
    )
