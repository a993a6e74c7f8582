"""Ollama's discovery: the shapes that editors read, for those agents that the caller may use."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.app import App
from gateway.config import schema
from tests.inbound.asgi import CHAT, NO_SERVER, Answer, ask, make


def gateway(home: Path) -> App:
    models = {
        "big": schema.Model(
            provider="custom", model="b", base_url=NO_SERVER, context_window=200_000
        ),
        "small": schema.Model(
            provider="custom",
            model="s",
            base_url=NO_SERVER,
            context_window=8_000,
            compat=schema.Compat(images=False),
        ),
        "plain": schema.Model(
            provider="custom",
            model="p",
            base_url=NO_SERVER,
            compat=schema.Compat(images=False, tools=False),
        ),
        "vectors": schema.Model(
            provider="openai", model="text-embedding-3-small", base_url=NO_SERVER
        ),
    }
    return make(home, None, **models)


def show(app: App, headers: dict[str, str] | None = None, **body: Any) -> Answer:
    return ask(app, "POST", "/api/show", orjson.dumps(body), headers)


def test_the_version_is_one_that_clients_accept(tmp_path: Path) -> None:
    answer = ask(gateway(tmp_path), "GET", "/api/version")
    assert answer.status == 200
    assert tuple(map(int, answer.json["version"].split("."))) >= (0, 6, 4)


def test_the_list_has_the_agents_and_then_the_models(tmp_path: Path) -> None:
    answer = ask(gateway(tmp_path), "GET", "/api/tags")
    entries = answer.json["models"]
    assert [entry["model"] for entry in entries] == ["dev", "big", "small", "plain", "vectors"]
    for entry in entries:
        assert entry["name"] == entry["model"]
        assert datetime.fromisoformat(entry["modified_at"]).tzinfo is not None
        assert (type(entry["size"]), len(entry["digest"])) == (int, 64)
        assert set(entry["details"]) >= {
            "format",
            "family",
            "families",
            "parameter_size",
            "quantization_level",
        }
    assert len({entry["digest"] for entry in entries}) == len(entries)


@pytest.mark.parametrize(
    ("name", "context", "capabilities"),
    [
        ("dev", 8_000, ["completion", "tools", "vision"]),
        ("dev:latest", 8_000, ["completion", "tools", "vision"]),
        ("big", 200_000, ["completion", "tools", "vision"]),
        ("small", 8_000, ["completion", "tools"]),
        ("plain", None, ["completion"]),
        ("vectors", None, ["embedding"]),
    ],
)
def test_a_model_says_what_it_can_do(
    tmp_path: Path, name: str, context: int | None, capabilities: list[str]
) -> None:
    found = show(gateway(tmp_path), model=name).json
    info = found["model_info"]
    assert info.get(f"{info['general.architecture']}.context_length") == context
    assert info["general.basename"] == name.removesuffix(":latest")
    assert found["capabilities"] == capabilities


def test_older_clients_send_the_field_name(tmp_path: Path) -> None:
    assert show(gateway(tmp_path), name="big").status == 200


def test_an_unknown_model_is_a_404_in_words_of_ollama(tmp_path: Path) -> None:
    answer = show(gateway(tmp_path), model="bigg")
    assert answer.status == 404
    assert "'bigg' does not exist" in answer.json["error"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"model": 1}', b'{"model": ""}', b"\xff"]
)
def test_a_body_without_a_model_is_refused(tmp_path: Path, body: bytes) -> None:
    answer = ask(gateway(tmp_path), "POST", "/api/show", body)
    assert answer.status == 400
    assert isinstance(answer.json["error"], str)


def test_a_large_body_is_refused(tmp_path: Path) -> None:
    assert ask(gateway(tmp_path), "POST", "/api/show", b" " * 70_000).status == 413


def test_a_key_is_asked_for_where_there_are_keys(tmp_path: Path) -> None:
    app = gateway(tmp_path)
    headers = {"authorization": "Bearer " + app.keys.add("limited", ["small"])}
    for method, path in (("GET", "/api/version"), ("GET", "/api/tags"), ("POST", "/api/show")):
        assert ask(app, method, path, b"{").status == 401
    listed = ask(app, "GET", "/api/tags", headers=headers).json["models"]
    assert [entry["name"] for entry in listed] == ["small"]
    assert show(app, headers, model="small").status == 200
    assert show(app, headers, model="big").status == 404


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/tags"), ("GET", "/api/show"), ("DELETE", "/api/version")]
)
def test_other_methods_are_refused(tmp_path: Path, method: str, path: str) -> None:
    assert ask(gateway(tmp_path), method, path).status == 405


def test_a_trailing_slash_does_no_harm(tmp_path: Path) -> None:
    assert ask(gateway(tmp_path), "GET", "/api/tags/").status == 200


def test_the_names_are_those_that_chat_completions_take(tmp_path: Path) -> None:
    app = gateway(tmp_path)
    for entry in ask(app, "GET", "/api/tags").json["models"]:
        body = {"model": entry["model"], "messages": [{"role": "user", "content": "Hello"}]}
        answer = ask(app, "POST", CHAT, orjson.dumps(body))
        assert answer.headers["x-gateway-agent"] == entry["name"]
