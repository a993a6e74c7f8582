"""`gateway drill`; the drill itself is tested in `tests/test_drill.py`."""

from __future__ import annotations

import click
from click.testing import CliRunner

from gateway.cli.drill import render
from gateway.drill import Result
from tests.cli.conftest import Run
from tests.makers import call, model

RESULTS = [
    Result("cut", True, "safe", 0.02, "what had come, then one typed error"),
    Result("cut", False, "pass", 0.01, "the whole answer"),
    Result("all_down", False, "fail", 0.5, "a lie"),
]


def test_the_table() -> None:
    agent = call(model()).agent

    @click.command()
    def show() -> None:
        render(agent, RESULTS)

    lines = CliRunner().invoke(show).stdout.splitlines()
    assert "cut       safe   0.02 s  pass   0.01 s" in lines
    assert "all_down  -              fail   0.50 s" in lines
    assert lines[-1] == "1 pass, 1 safe, 1 fail"
    assert all(len(line) <= 80 for line in lines)


def test_each_api_has_a_table_of_its_own() -> None:
    agent = call(model()).agent
    others = [Result("cut", True, "fail", 0.02, "a lie", api="messages")]

    @click.command()
    def show() -> None:
        render(agent, RESULTS + others)

    lines = CliRunner().invoke(show).stdout.splitlines()
    assert [line for line in lines if line.startswith("/v1/")] == [
        "/v1/chat/completions",
        "/v1/messages",
    ]
    assert "cut    fail   0.02 s  -" in lines
    assert lines[-1] == "1 pass, 1 safe, 2 fail"


def test_an_unknown_agent(run: Run, config: object) -> None:
    result = run("drill", "dew")
    assert (result.exit_code, "'dev'" in result.stderr) == (2, True)
