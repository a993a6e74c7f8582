"""`gateway keys`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_add_prints_the_key_alone_and_once(run: Run) -> None:
    result = run("keys", "add", "laptop", "--agent", "dev", "--expires", "90d")
    assert result.exit_code == 0
    key = result.stdout.strip()
    assert key.startswith("gw-")
    assert "only time" in result.stderr
    listed = run("keys", "ls")
    assert key not in listed.stdout
    assert listed.stdout.splitlines()[1].split()[:2] == ["laptop", "dev"]
    (row,) = json.loads(run("keys", "ls", "--json").stdout)
    assert (row["name"], row["agents"], row["expired"]) == ("laptop", ["dev"], False)


def test_add_for_programs(run: Run) -> None:
    assert set(json.loads(run("keys", "add", "x", "--json").stdout)) == {"name", "key"}


def test_an_admin_key_is_listed_as_one_and_is_not_limited(run: Run) -> None:
    run("keys", "add", "ci")
    assert run("keys", "add", "me", "--admin").exit_code == 0
    rows = json.loads(run("keys", "ls", "--json").stdout)
    assert {row["name"]: row["admin"] for row in rows} == {"ci": False, "me": True}
    assert [line.split()[:3] for line in run("keys", "ls").stdout.splitlines()] == [
        ["NAME", "AGENTS", "PAGE"],
        ["ci", "all", "-"],
        ["me", "all", "admin"],
    ]
    both = run("keys", "add", "x", "--admin", "--agent", "dev")
    assert (both.exit_code, "exclude each other" in both.stderr) == (2, True)


def test_add_warns_of_an_agent_that_does_not_exist(run: Run, config: Path) -> None:
    assert "Did you mean 'dev'?" in run("keys", "add", "a", "--agent", "dv").stderr
    assert "warning" not in run("keys", "add", "b", "--agent", "dev", "--agent", "local").stderr


def test_what_a_limit_says_of_a_cluster_that_is_not_there(run: Run, config: Path) -> None:
    result = run("keys", "add", "ci", "--rate", "5 calls/minute whenDown=open")
    assert (result.exit_code, "whenDown is never used" in result.stderr) == (0, True)
    assert "5 calls/minute whenDown=open" in run("keys", "ls").stdout


def test_wrong_use(run: Run) -> None:
    assert run("keys", "add", "x", "--expires", "soon").exit_code == 2
    assert run("keys", "add", "a/b").exit_code == 1
    assert run("keys", "rm", "x").exit_code == 1
    assert run("keys", "add").exit_code == 2
    for never in ("0d", "99999999999d", "9999999w"):
        assert run("keys", "add", "x", "--expires", never).exit_code == 2


def test_rm(run: Run) -> None:
    run("keys", "add", "laptop")
    assert run("keys", "rm", "laptop").stdout == "revoked laptop\n"
    assert run("keys", "ls", "--json").stdout == "[]\n"
    assert "no client may call" in run("keys", "ls").stdout


def test_without_any_key_this_host_may_call(run: Run) -> None:
    assert "any client on this host may call" in run("keys", "ls").stdout


def test_a_place_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("keys", "add", "x", GATEWAY_KEYS=str(tmp_path / "file/keys.json"))
    assert (
        result.exit_code,
        "cannot be written" in result.stderr or "cannot be read" in result.stderr,
    ) == (1, True)


def test_a_broken_file_is_reported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("{")
    for args in (("ls",), ("add", "x"), ("rm", "x")):
        result = run("keys", *args, GATEWAY_KEYS=str(tmp_path / "keys"))
        assert result.exit_code == 1
        assert "Fix it" in result.stderr
