"""The model list: agents first, named models behind, for whoever may use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.app import App
from gateway.config import schema
from tests.inbound.asgi import NOBODY, Answer, ask, make


def gateway(home: Path) -> App:
    models = {
        "big": schema.Model(provider="custom", model="b", base_url=NOBODY, context_window=200_000),
        "small": schema.Model(provider="custom", model="s", base_url=NOBODY, context_window=8_000),
        "org/name": schema.Model(provider="openai", model="n", base_url=NOBODY),
    }
    return make(home, None, **models)


def ids(answer: Answer) -> list[Any]:
    return [item["id"] for item in answer.json["data"]]


def test_the_list(tmp_path: Path) -> None:
    answer = ask(gateway(tmp_path), "GET", "/v1/models")
    assert answer.json["object"] == "list"
    assert ids(answer) == ["dev", "big", "small", "org/name"]
    first = answer.json["data"][0]
    assert first["chain"] == ["big", "small", "org/name"]
    assert first["context_length"] == 8_000
    assert (first["object"], first["owned_by"]) == ("model", "custom")
    assert isinstance(first["created"], int)
    assert "context_length" not in answer.json["data"][3]


@pytest.mark.parametrize("path", ["/v1/models/org/name", "/v1/models/org%2Fname"])
def test_an_id_may_hold_a_slash(tmp_path: Path, path: str) -> None:
    assert ask(gateway(tmp_path), "GET", path).json["id"] == "org/name"


def test_one_that_does_not_exist(tmp_path: Path) -> None:
    answer = ask(gateway(tmp_path), "GET", "/v1/models/bigg")
    assert answer.status == 404
    assert "'big'" in answer.error["message"]


def test_what_a_key_may_not_use_does_not_exist(tmp_path: Path) -> None:
    app = gateway(tmp_path)
    headers = {"authorization": "Bearer " + app.keys.add("limited", ["small"])}
    assert ids(ask(app, "GET", "/v1/models", headers=headers)) == ["small"]
    assert ask(app, "GET", "/v1/models/dev", headers=headers).status == 404


def test_head_is_like_get_and_nothing_else_is(tmp_path: Path) -> None:
    app = gateway(tmp_path)
    assert ask(app, "HEAD", "/v1/models").status == 200
    answer = ask(app, "POST", "/v1/models")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
