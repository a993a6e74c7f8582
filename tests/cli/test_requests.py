"""`gateway requests` and `gateway usage`."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path

import pytest

from gateway.observe.ledger import Ledger
from tests.cli.conftest import Run
from tests.observe.test_ledger import answered


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger with two calls, where the configuration below looks for it."""
    path = tmp_path / "ledger.db"
    writer = Ledger(path, 90, time.time)
    writer.start()
    writer.record(answered("req_aaa"), 200, 2.0)
    writer.record(answered("req_bbb", agent="other"), 502, 2.0)
    writer.close()
    (tmp_path / "config.toml").write_text(
        f'[ledger]\npath = "{path}"\n[models.local]\nprovider = "custom"\nmodel = "q"\nbaseUrl = "http://127.0.0.1:1/v1"\n'
        "[models.local.price]\ninput = 10.0\noutput = 100.0\n"
    )
    return path


def test_the_last_calls(run: Run, ledger: Path) -> None:
    lines = run("requests").stdout.splitlines()
    assert lines[0].split() == ["TIME", "AGENT", "MODEL", "STATUS", "TOOK", "TOKENS", "ID"]
    assert lines[1].split()[1:] == ["other", "local", "502", "2.0", "s", "100+20", "req_bbb"]
    assert all(len(line) <= 80 for line in lines)
    assert len(run("requests", "--failed").stdout.splitlines()) == 2
    assert run("requests", "--since", "1s", "--agent", "nobody").stdout == "No such calls.\n"
    assert json.loads(run("requests", "--json", "--limit", "1").stdout)[0]["id"] == "req_bbb"
    assert [row["id"] for row in csv.DictReader(io.StringIO(run("requests", "--csv").stdout))] == [
        "req_bbb",
        "req_aaa",
    ]


def test_one_call(run: Run, ledger: Path) -> None:
    out = run("requests", "req_a").stdout
    assert "req_aaa" in out
    assert "429 rate_limit  cooling down 7 s" in out
    assert "ok  first content 1.000" in out
    assert "dropped: seed" in out
    assert run("requests", "nothing").exit_code == 1


def test_usage_with_money(run: Run, ledger: Path) -> None:
    lines = run("usage").stdout.splitlines()
    assert lines[0].split() == ["AGENT", "CALLS", "FAILED", "INPUT", "CACHED", "OUTPUT", "COST"]
    assert lines[1].split() == ["dev", "1", "0", "100", "40", "20", "$0.0030"]
    assert lines[3].split() == ["all", "2", "1", "200", "80", "40", "$0.0060"]
    assert json.loads(run("usage", "--by", "day", "--json").stdout)[0]["calls"] == 2


def test_an_unknown_price_is_a_question_mark(run: Run, ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'[ledger]\npath = "{ledger}"\n')
    out = run("usage", "--by", "model").stdout
    assert out.splitlines()[1].split()[-1] == "?"
    assert "is not known" in out
    (row,) = json.loads(run("usage", "--by", "model", "--json").stdout)
    assert (row["cost"], row["unpriced"]) == (None, 2)
    assert (
        next(csv.DictReader(io.StringIO(run("usage", "--by", "model", "--csv").stdout)))["cost"]
        == ""
    )


def test_an_answer_without_a_token_count_is_not_free(run: Run, ledger: Path) -> None:
    writer = Ledger(ledger, 90, time.time)
    writer.start()
    call = answered("req_ccc", agent="vague")
    call.attempts[-1].usage = None
    writer.record(call, 200, 2.0)
    writer.close()
    lines = run("usage").stdout.splitlines()
    assert next(line for line in lines if line.startswith("vague")).split()[-1] == "?"
    assert lines[-2].split()[-2:] == ["$0.0060", "?"]
    assert lines[-1] == "? 1 answer has no token count from the provider"


def test_wrong_usage(run: Run, ledger: Path) -> None:
    assert "write 90m, 2h or 7d" in run("requests", "--since", "yesterday").stderr
    ledger.unlink()
    none = run("usage")
    assert (none.exit_code, "no ledger yet" in none.stderr) == (1, True)
