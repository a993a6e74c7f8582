"""The lines for each client are valid where they go, and say the address, the agent, the key and
the window."""

from __future__ import annotations

import json
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.reports.clients import ClientSetup, client_setup
from gateway.types import Agent
from tests.makers import model

URL = "http://127.0.0.1:8484"
DOCS = Path(__file__).parent.parent.parent / "docs" / "clients.md"
CHAIN = (
    model(name="a", context_window=200_000, max_output_tokens=64_000),
    model(name="b", context_window=32_768),
)
NAMES = ["dev", "my agent", "it's $HOME `x`", "org/coder", "a{b}%s"]


def setup(name: str = "dev", *, locked: bool = False) -> ClientSetup:
    return client_setup(Agent(name, CHAIN), URL, locked=locked)


def text(found: ClientSetup, client: str, place: str) -> str:
    (lines,) = (
        lines.text
        for each in found.clients
        for lines in each.lines
        if each.client == client and lines.place.startswith(place)
    )
    return lines


def exported(lines: str) -> dict[str, str]:
    """The variables that a shell has after these lines."""
    words = shlex.split(lines)
    return dict(word.split("=", 1) for before, word in pairwise(words) if before == "export")


@pytest.mark.parametrize("name", NAMES)
def test_codex(name: str) -> None:
    found = setup(name)
    config = tomllib.loads(text(found, "Codex", "~/.codex/config.toml"))
    provider = config["model_providers"][config["model_provider"]]
    assert (config["model"], provider["base_url"], provider["wire_api"]) == (
        name,
        f"{URL}/v1",
        "responses",
    )
    assert config["model_context_window"] == 32_768
    assert config["model_auto_compact_token_limit"] < 32_768
    assert provider["env_key"] in exported(text(found, "Codex", "shell"))


@pytest.mark.parametrize("name", NAMES)
def test_claude_code(name: str) -> None:
    variables = exported(text(setup(name), "Claude Code", "shell"))
    assert variables["ANTHROPIC_BASE_URL"] == URL
    assert {value for key, value in variables.items() if key.endswith("_MODEL")} == {name}
    assert variables["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "32768"


@pytest.mark.parametrize("name", NAMES)
def test_editors(name: str) -> None:
    opencode = json.loads(text(setup(name), "opencode", "opencode.json"))
    provider = opencode["provider"]["gateway"]
    assert opencode["model"] == f"gateway/{name}"
    assert provider["options"] == {"baseURL": f"{URL}/v1", "apiKey": "any"}
    assert provider["models"][name]["limit"] == {"context": 32_768, "output": 32_768}
    (group,) = json.loads(text(setup(name), "VS Code", "chatLanguageModels.json"))
    (entry,) = group["models"]
    assert (entry["id"], entry["url"]) == (name, f"{URL}/v1/chat/completions")


@pytest.mark.parametrize("name", NAMES)
def test_python_compiles(name: str) -> None:
    for client in ("OpenAI SDKs", "LangChain"):
        source = text(setup(name), client, "Python")
        compile(source, client, "exec")
        assert f'"{name}"' in source


@pytest.mark.parametrize("name", NAMES)
def test_every_curl_line_is_one_request(name: str) -> None:
    lines = text(setup(name, locked=True), "curl", "shell").splitlines()
    requests = [shlex.split(line) for line in lines]
    assert [words[1].removeprefix(URL) for words in requests] == [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
    ]
    for words in requests:
        body: dict[str, Any] = json.loads(words[-1])
        assert body["model"] == name
        assert "Authorization: Bearer YOUR_KEY" in words


@pytest.mark.parametrize(("locked", "key"), [(False, "any"), (True, "YOUR_KEY")])
def test_every_client_has_the_key_that_is_needed(locked: bool, key: str) -> None:
    found = setup(locked=locked)
    other = "YOUR_KEY" if key == "any" else '"any"'
    assert found.key == key
    for client in found.clients:
        whole = "\n".join(lines.text for lines in client.lines)
        assert key in whole or client.client == "curl"
        assert other not in whole


@pytest.mark.parametrize(
    ("windows", "window", "is_assumed"),
    [((None, None), 200_000, True), ((None, 8_000), 8_000, False), ((64_000, 8_000), 8_000, False)],
)
def test_the_window_is_the_smallest_that_is_known(
    windows: tuple[int | None, ...], window: int, is_assumed: bool
) -> None:
    chain = tuple(
        model(name=f"m{number}", context_window=size) for number, size in enumerate(windows)
    )
    found = client_setup(Agent("dev", chain), URL, locked=False)
    assert (found.context_window, found.is_window_assumed) == (window, is_assumed)
    (entry,) = json.loads(text(found, "VS Code", "chatLanguageModels.json"))[0]["models"]
    assert entry["maxInputTokens"] + entry["maxOutputTokens"] == window


def test_the_manual_shows_the_same_lines() -> None:
    manual = DOCS.read_text()
    found = client_setup(Agent("dev", (model(),)), URL, locked=False)
    missing = [
        (each.client, lines.place)
        for each in found.clients
        for lines in each.lines
        if lines.text not in manual
    ]
    assert missing == []
