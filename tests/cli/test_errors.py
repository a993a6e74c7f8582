"""Errors of commands: text on standard error, JSON on standard output with `--json`; the same exit
code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

NOWHERE = {"GATEWAY_URL": "http://127.0.0.1:1"}

CASES = {
    "an option that does not exist": (["status", "--nonsense"], 2, "No such option"),
    "a command that does not exist": (["nonsense"], 2, "no command 'nonsense'"),
    "a command with a slip": (["serv"], 2, "Did you mean 'serve'?"),
    "an argument that is missing": (["explain"], 2, "Missing argument"),
    "a value that is not valid": (["requests", "--since", "yesterday"], 2, "write 90m, 2h or 7d"),
    "an agent that does not exist": (["explain", "dew"], 2, "'dev'"),
    "an agent that does not exist, to drill": (["drill", "dew"], 2, "'dev'"),
    "a request that is not JSON": (["explain", "dev", "broken.json"], 1, "the request"),
    "a file that does not exist": (["explain", "dev", "none.json"], 2, "none.json"),
    "no gateway is running": (["status"], 1, "no gateway answers"),
    "no ledger": (["requests"], 1, "no ledger yet"),
    "no ledger to add up": (["usage"], 1, "no ledger yet"),
    "no such configuration": (["agents", "--config", "none.toml"], 13, "none.toml"),
    "a period that is not valid": (["keys", "add", "x", "--expires", "soon"], 2, "12h, 90d or 4w"),
    "a name that is not valid": (["keys", "add", "a/b"], 1, "a/b"),
}


@pytest.mark.parametrize(("args", "code", "word"), CASES.values(), ids=list(CASES))
def test_an_error_is_text_or_json_with_one_exit_code(
    run: Run, config: Path, args: list[str], code: int, word: str
) -> None:
    config.with_name("broken.json").write_text("{")
    text = run(*args, **NOWHERE)
    assert (text.exit_code, text.stdout, word in text.stderr) == (code, "", True)
    printed = run(*args, "--json", **NOWHERE)
    error = json.loads(printed.stdout)["error"]
    assert (printed.exit_code, printed.stderr, error["code"]) == (code, "", code)
    assert word in error["message"]


def test_an_invalid_configuration_lists_its_problems(run: Run, config: Path) -> None:
    config.write_text('[server]\nport = -1\n[agents.dev]\nmodels = ["none"]\n')
    for args in (
        ["agents"],
        ["models"],
        ["explain", "dev"],
        ["status"],
        ["usage"],
        ["config", "show"],
    ):
        printed = run(*args, "--json", **NOWHERE)
        error = json.loads(printed.stdout)["error"]
        assert (printed.exit_code, error["code"], printed.stderr) == (13, 13, "")
        assert {problem["key"] for problem in error["problems"]} == {
            "server.port",
            "agents.dev.models",
        }


def test_no_configuration_at_all(run: Run) -> None:
    printed = run("agents", "--json")
    error = json.loads(printed.stdout)["error"]
    assert (printed.exit_code, error["code"], "gateway init" in error["message"]) == (13, 13, True)


def test_a_key_that_cannot_be_read_is_an_error_of_credentials(run: Run, tmp_path: Path) -> None:
    store = tmp_path / "home/.action-llama/credentials"
    store.parent.mkdir()
    store.symlink_to(store)
    printed = run("credentials", "ls", "--json")
    assert (printed.exit_code, json.loads(printed.stdout)["error"]["code"]) == (10, 10)


def test_json_as_an_argument_asks_for_nothing(run: Run, config: Path) -> None:
    refused = run("explain", "--", "--json")
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_every_change_is_reported_as_json(run: Run) -> None:
    stored = json.loads(run("credentials", "set", "openai_key", "--json", input="x").stdout)
    assert stored["stored"].endswith("openai_key/default/token")
    assert stored["notes"] == ["keys of this type usually begin with sk-"]
    removed = json.loads(run("credentials", "rm", "openai_key", "--json").stdout)
    assert removed == {"removed": stored["stored"]}
    run("keys", "add", "laptop")
    assert json.loads(run("keys", "rm", "laptop", "--json").stdout) == {"revoked": "laptop"}
