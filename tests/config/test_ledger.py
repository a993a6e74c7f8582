"""`[ledger] url`: every mistake has its cure, and no message repeats what may be a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.ledger import ledger_flaws
from gateway.config.load import Config, ConfigError, load
from gateway.text.database_url import parse

HEAD = '[models.sonnet]\nprovider = "anthropic"\nmodel = "claude-sonnet-5"\n'
CANARY = "canaryCanary"


def loaded(folder: Path, url: str, more: str = "") -> Config:
    path = folder / "config.toml"
    path.write_text(f'{HEAD}[ledger]\nurl = "{url}"\n{more}')
    return load(path, {}, folder)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://gateway@db.internal/gateway?sslmode=verify-full",
        "postgres://gateway@db:5433,db2/gateway?sslmode=verify-full&sslrootcert=system",
        "postgresql://gateway@localhost/gateway",
        "postgresql://gateway@127.0.0.1:5433/gateway",
        "postgresql://[::1]:5432/gateway",
        "postgresql:///gateway?host=/run/postgresql",
        "postgresql://%2Frun%2Fpostgresql/gateway",
        "postgresql:///gateway",
    ],
)
def test_valid_settings(tmp_path: Path, url: str) -> None:
    config = loaded(tmp_path, url)
    assert config.ledger.url == url
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            f"postgresql://gateway:{CANARY}@db/gateway?sslmode=verify-full",
            "ledger.url: has a password in it. Store it with `gateway credentials set",
        ),
        (f"postgresql://db/gateway?sslmode=disable&password={CANARY}", "has a password in it"),
        (f"postgresql://a:b@{CANARY}@db/x", "has a password in it"),
        (f"mysql://gateway:{CANARY}@db/x", 'Write "postgresql://ROLE@HOST/DATABASE"'),
        (f"host=db password={CANARY}", "is not an address of PostgreSQL"),
        ("postgresql://gateway@db.internal/gateway", "another host without TLS that is verified"),
        ("postgresql://localhost,db.internal/gateway", "Add ?sslmode=verify-full; or state"),
        ("postgresql:///x?host=localhost&hostaddr=10.0.0.8", "another host without TLS"),
        ("postgresql://db/x?sslmode=full", "Write one of disable, allow, prefer, require"),
        ("postgresql:///x?service=ledger", "Write the host itself"),
    ],
)
def test_invalid_settings(tmp_path: Path, url: str, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, url)
    assert words in str(raised.value)
    assert f"{tmp_path / 'config.toml'}:5: ledger.url:" in str(raised.value)
    assert CANARY not in str(raised.value)


def test_a_network_that_is_trusted_is_a_warning(tmp_path: Path) -> None:
    [warning] = loaded(tmp_path, "postgresql://db/x?sslmode=require").warnings
    assert "sslmode=require" in warning.message


def test_a_ledger_that_is_not_kept_ships_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the ledger is not enabled"):
        loaded(tmp_path, "postgresql:///x", "enabled = false\n")


def test_without_the_extra_the_cure_is_named() -> None:
    [flaw] = ledger_flaws({"url": "postgresql:///x"}, lambda name: None)
    assert flaw.severity == "error"
    assert "pip install 'local-agent-gateway[postgres]'" in flaw.cure


def test_hosts_of_a_url() -> None:
    assert parse("postgresql://u@a:1,[::1]:2,b/x").hosts == ("a", "::1", "b")
    assert parse("postgresql:///x?host=/a,/b").hosts == ("/a", "/b")
