"""`gateway explain`."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from tests.cli.conftest import Run
from tests.e2e.harness import Running, running

NO_GATEWAY = {"GATEWAY_URL": "http://127.0.0.1:1"}
REQUEST = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "seed": 7, "max_tokens": 9})


def test_the_order_and_the_reasons(run: Run, config: Path) -> None:
    out = run("explain", "dev", **NO_GATEWAY).stdout
    assert "no gateway is running" in out
    assert "1. sonnet  anthropic claude-sonnet-5  https://api.anthropic.com" in out
    assert "would fail: no key for sonnet" in out
    assert "2. local  custom qwen3:32b" in out


def test_how_long_a_conversation_stays_with_its_fallback(run: Run, config: Path) -> None:
    default = run("explain", "dev", **NO_GATEWAY).stdout
    assert "stays with it for 5 min" in default
    assert "fallback.stickySeconds" in default
    assert "stays" not in run("explain", "local", **NO_GATEWAY).stdout, "it has no fallback"
    config.write_text(config.read_text() + "[fallback]\nstickySeconds = 0\n")
    assert "stays" not in run("explain", "dev", **NO_GATEWAY).stdout
    assert json.loads(run("explain", "dev", "--json", **NO_GATEWAY).stdout)["sticky_s"] == 0


def test_what_each_model_would_be_sent(run: Run, config: Path) -> None:
    found = json.loads(run("explain", "dev", "-", "--json", input=REQUEST, **NO_GATEWAY).stdout)
    sonnet, local = found["chain"]
    assert (sonnet["dialect"], sonnet["path"], sonnet["dropped"]) == (
        "anthropic",
        "/v1/messages",
        ["seed"],
    )
    assert sonnet["request"]["max_tokens"] == 9
    assert local["request"]["seed"] == 7
    assert "POST https://api.anthropic.com/v1/messages (anthropic, dropped: seed)" in run(
        "explain", "dev", "-", input=REQUEST, **NO_GATEWAY
    ).stdout  # fmt: skip


def test_a_named_model_can_be_explained(run: Run, config: Path) -> None:
    shown = run("explain", "local", **NO_GATEWAY).stdout
    assert "1. local" in shown
    assert "tried first; no key needed" in shown


def test_wrong_usage(run: Run, config: Path) -> None:
    unknown = run("explain", "dew", **NO_GATEWAY)
    assert (unknown.exit_code, "'dev'" in unknown.stderr) == (2, True)
    broken = run("explain", "dev", "-", input="{", **NO_GATEWAY)
    assert (broken.exit_code, "the request" in broken.stderr) == (1, True)


def test_a_rate_limit_of_the_whole_chain_has_an_exit_code(run: Run, tmp_path: Path) -> None:
    with running(tmp_path, "openai>custom", "custom") as gateway:
        write_config(tmp_path, gateway)
        env = {"GATEWAY_URL": gateway.url, "OPENAI_API_KEY": "x"}
        gateway.lab.fault("openai", "rate_limit")
        post(gateway, "openai>custom")
        one_left = run("explain", "dev", **env)
        gateway.lab.fault("custom", "rate_limit")
        post(gateway, "custom")
        none_left = run("explain", "dev", "--json", **env)
    assert (one_left.exit_code, "skipped for" in one_left.stdout) == (0, True)
    assert (none_left.exit_code, json.loads(none_left.stdout)["chain"][1]["kind"]) == (
        12,
        "rate_limit",
    )


def test_a_missing_key_has_an_exit_code(run: Run, config: Path) -> None:
    assert run("explain", "dev", **NO_GATEWAY).exit_code == 10
    assert run("explain", "dev", ANTHROPIC_API_KEY="sk-ant-x", **NO_GATEWAY).exit_code == 0
    assert run("explain", "local", **NO_GATEWAY).exit_code == 0


def test_the_keys_are_those_of_the_running_gateway(run: Run, tmp_path: Path) -> None:
    with running(tmp_path, "openai>custom", "custom") as gateway:
        write_config(tmp_path, gateway)
        theirs = run("explain", "dev", GATEWAY_URL=gateway.url)
        assert "key from the running gateway's own files or environment" in theirs.stdout
        assert theirs.exit_code == 0
        theirs_is_empty = gateway.app.credentials.store / "openai_key/default/token"
        theirs_is_empty.parent.mkdir(mode=0o700, parents=True)
        theirs_is_empty.touch(0o600)
        gateway.app.credentials.look_again()
        ours = {"OPENAI_API_KEY": "x", "AL_CREDENTIALS_DIR": str(tmp_path / "ours")}
        missing = run("explain", "dev", GATEWAY_URL=gateway.url, **ours)
        assert "the running gateway has no key for openai" in " ".join(missing.stdout.split())
        assert missing.exit_code == 10


def write_config(folder: Path, gateway: Running) -> None:
    """An agent `dev` whose models have the names of those in the running gateway."""
    models = "".join(
        f'[models.{name}]\nprovider = "{name}"\nmodel = "m"\nbaseUrl = '
        f'"{gateway.lab.base_url(name)}"\n'
        for name in ("openai", "custom")
    )
    (folder / "config.toml").write_text(models + '[agents.dev]\nmodels = ["openai", "custom"]\n')


def post(gateway: Running, agent: str) -> None:
    body = {"model": agent, "messages": [{"role": "user", "content": "Hi"}]}
    httpx.post(f"{gateway.url}/v1/chat/completions", json=body)


def test_an_embeddings_request(run: Run, config: Path) -> None:
    config.write_text(
        config.read_text()
        + '[models.small]\nprovider = "openai"\nmodel = "text-embedding-3-small"\nspace = "small"\n'
        + '[models.router]\nprovider = "openrouter"\nmodel = "openai/small"\nspace = "small"\n'
        + '[models.other]\nprovider = "google"\nmodel = "gemini-embedding-001"\n'
        + '[agents.index]\nmodels = ["small", "router", "other", "sonnet"]\n'
    )
    request = json.dumps({"input": ["a"] * 300, "dimensions": 8})
    found = json.loads(run("explain", "index", "-", "--json", input=request, **NO_GATEWAY).stdout)
    small, router, other, sonnet = found["chain"]
    assert small["path"] == router["path"] == "/embeddings"
    assert (len(small["request"]["input"]), len(router["request"]["input"])) == (300, 256)
    assert other["refused"] == "its vectors are of another space (gemini-embedding-001@default)"
    assert sonnet["request"] is None
    assert "would be skipped" in run("explain", "index", "-", input=request, **NO_GATEWAY).stdout
    broken = run("explain", "index", "-", input='{"input": []}', **NO_GATEWAY)
    assert (broken.exit_code, "input" in broken.stderr) == (1, True)
    chat = run("explain", "small", "-", "--json", input=REQUEST, **NO_GATEWAY)
    assert json.loads(chat.stdout)["chain"][0]["path"] == "/chat/completions"
