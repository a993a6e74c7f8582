"""The model list: agents first, named models behind, for clients that may use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.app import App
from gateway.config import schema
from gateway.config.load import build
from tests.inbound.asgi import CHAT, NO_SERVER, Answer, answered, ask, make, scope


def gateway(home: Path) -> App:
    models = {
        "big": schema.Model(
            provider="custom", model="b", base_url=NO_SERVER, context_window=200_000
        ),
        "small": schema.Model(
            provider="custom", model="s", base_url=NO_SERVER, context_window=8_000
        ),
        "org/name": schema.Model(provider="openai", model="n", base_url=NO_SERVER),
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


# --- the readers of each API ----------------------------------------------------------------------

MESSAGES = {"anthropic-version": "2023-06-01"}
CLAUDE_CODE = {"user-agent": "claude-cli/2.1.332 (external, cli)"}


def with_aliases(home: Path, **aliases: list[str]) -> App:
    """Agents over one model each, with these aliases."""
    model = schema.Model(
        provider="custom",
        model="m",
        base_url=NO_SERVER,
        context_window=8_000,
        max_output_tokens=4_000,
    )
    agents = {
        name: schema.Agent(models=[f"{name}-m"], aliases=listed) for name, listed in aliases.items()
    }
    root = schema.Root(
        models={f"{name}-m": model for name in agents},
        agents=agents,
        fallback=schema.Fallback(max_wait_seconds=0),
    )
    app = App(build(root, None, {}, None, []), env={}, home=home)
    app.phase = "serving"
    return app


def test_one_object_serves_the_readers_of_every_api(tmp_path: Path) -> None:
    app = with_aliases(tmp_path, dev=[])
    listing = ask(app, "GET", "/v1/models").json
    item = listing["data"][0]
    assert {key: listing[key] for key in ("object", "has_more", "first_id", "last_id")} == {
        "object": "list",
        "has_more": False,
        "first_id": "dev",
        "last_id": "dev-m",
    }
    assert (item["object"], item["type"], item["id"], item["display_name"]) == (
        "model",
        "model",
        "dev",
        "dev",
    )
    assert (item["context_length"], item["max_input_tokens"], item["max_tokens"]) == (
        8_000,
        8_000,
        4_000,
    )
    assert ask(app, "GET", "/v1/models/dev").json == item
    assert ask(app, "GET", "/models/dev", headers=MESSAGES).json == item


def test_exact_aliases_are_listed_and_patterns_are_not(tmp_path: Path) -> None:
    app = with_aliases(tmp_path, dev=["gpt-5.5", "claude-*"], ops=["ops-m"])
    listing = ask(app, "GET", "/v1/models").json["data"]
    assert [item["id"] for item in listing] == ["dev", "ops", "gpt-5.5", "ops-m", "dev-m"]
    assert {item["id"]: item["chain"] for item in listing}["gpt-5.5"] == ["dev-m"]


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("gpt-5.5", ["dev-m"]),
        ("gemini-9", ["dev-m"]),
        ("claude-ops", ["ops-m"]),
        ("claude-dev-m", ["dev-m"]),
    ],
)
def test_an_alias_is_found_under_its_own_name(tmp_path: Path, name: str, chain: list[str]) -> None:
    app = with_aliases(tmp_path, dev=["gpt-5.5", "gemini-*"], ops=[])
    found = ask(app, "GET", f"/v1/models/{name}").json
    assert (found["id"], found["chain"]) == (name, chain)


@pytest.mark.parametrize("headers", [MESSAGES, CLAUDE_CODE])
def test_a_reader_that_skips_names_finds_each_under_an_alias(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    app = with_aliases(tmp_path, dev=["gpt-5.5"])
    assert ids(ask(app, "GET", "/v1/models", headers=headers)) == [
        "dev",
        "gpt-5.5",
        "dev-m",
        "claude-dev",
        "claude-gpt-5.5",
        "claude-dev-m",
    ]


def test_an_alias_that_a_pattern_gives_to_another_agent_is_not_listed(tmp_path: Path) -> None:
    app = with_aliases(tmp_path, dev=["claude-*"], ops=[])
    listing = ask(app, "GET", "/v1/models", headers=MESSAGES).json["data"]
    assert [item["id"] for item in listing] == [
        "dev",
        "ops",
        "dev-m",
        "ops-m",
        "claude-dev",
        "claude-dev-m",
    ]
    for item in listing:
        assert ask(app, "GET", f"/v1/models/{item['id']}").json == item


def test_a_key_sees_the_aliases_of_its_agents_alone(tmp_path: Path) -> None:
    app = with_aliases(tmp_path, dev=["gpt-5.5"], ops=["o3", "gpt-*"])
    key = {"x-api-key": app.keys.add("limited", ["dev"]), **MESSAGES}
    assert ids(ask(app, "GET", "/v1/models", headers=key)) == [
        "dev",
        "gpt-5.5",
        "claude-dev",
        "claude-gpt-5.5",
    ]
    for name in ("o3", "claude-ops", "gpt-4"):
        assert ask(app, "GET", f"/v1/models/{name}", headers=key).status == 404


@pytest.mark.parametrize(
    ("query", "has_catalog"),
    [
        ("client_version=0.150.0", True),
        ("limit=1000&client_version=0.150.0", True),
        ("limit=1000", False),
        ("x=client_version=1", False),
        ("", False),
    ],
)
def test_a_catalog_is_beside_the_list_where_it_is_asked_for(
    tmp_path: Path, query: str, has_catalog: bool
) -> None:
    request = scope("GET", "/v1/models", {})
    request["query_string"] = query.encode()
    listing = answered(with_aliases(tmp_path, dev=[]), request).json
    assert ("models" in listing) is has_catalog
    assert [item["id"] for item in listing["data"]] == ["dev", "dev-m"]


def test_errors_have_the_form_of_the_readers_api(tmp_path: Path) -> None:
    app = with_aliases(tmp_path, dev=[])
    answer = ask(app, "GET", "/v1/models/nothing", headers=MESSAGES)
    assert (answer.status, answer.json["type"], answer.error["type"]) == (
        404,
        "error",
        "not_found_error",
    )
    assert ask(app, "GET", "/v1/models/nothing").error["code"] == "model_not_found"
    app.keys.add("needed")
    answer = ask(app, "GET", "/v1/models", headers=MESSAGES)
    assert (answer.status, answer.error["type"]) == (401, "authentication_error")


def test_a_call_by_an_alias_names_its_agent(tmp_path: Path) -> None:
    app = with_aliases(tmp_path, dev=["gpt-5.5", "claude-*"], ops=[])
    for name, agent in {"gpt-5.5": "dev", "claude-x": "dev", "ops": "ops"}.items():
        body = orjson.dumps({"model": name, "messages": [{"role": "user", "content": "Hi"}]})
        assert ask(app, "POST", CHAT, body).headers["x-gateway-agent"] == agent
