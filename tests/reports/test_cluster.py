"""What doctor says of the engine of a cluster, and what the page says of its members."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest

from gateway.cli.status import render
from gateway.config import schema
from gateway.config.audit import Finding
from gateway.config.load import Config, build
from gateway.credentials.store import CLUSTER_PASSWORD, CLUSTER_SECRET, Credentials
from gateway.observe.cluster import ClusterMetrics
from gateway.observe.ledger_glance import Asked
from gateway.page.render import page
from gateway.reports.cluster import examine_cluster
from gateway.reports.overview import overview
from gateway.reports.status import Status
from gateway.shared.redis.health import Group, Health, Member
from gateway.shared.redis.library import RIGHTS, source
from tests.redis_server import RedisServer, needs_redis


def member(name: str, config: str = "aaaa") -> Member:
    return Member(name, "one.internal", 17, "0.2.0", config, 0.4)


def group(*members: Member, up: bool = True, reason: str | None = None) -> Group:
    return Group(up, reason, 0.3, 0.0, list(members))


def attention(found: Group) -> list[tuple[str, str]]:
    status = Status("serving", "0.2.0", 1.0, 0, 0, [], cluster=found)
    items = overview(status, None, {}, Asked(), now=0.0).attention
    return [(item.subject, item.message) for item in items]


def test_an_engine_that_is_away_needs_attention() -> None:
    assert attention(group(up=False, reason="connection refused")) == [
        ("cluster", "the engine is away: connection refused.")
    ]


def test_the_member_with_another_configuration_needs_attention() -> None:
    assert attention(group(member("a"), member("b"))) == []
    found = attention(group(member("a"), member("b"), member("c", "bbbb")))
    assert found == [
        ("one.internal 17", "this member has another configuration (bbbb) than the others.")
    ]


def test_facts_that_cannot_be_read_are_no_reason_to_fail() -> None:
    for facts in ("", "[]", '{"pid": "x", "host": 1}'):
        assert Member.read("a", 1_500_000, facts).silent_s == 1.5


def test_the_metrics_of_a_member() -> None:
    health = Health()
    health.away("refused", 10.0)
    health.met(3, 0.001, -0.2)
    health.up(14.0)
    health.asked("Reserve", "answered", 0.0004)
    health.asked("Admit", "late")
    health.received("open")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in ClusterMetrics(health, lambda: 20.0).collect()
        for sample in family.samples
    }
    assert found["gateway_cluster_up",] == 1
    assert found["gateway_cluster_members",] == 3
    assert found["gateway_cluster_degraded_seconds_total",] == 4.0
    assert found["gateway_cluster_asks_total", "reserve", "answered"] == 1
    assert found["gateway_cluster_asks_total", "admit", "late"] == 1
    assert found["gateway_cluster_news_total", "open"] == 1
    assert found["gateway_cluster_ask_seconds_bucket", "0.0005"] == 1


# --- doctor ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine() -> Iterator[RedisServer]:
    with TemporaryDirectory() as folder:
        found = RedisServer(Path(folder), "--maxmemory", "100mb")
        yield found
        found.stop()


def config(url: str, **more: Any) -> Config:
    model = schema.Model(provider="custom", model="m", base_url="http://127.0.0.1:9/v1")
    agent = schema.Agent(models=["m"], budget="5 USD/day")
    root = schema.Root(models={"m": model}, agents={"dev": agent})
    cluster = schema.Cluster(redis=url, **more)
    return build(msgspec.structs.replace(root, cluster=cluster), None, {}, None, [])


def examined(url: str, home: Path, **more: Any) -> list[Finding]:
    return examine_cluster(config(url, **more), Credentials({}, home))


def test_without_a_cluster_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert examined("", tmp_path) == []


@needs_redis
def test_an_engine_that_is_as_it_should_be(engine: RedisServer, tmp_path: Path) -> None:
    with engine.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
    found = examined(engine.url, tmp_path, wait_ms=1000.0)
    assert {finding.severity for finding in found} == {"ok", "info"}
    assert "appendonly is off" in found[-2].message
    assert found[-1].message == "members: none runs now"


@needs_redis
def test_an_engine_that_forgets_limits_is_found(engine: RedisServer, tmp_path: Path) -> None:
    with engine.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    found = examined(engine.url, tmp_path, wait_ms=1000.0)
    assert [each.message for each in found if each.severity == "warning"] == [
        "maxmemory-policy is allkeys-lru: it may forget limits."
    ]


@needs_redis
def test_the_user_and_its_password(engine: RedisServer, tmp_path: Path) -> None:
    url = engine.url.replace("unix://", "unix://bot@")
    with engine.client() as client:
        rights = ["reset", "on", ">secret", "~{gw:default}:*", "&{gw:default}:*", *RIGHTS.split()]
        client.execute_command("ACL", "SETUSER", "bot", *rights)
        client.function_load(source(), replace=True)
    (found,) = examined(url, tmp_path)
    assert found.severity == "error"
    assert "gateway credentials set cluster_redis" in found.message
    Credentials({}, tmp_path).put(CLUSTER_PASSWORD, "default", "secret")
    messages = [each.message for each in examined(url, tmp_path, wait_ms=1000.0)]
    assert any("settings cannot be read with these rights" in message for message in messages)


def test_an_engine_that_is_not_running(tmp_path: Path) -> None:
    (found,) = examined(f"unix://{tmp_path}/none.sock", tmp_path)
    assert (found.severity, "no such file" in found.message) == ("error", True)


def test_the_vault_needs_the_secret_of_the_cluster(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/none.sock"
    _, found = examined(url, tmp_path, vault=True)
    assert (found.severity, found.message) == (
        "error",
        "vault needs the credential cluster_secret: the gateway will not start.",
    )
    assert "gateway credentials set cluster_secret" in found.cure
    Credentials({}, tmp_path).put(CLUSTER_SECRET, "default", "s" * 32)
    _, found = examined(url, tmp_path, vault=True)
    assert (found.severity, found.message) == ("ok", "the vault's entries are encrypted")


# --- for people -----------------------------------------------------------------------------------


def status_of(found: Group) -> Status:
    return Status("serving", "0.2.0", 1.0, 0, 0, [], cluster=found)


def test_the_command_lists_the_members(capsys: pytest.CaptureFixture[str]) -> None:
    render(status_of(group(member("a"), member("b"), member("c", "bbbb"))))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["MEMBER", "HOST", "PID", "VERSION", "CONFIGURATION", "SILENT"]
    assert [line.split()[0] for line in lines[2:5]] == ["a", "b", "c"]
    assert "others have another" in lines[4]
    render(status_of(group(up=False, reason="connection refused")))
    assert "the engine of the cluster is away: connection refused" in capsys.readouterr().out


def test_the_page_lists_the_members() -> None:
    def shown(found: Group) -> str:
        made = overview(status_of(found), None, {}, Asked(), now=0.0)
        return page(made, "http://127.0.0.1:8484", is_signed_in=False)

    html = shown(group(Member("a", "<one>", 17, "0.2.0", "aaaa", 0.4)))
    assert "Members of the cluster" in html
    assert "&lt;one&gt;" in html
    assert "The engine is away: refused." in shown(group(up=False, reason="refused"))
