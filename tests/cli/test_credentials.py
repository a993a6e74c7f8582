"""`gateway credentials`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.credentials.store import OTHERS
from gateway.providers import CREDENTIAL_TYPES
from tests.cli.conftest import Run

STORE = "home/.action-llama/credentials"


def test_set_reads_from_standard_input_and_never_echoes(run: Run, tmp_path: Path) -> None:
    result = run("credentials", "set", "anthropic_key", input="sk-ant-api03-canary\n")
    assert result.exit_code == 0
    assert "canary" not in result.output
    assert (tmp_path / STORE / "anthropic_key/default/token").read_text() == "sk-ant-api03-canary\n"


@pytest.mark.parametrize(
    ("reference", "path", "note"),
    [
        ("openai:team2", "openai_key/team2", "usually begin with sk-"),
        ("deepseek_key", "deepseek_key/default", 'credential = "deepseek_key"'),
        ("google_key", "google_key/default", ""),
        ("cluster_secret", "cluster_secret/default", ""),
    ],
)
def test_set_knows_instances_and_other_types(
    run: Run, tmp_path: Path, reference: str, path: str, note: str
) -> None:
    result = run("credentials", "set", reference, input="x")
    assert (tmp_path / STORE / path / "token").read_text() == "x\n"
    assert note in result.stdout
    assert bool(note) == ("note: " in result.stdout)


def test_the_help_of_set_names_every_type(run: Run) -> None:
    words = run("credentials", "set", "--help").stdout.replace(",", " ").replace(";", " ").split()
    assert set(words) >= CREDENTIAL_TYPES | OTHERS


def test_set_says_when_another_source_comes_first(run: Run, tmp_path: Path) -> None:
    (tmp_path / "openai_key").write_text("x")
    result = run(
        "credentials", "set", "openai_key", input="sk-x", CREDENTIALS_DIRECTORY=str(tmp_path)
    )
    assert "(systemd) comes first" in result.stdout


@pytest.mark.parametrize(
    ("reference", "value", "word"),
    [("anthropic_key", "", "empty"), ("antropic_key", "x", "anthropic_key")],
)
def test_set_refuses_invalid_keys_and_names(
    run: Run, reference: str, value: str, word: str
) -> None:
    result = run("credentials", "set", reference, input=value)
    assert result.exit_code == 10
    assert word in result.stderr


def test_ls(run: Run, tmp_path: Path) -> None:
    assert "There are no keys" in run("credentials", "ls").stdout
    run("credentials", "set", "openai_key:team2", input="sk-canary")
    result = run("credentials", "ls", GROQ_API_KEY="canary")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["KEY", "FROM", "STATE"],
        ["groq_key", "environment", "ok"],
        ["openai_key:team2", "store", "ok"],
    ]
    (tmp_path / STORE / "openai_key/team2/token").write_text("")
    result = run("credentials", "ls", "--json")
    assert result.exit_code == 10
    assert json.loads(result.stdout)[0]["problem"] == "empty"


def test_ls_lists_types_that_the_configuration_names(run: Run, config: Path) -> None:
    run("credentials", "set", "lab_key", input="x")
    assert "lab_key" not in run("credentials", "ls").stdout
    config.write_text(config.read_text().replace("[agents", 'credential = "lab_key"\n[agents'))
    assert "lab_key" in run("credentials", "ls").stdout


def test_rm(run: Run) -> None:
    run("credentials", "set", "openai_key", input="sk-x")
    assert run("credentials", "rm", "openai").exit_code == 0
    result = run("credentials", "rm", "openai")
    assert (result.exit_code, "there is no openai_key" in result.stderr) == (10, True)
