"""`requests --all`, `usage --all`, and what `doctor` says of the ledger in PostgreSQL."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.observe.shipping.makers import add, prepared, rows, shipping
from tests.postgres import LOCKED, Server

pytestmark = pytest.mark.anyio


def configure(folder: Path, url: str) -> Path:
    """Where the ledger of this configuration is."""
    path = folder / "ledger.db"
    (folder / "config.toml").write_text(
        f'[ledger]\npath = "{path}"\nurl = "{url}"\n[models.sonnet]\nprovider = "custom"\n'
        'model = "q"\nbaseUrl = "http://127.0.0.1:1/v1"\n'
        "[models.sonnet.price]\ninput = 10.0\noutput = 100.0\n[server]\nport = 1\n"
    )
    return path


async def shipped(path: Path, server: Server, count: int = 30) -> None:
    prepared(path, rows(count, time.time()))
    async with shipping(path, server) as one:
        await one.turn()


async def test_all_gateways(run: Run, tmp_path: Path, postgres: Server) -> None:
    await shipped(configure(tmp_path, postgres.url()), postgres)
    await shipped(tmp_path / "other.db", postgres)
    assert len(json.loads(run("requests", "--limit", "99", "--json").stdout)) == 30
    found = json.loads(run("requests", "--all", "--limit", "99", "--json").stdout)
    assert len(found) == 60
    assert len({call["gateway"] for call in found}) == 2
    timeline = run("requests", "--all", "req_3").stdout
    assert "  by " in timeline
    here = json.loads(run("usage", "--by", "model", "--json").stdout)
    there = json.loads(run("usage", "--all", "--by", "model", "--json").stdout)
    (one,), (both,) = (
        [row for row in found if row["model"] == "sonnet"] for found in (here, there)
    )
    assert both["input"] == 2 * one["input"]
    assert both["cost"] == pytest.approx(2 * one["cost"])
    lines = run("usage", "--all", "--by", "gateway").stdout.splitlines()
    assert lines[4].endswith("have no token count from the provider")
    assert [line.split()[1] for line in lines[1:4]] == ["30", "30", "60"]


def test_without_a_url_there_is_no_shared_ledger(run: Run, config: Path) -> None:
    for command in ("requests", "usage"):
        result = run(command, "--all")
        assert result.exit_code == 1
        assert "set [ledger] url, or leave --all out" in result.output
    assert "needs --all" in run("usage", "--by", "gateway").output


def said(run: Run) -> list[str]:
    findings = json.loads(run("doctor", "--json").stdout)["findings"]
    return [
        f"{row['severity']} {row['subject']}: {row['message']} {row['cure']}".strip()
        for row in findings
        if row["section"] == "ledger"
    ]


async def test_doctor(run: Run, tmp_path: Path, postgres: Server) -> None:
    path = configure(tmp_path, postgres.url())
    server, tables, file = said(run)
    assert server.startswith("ok PostgreSQL: PostgreSQL 1")
    assert tables == "info tables: there are none yet; the first gateway makes them"
    assert file.startswith("info shipping: ")
    await shipped(path, postgres)
    add(path, rows(2, time.time() - 600, seed=9))
    _, tables, file = said(run)
    assert tables.startswith("ok tables: calls_")
    assert tables.endswith("1 gateway shipped calls")
    assert file.startswith("warning shipping: ")
    assert "2 calls wait, the oldest for" in file


async def test_doctor_and_rights(run: Run, tmp_path: Path, postgres: Server) -> None:
    configure(tmp_path, postgres.url(LOCKED))
    postgres.rows(f"DROP ROLE IF EXISTS {LOCKED}")
    postgres.rows(f"CREATE ROLE {LOCKED} LOGIN PASSWORD 'canary-right'")
    assert "gateway credentials set ledger_postgres" in said(run)[0]
    assert run("credentials", "set", "ledger_postgres", input="canary-right").exit_code == 0
    assert "ledger_postgres" in run("credentials", "ls").stdout
    assert "CREATE SCHEMA gateway AUTHORIZATION locked" in said(run)[1]
    await shipped(tmp_path / "other.db", postgres)
    assert "locked does not have USAGE on the schema gateway" in said(run)[1]
    postgres.rows(f"GRANT USAGE ON SCHEMA gateway TO {LOCKED}")
    postgres.rows(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA gateway TO {LOCKED}")
    assert "does not have UPDATE on usage_daily, UPDATE on gateways" in said(run)[1]
    postgres.rows(f"GRANT UPDATE ON ALL TABLES IN SCHEMA gateway TO {LOCKED}")
    assert "cannot make the partition of next month" in said(run)[2]
    assert "canary" not in "".join(said(run))
    postgres.rows(f"DROP OWNED BY {LOCKED}")
