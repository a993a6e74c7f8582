"""`gateway status`, against a gateway that runs and one that does not."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from pytest_httpserver import HTTPServer

from gateway.cli.status import duration, render
from gateway.reports.status import AttemptState, CallState, Status
from tests.cli.conftest import Run
from tests.e2e.harness import running


def test_a_gateway_with_a_model_that_is_cooling_down(run: Run, tmp_path: Path) -> None:
    with running(tmp_path, "openai>custom") as gateway:
        gateway.lab.fault("openai", "overloaded")
        body = {"model": "openai>custom", "messages": [{"role": "user", "content": "Hi"}]}
        httpx.post(f"{gateway.url}/v1/chat/completions", json=body)
        shown = run("status", GATEWAY_URL=gateway.url + "/v1").stdout.splitlines()
        found = json.loads(run("status", "--json", GATEWAY_URL=gateway.url).stdout)
    assert shown[1].split() == ["AGENT", "MODEL", "STATE", "WHY"]
    assert "openai>custom  openai  cooling down" in shown[2]
    assert "overloaded" in shown[2]
    assert shown[3].split() == ["custom", "ready"]
    assert [model["state"] for model in found["agents"][0]["chain"]] == ["open", "closed"]
    assert (found["in_flight"], found["waiting"], found["status"]) == (0, 0, "serving")


def test_none_is_running(run: Run, config: Path) -> None:
    result = run("status", GATEWAY_URL="http://127.0.0.1:1")
    assert result.exit_code == 1
    assert "no gateway answers at http://127.0.0.1:1" in result.stderr


def test_a_client_key_is_needed(run: Run, tmp_path: Path) -> None:
    with running(tmp_path, "custom") as gateway:
        key = gateway.app.keys.add("me")
        refused = run("status", GATEWAY_URL=gateway.url)
        wrong = run("status", GATEWAY_URL=gateway.url, GATEWAY_KEY="gw-wrong")
        allowed = run("status", GATEWAY_URL=gateway.url, GATEWAY_KEY=key)
    assert "needs a client key in $GATEWAY_KEY" in refused.stderr
    assert "refuses the key of $GATEWAY_KEY" in wrong.stderr
    assert allowed.exit_code == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (300, "5 min"), (7200, "2 h"), (2e5, "2 d")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    "url", ["http://[bad", "127.0.0.1:9", "http://:x", "ftp://x", "http://127.0.0.1:99999"]
)
def test_an_invalid_address(run: Run, url: str) -> None:
    refused = run("status", GATEWAY_URL=url)
    assert (refused.exit_code, "write http://host:port" in refused.stderr) == (1, True)
    assert "write http://host:port" in " ".join(run("doctor", GATEWAY_URL=url).stdout.split())


def test_the_calls_under_way_are_shown_and_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    tried = AttemptState("sonnet", "rate_limit")
    calls = [CallState(f"req_{n}", "dev", "ci", None, [tried], True, 75.0, True) for n in range(12)]
    render(Status("serving", "1", 9.0, in_flight=40, waiting=12, agents=[], calls=calls))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "gateway 1, serving for 9 s, 40 calls under way, 12 waiting"
    assert lines[1].split() == ["CALL", "AGENT", "CLIENT", "MODEL", "TRIED", "FOR"]
    assert lines[2].split() == ["req_0", "dev", "ci", "waiting", "1", "75", "s"]
    assert lines[-1] == "and 30 more"


def test_a_gateway_of_another_version_is_named(run: Run, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/status").respond_with_json({"status": "serving", "version": 2})
    refused = run("status", GATEWAY_URL=httpserver.url_for("").rstrip("/"))
    assert (refused.exit_code, "has another version than this command" in refused.stderr) == (
        1,
        True,
    )
