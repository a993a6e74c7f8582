"""`gateway config`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from tests.cli.conftest import Run


def test_check_of_a_valid_file(run: Run, config: Path) -> None:
    result = run("config", "check")
    assert (result.exit_code, result.stdout) == (0, f"{config}: valid, 1 agent, 2 models.\n")


def test_check_tells_all_errors_and_exits_with_13(run: Run, config: Path) -> None:
    config.write_text(
        config.read_text().replace("anthropic", "antropic").replace('"local"]', '"locl"]')
    )
    result = run("config", "check")
    assert result.exit_code == 13
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "error   config.toml:2  models.sonnet.provider",
        "        \"antropic\" is not a provider. Did you mean 'anthropic'?",
        "error   config.toml:9  agents.dev.models",
        "        there is no [models.locl]. Did you mean 'local'?",
        "2 errors; nothing would start.",
    ]


def test_check_for_programs(run: Run, config: Path) -> None:
    config.write_text("[server]\nport = -1\n")
    result = run("config", "check", "--json")
    assert result.exit_code == 13
    reported = json.loads(result.stdout)
    assert (reported["valid"], reported["problems"][0]["key"], reported["problems"][0]["line"]) == (
        False,
        "server.port",
        2,
    )


def test_check_of_a_named_file(run: Run, tmp_path: Path) -> None:
    assert run("config", "check", "--config", "none.toml").exit_code == 13
    other = tmp_path / "other.toml"
    other.write_text("")
    assert run("config", "check", "--config", str(other)).exit_code == 0
    assert run("config", "check", GATEWAY_CONFIG=str(other)).stdout.startswith(str(other))


def test_check_without_a_configuration(run: Run) -> None:
    result = run("config", "check")
    assert result.exit_code == 0
    assert "demo" in result.stdout
    assert json.loads(run("config", "check", "--json").stdout) == {"valid": True, "problems": []}
    assert "1 agent, 1 model" in run("config", "check", OPENAI_API_KEY="x").stdout


def test_show_is_toml_with_origins(run: Run, config: Path) -> None:
    result = run("config", "show")
    assert result.exit_code == 0
    assert "# config.toml:3" in result.stdout
    shown = tomllib.loads(result.stdout)
    assert shown["models"]["sonnet"]["credential"] == "anthropic_key:default"
    assert shown["server"]["port"] == 8484
    as_json = json.loads(run("config", "show", "--json").stdout)
    assert as_json["values"] == shown
    assert as_json["origins"]["server.port"] == "default"


def test_show_without_a_configuration(run: Run) -> None:
    result = run("config", "show")
    assert result.exit_code == 13
    assert "begin with: gateway init" in result.stderr
    assert tomllib.loads(run("config", "show", GROQ_API_KEY="canary").stdout)["agents"]["default"][
        "models"
    ] == ["groq"]


def test_schema(run: Run) -> None:
    assert json.loads(run("config", "schema").stdout)["$ref"] == "#/$defs/Root"
