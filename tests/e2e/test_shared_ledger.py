"""A gateway with a ledger in PostgreSQL: what the lab answered is there once, whatever dies."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.e2e.process import LIMIT_S, TERMINATE, Process, ask, gateway
from tests.e2e.slow_lab import KEY, SlowLab
from tests.observe.shipping.makers import shipping
from tests.postgres import Server


@pytest.fixture
def lab(lab: SlowLab) -> SlowLab:
    """Its streams do not stop."""
    lab.open()
    return lab


def configure(folder: Path, lab: SlowLab, server: Server) -> None:
    (folder / "config.toml").write_text(
        '[server]\nport = 0\nworkers = 2\n[agents.dev]\nmodels = ["a"]\n'
        f'[models.a]\nprovider = "openai"\nmodel = "m"\nbaseUrl = "{lab.lab.base_url("openai")}"\n'
        f'[ledger]\npath = "ledger.db"\nurl = "{server.url()}"\n'
    )


def answered(process: Process, calls: int) -> int:
    return sum(ask(process.url).status_code == 200 for _ in range(calls))


def metrics(process: Process) -> str:
    return httpx.get(f"{process.url}/metrics", timeout=LIMIT_S).text


def written(folder: Path) -> int:
    """Calls in the gateway's own file."""
    with closing(sqlite3.connect(folder / "ledger.db")) as database:
        return int(database.execute("SELECT count(*) FROM calls").fetchone()[0])


@pytest.mark.anyio
async def test_the_gateway_and_postgresql_are_killed(
    tmp_path: Path, lab: SlowLab, postgres: Server
) -> None:
    configure(tmp_path, lab, postgres)
    with gateway(tmp_path, env=KEY) as process:
        first = answered(process, 7)
        postgres.kill()
        first += answered(process, 5)
        while written(tmp_path) < first:
            pass
        process.kill(signal.SIGKILL)
        process.popen.wait()
    postgres.start()
    with gateway(tmp_path, env=KEY) as process:
        second = answered(process, 4)
        assert "gateway_ledger_unshipped_rows" in metrics(process)
        process.kill(TERMINATE)
        assert process.wait() == 0
    # on a busy machine, the end of the process may leave some to the next start
    async with shipping(tmp_path / "ledger.db", postgres) as one:
        await one.turn()
    calls = first + second
    assert calls == written(tmp_path) == 16
    sums = postgres.rows("SELECT sum(calls), sum(failed), sum(input) FROM gateway.usage_daily")
    assert sums == [(calls, 0, calls * 12)]
    assert postgres.rows("SELECT count(*), sum(input) FROM gateway.calls") == [(calls, calls * 12)]
