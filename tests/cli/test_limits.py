"""`gateway limits`, and limits of keys, against a gateway that runs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx

from gateway.cli.limits import lines
from gateway.config import schema
from gateway.limits.rows import Row
from tests.cli.conftest import Run
from tests.e2e.harness import Running, chains


def test_a_gateway_with_limits(run: Run, tmp_path: Path) -> None:
    gateway = Running(tmp_path)
    limits = schema.Limits(budget="100000 tokens/month", rate="60 calls/minute", time_zone="UTC")
    gateway.start(lambda lab: _with(chains(lab, "custom"), limits))
    try:
        body = {"model": "custom", "messages": [{"role": "user", "content": "Hi"}]}
        assert httpx.post(f"{gateway.url}/v1/chat/completions", json=body).status_code == 200
        shown = run("limits", GATEWAY_URL=gateway.url).stdout.splitlines()
        found = json.loads(run("limits", "--json", GATEWAY_URL=gateway.url).stdout)
    finally:
        gateway.stop()
    assert shown[0].split() == ["OWNER", "LIMIT", "USED", "LEFT", "RESETS"]
    assert re.fullmatch(
        r"gateway  100000 tokens/month +\d+ tokens  0%  +99\d\d\d tokens  +in .+", shown[1]
    )
    assert re.fullmatch(r"gateway  60 calls/minute +1 calls +1%  +59 calls +all the time", shown[2])
    assert [(row["unit"], row["reserved"]) for row in found] == [("tokens", 0), ("calls", 0)]
    assert 0 < found[0]["used"] < 1000


def _with(root: schema.Root, limits: schema.Limits) -> schema.Root:
    return schema.Root(
        models=root.models, agents=root.agents, fallback=root.fallback, limits=limits
    )


def test_no_limits_and_no_gateway(run: Run, config: Path) -> None:
    assert "gateway keys add NAME --budget" in " ".join(lines([], datetime.now(UTC)))
    result = run("limits", GATEWAY_URL="http://127.0.0.1:1")
    assert (result.exit_code, "no gateway answers" in result.stderr) == (1, True)


def test_notes_explain_the_numbers() -> None:
    row = Row(
        owner="agent dev", limit="20 USD/day", unit="USD", per="day", cap=20.0, used=16.5,
        reserved=0, estimated=0.25,
        orphaned=1.0, left=3.5, percent=82, period="2026-11-25",
        resets_at="2026-11-26T00:00:00+00:00",
        unpriced=["local"],
    )  # fmt: skip
    shown, *notes = lines([row], datetime(2026, 11, 25, 19, tzinfo=UTC))
    assert shown.splitlines()[1] == "agent dev  20 USD/day  16.5 USD  82%  3.5 USD  in 5 h"
    assert notes == [
        "? 0.25 USD of agent dev are estimated: the provider did not count them",
        "? 1 USD of agent dev are estimated: the process that made the calls ended",
        "? no price is known of local: budgets in USD do not see what they cost",
    ]


def test_keys_with_limits(run: Run) -> None:
    assert (
        run("keys", "add", "bot", "--budget", "5 USD/day", "--rate", "30 calls/minute").exit_code
        == 0
    )
    (row,) = json.loads(run("keys", "ls", "--json").stdout)
    assert (row["budget"], row["rate"]) == (["5 USD/day"], ["30 calls/minute"])
    assert "5 USD/day, 30 calls/minute" in run("keys", "ls").stdout
    refused = run("keys", "add", "other", "--budget", "5 calls/minute")
    assert refused.exit_code == 1
    assert "This is a rate: write it as `rate = …`." in refused.stderr
    assert [each["name"] for each in json.loads(run("keys", "ls", "--json").stdout)] == ["bot"]


def test_doctor_warns_of_models_that_a_budget_does_not_see(run: Run, config: Path) -> None:
    config.write_text(config.read_text() + 'budget = "20 USD/day"\n')
    findings = json.loads(run("doctor", "--json").stdout)["findings"]
    unseen = [(each["subject"], each["message"]) for each in findings if "price" in each["message"]]
    assert unseen == [
        (
            "local",
            (
                "has no known price, so what it costs is not seen under the budget of agent dev "
                "(20 "
                "USD/day)."
            ),
        )
    ]
