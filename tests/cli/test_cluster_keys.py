"""`gateway keys --cluster`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.redis_server import RedisServer, needs_redis, running

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def engine() -> Iterator[RedisServer]:
    with running() as found:
        yield found


def cluster(config: Path, url: str) -> None:
    config.write_text(f'{config.read_text()}[cluster]\nredis = "{url}"\n')


def test_without_a_cluster_there_is_nothing_to_share(run: Run, config: Path) -> None:
    result = run("keys", "add", "ci", "--cluster")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "set [cluster] redis" in result.stderr


def test_without_a_secret_nothing_is_signed(run: Run, config: Path, tmp_path: Path) -> None:
    cluster(config, f"unix://{tmp_path}/none.sock")
    result = run("keys", "add", "ci", "--cluster")
    assert (result.exit_code, "gateway credentials set cluster_secret" in result.stderr) == (
        1,
        True,
    )
    assert "No client keys" in run("keys", "ls").stdout


@needs_redis
def test_a_key_is_given_to_the_engine_and_revoked_there(
    run: Run, config: Path, engine: RedisServer
) -> None:
    cluster(config, engine.url)
    run("credentials", "set", "cluster_secret", input=SECRET)
    limit = ("--budget", "5 USD/day whenDown=closed")
    result = run("keys", "add", "ci", "--cluster", *limit)
    assert (result.exit_code, "warning" in result.stderr) == (0, False)
    with engine.client() as client:
        (before,) = client.hvals("{gw:default}:keys")
        assert SECRET.encode() not in before
        assert result.stdout.strip().encode() not in before
        assert run("keys", "rm", "ci").exit_code == 0
        (after,) = client.hvals("{gw:default}:keys")
    assert (b'"name":"ci"' in before, b'"entry":null' in after) == (True, True)


def test_while_the_engine_is_away_the_change_holds_here(
    run: Run, config: Path, tmp_path: Path
) -> None:
    cluster(config, f"unix://{tmp_path}/none.sock")
    run("credentials", "set", "cluster_secret", input=SECRET)
    for words in (("add", "ci", "--cluster"), ("rm", "ci")):
        result = run("keys", *words)
        assert (result.exit_code, "delivers the change" in result.stderr) == (0, True)
    assert "no client may call" in run("keys", "ls").stdout
