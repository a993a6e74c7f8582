"""`gateway agents`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_agents(run: Run, config: Path) -> None:
    assert run("agents").stdout.splitlines() == ["AGENT  CHAIN", "dev    sonnet -> local"]
    assert json.loads(run("agents", "--json").stdout)[0]["models"] == ["sonnet", "local"]


def test_agents_without_any(run: Run, config: Path) -> None:
    config.write_text("")
    assert "No agents yet" in run("agents").stdout
    config.unlink()
    assert run("agents").exit_code == 13


def test_aliases_are_shown_where_there_are_any(run: Run, config: Path) -> None:
    config.write_text(config.read_text() + 'aliases = ["claude-*", "gpt-5.5"]\n')
    assert run("agents").stdout.splitlines() == [
        "AGENT  CHAIN            ALIASES",
        "dev    sonnet -> local  claude-*, gpt-5.5",
    ]
    assert json.loads(run("agents", "--json").stdout)[0]["aliases"] == ["claude-*", "gpt-5.5"]


def test_the_lines_of_every_client(run: Run, config: Path) -> None:
    config.write_text(config.read_text() + 'aliases = ["gpt-5.5"]\n[server]\nport = 9000\n')
    shown = run("agents", "dev").stdout
    assert shown.startswith("dev: sonnet -> local, at http://127.0.0.1:9000\n")
    assert "\nexport ANTHROPIC_BASE_URL=http://127.0.0.1:9000\n" in shown
    assert "\n# Codex: ~/.codex/config.toml\n" in shown
    assert run("agents", "--clients").stdout == run("agents", "gpt-5.5").stdout == shown


def test_the_lines_as_json(run: Run, config: Path) -> None:
    run("keys", "add", "laptop")
    shown = json.loads(run("agents", "local", "--json").stdout)
    assert (shown["agent"], shown["key"], shown["url"]) == (
        "local",
        "YOUR_KEY",
        "http://127.0.0.1:8484",
    )
    assert {client["client"] for client in shown["clients"]} >= {"Codex", "Claude Code", "curl"}
    assert shown["clients"][0]["lines"][0]["place"] == "shell"


def test_an_unknown_agent_is_wrong_usage(run: Run, config: Path) -> None:
    refused = run("agents", "dve")
    assert (refused.exit_code, "Did you mean 'dev'?" in refused.stderr) == (2, True)
    config.write_text("")
    assert run("agents", "--clients").exit_code == 13
