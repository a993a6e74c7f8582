"""`[cluster]`: what is refused, and that no message repeats a password."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config.check import Flaw
from gateway.config.cluster import cluster_flaws
from gateway.config.load import ConfigError, load

BASE = """
[models.m]
provider = "custom"
model = "m"
baseUrl = "http://127.0.0.1:1/v1"
[agents.dev]
models = ["m"]
"""


def wrong(folder: Path, cluster: str, base: str = BASE) -> list[str]:
    path = folder / "config.toml"
    path.write_text(f"{base}[cluster]\n{cluster}\n")
    try:
        load(path, {}, folder)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "cluster",
    [
        'redis = "unix:///run/redis.sock"',
        'redis = "redis://localhost:6379"',
        'redis = "rediss://gateway@redis.internal:6380"\nname = "blue"\nwhenDown = "closed"',
        'redis = "redis://redis.internal"\ntls = "off"',
        'redis = "redis://redis.internal"\ntls = "off"\nvault = true',
        'name = "blue"',
    ],
)
def test_what_may_be_written(cluster: str, tmp_path: Path) -> None:
    assert wrong(tmp_path, cluster) == []


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ('redis = "redis://redis.internal"', "leads to another host without TLS"),
        ('redis = "redis://gateway:hunter2@localhost"', "gateway credentials set cluster_redis"),
        ('redis = "localhost:6379"', "is not an address of a Redis server"),
        ('redis = "redis+sentinel://one,two"', "names no primary"),
        ('redis = "redis://localhost"\nname = "a b"', "cannot name a group of gateways"),
        ('redis = "redis://localhost"\nwaitMs = 0', "waitMs"),
        ('redis = "redis://localhost"\nwhenDown = "panic"', "whenDown"),
        ('redis = "redis://localhost"\nvault = "yes"', "vault"),
        ("vault = true", "Set [cluster] redis, or remove the line"),
    ],
)
def test_what_is_refused(cluster: str, message: str, tmp_path: Path) -> None:
    (problem,) = wrong(tmp_path, cluster)
    assert message in problem
    assert "hunter2" not in problem


def test_a_sign_in_of_pi_is_refused_with_the_reason(tmp_path: Path) -> None:
    base = BASE.replace('"custom"', '"anthropic"').replace('baseUrl = "http://127.0.0.1:1/v1"', "")
    base = base.replace('model = "m"\n', 'model = "m"\nauthType = "pi_auth"\n')
    assert wrong(tmp_path, "", base) == []
    (problem,) = wrong(tmp_path, 'redis = "redis://localhost"', base)
    assert "models.m.authType" in problem
    assert "each gateway would renew pi's sign-in" in problem


def unencrypted(redis: str) -> list[Flaw]:
    """The flaws of a vault without the package that encrypts."""
    cluster = {"redis": redis, "tls": "off", "vault": True}
    return list(cluster_flaws(cluster, {}, lambda package: package != "cryptography"))


@pytest.mark.parametrize(
    "redis", ["redis://localhost", "unix:///run/redis.sock", "rediss://redis.internal"]
)
def test_a_vault_may_be_unencrypted_where_no_other_host_can_read_it(redis: str) -> None:
    assert unencrypted(redis) == []


def test_a_vault_that_a_network_could_read_is_refused() -> None:
    (flaw,) = unencrypted("redis://redis.internal")
    assert flaw.path == ("cluster", "vault")
    assert "reasoning in plain text to another host" in flaw.message
    assert "local-agent-gateway[vault]" in flaw.cure
    (flaw,) = unencrypted("redis://gateway:hunter2@redis.internal")
    assert flaw.path == ("cluster", "redis"), "the address has to be right first"


def test_nothing_of_redis_is_loaded_without_a_cluster() -> None:
    code = (
        "import sys, gateway.app, gateway.process.run, gateway.cli;"
        "of_extras = ('redis', 'hiredis', 'cryptography');"
        "print([name for name in sys.modules if name.partition('.')[0] in of_extras])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
