"""What commands say about a model with several accounts."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.e2e.harness import Running
from tests.e2e.test_pools import POOL, pooled, post


def write_config(folder: Path, gateway: Running) -> None:
    url = gateway.lab.base_url("openai")
    (folder / "config.toml").write_text(
        f'[models.gpt]\nprovider = "openai"\nmodel = "gpt-4o"\nbaseUrl = "{url}"\ncredential = '
        f"{POOL}\n"
        '[agents.dev]\nmodels = ["gpt"]\n'
    )


def test_explain_and_status_name_each_account(run: Run, tmp_path: Path) -> None:
    with pooled(tmp_path / "home") as gateway:
        gateway.lab.fault("openai", "rate_limit", "ok")
        post(gateway)
        write_config(tmp_path, gateway)
        explained = json.loads(run("explain", "dev", "--json", GATEWAY_URL=gateway.url).stdout)
        alone = json.loads(run("explain", "gpt", "--json", GATEWAY_URL=gateway.url).stdout)
        status = json.loads(run("status", "--json", GATEWAY_URL=gateway.url).stdout)
        shown = run("explain", "dev", GATEWAY_URL=gateway.url).stdout
    states = [("gpt@a", "open"), ("gpt@b", "closed")]
    assert [(step["model"], step["state"]) for step in explained["chain"]] == states
    assert [(step["model"], step["state"]) for step in alone["chain"]] == states
    chain = status["agents"][0]["chain"]
    assert [(model["model"], model["state"]) for model in chain] == [*states, ("spare", "closed")]
    assert "1. gpt@a" in shown
    assert "2. gpt@b" in shown
    assert "openai_key/b" in shown


def test_a_configuration_counts_a_pool_as_one_model(run: Run, tmp_path: Path) -> None:
    with pooled(tmp_path / "home") as gateway:
        write_config(tmp_path, gateway)
    assert "1 agent, 1 model." in run("config", "check").stdout
    listed = json.loads(run("models", "--json").stdout)
    assert [row["model"] for row in listed] == ["gpt@a", "gpt@b"]
    made = run("keys", "add", "bot", "--agent", "gpt", "--agent", "gtp")
    assert "there is no agent 'gtp' yet. Did you mean 'gpt'?" in made.stderr
    assert "'gpt' yet" not in made.stderr
