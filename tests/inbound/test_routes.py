"""Every path with and without `/v1`, and every other path with an error object."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inbound.asgi import ask, make


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/v1/chat/completion", "Did you mean /v1/chat/completions?"),
        ("/v1/completions", ""),
        ("/v1/chat/completions/", "Did you mean /v1/chat/completions?"),
        ("/", ""),
        ("/v1", ""),
        ("/V1/models", "Did you mean /v1/models?"),
        ("/v1/embeddings", ""),
        ("//v1/models", "Did you mean /v1/models?"),
        ("/v1/models/../../metrics/x", ""),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_url(tmp_path: Path, method: str, path: str, hint: str) -> None:
    answer = ask(make(tmp_path), method, path)
    if path.startswith("/v1/models/"):
        assert answer.error["code"] in ("model_not_found", None)
        return
    assert answer.status == 404
    assert answer.error["code"] == "unknown_url"
    assert f"Invalid URL ({method} {path})" in answer.error["message"]
    assert hint in answer.error["message"]


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/models/dev", "/models/dev"])
def test_with_and_without_v1(tmp_path: Path, path: str) -> None:
    assert ask(make(tmp_path), "GET", path).status == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/metrics"])
def test_what_is_no_api_stands_without_v1(tmp_path: Path, path: str) -> None:
    assert ask(make(tmp_path), "GET", path).status == 200
    assert ask(make(tmp_path), "GET", "/v1" + path).status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nowhere"), ("GET", "/v1/models"), ("GET", "/v1/models/nobody"), ("POST", "/v1/models")],
)
def test_every_answer_has_a_request_id(tmp_path: Path, method: str, path: str) -> None:
    assert ask(make(tmp_path), method, path).headers["x-request-id"].startswith("req_")
    assert ask(make(tmp_path), method, path, headers={"x-request-id": "mine"}).headers["x-request-id"] == "mine"
