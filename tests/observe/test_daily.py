"""Sums per day: the same as adding up the calls, whatever wrote them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot

from gateway.observe.daily import SIZES, SUMS
from gateway.observe.ledger import Ledger
from gateway.observe.prices import LIBRARY_NAMES, LONG_CONTEXT
from gateway.providers import PROVIDERS
from gateway.types import Call, Usage
from tests.observe.test_ledger import WALL, answered, version_1, written

DAY = 86_400
OURS = {LIBRARY_NAMES.get(name, name) for name in PROVIDERS}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


def rows(path: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM daily ORDER BY day, agent")]


def with_usage(id_: str, usage: Usage) -> Call:
    made = answered(id_)
    made.attempts[-1].usage = usage
    return made


def test_a_day_holds_the_sum_of_its_calls(path: Path) -> None:
    written(path, answered("a"), answered("b"), replace(answered("c"), attempts=[]))
    unanswered, served = sorted(rows(path), key=lambda row: row["model"])
    assert {name: served[name] for name in SUMS} == {
        "calls": 2, "failed": 0, "fell_back": 2, "uncounted": 0, "input": 200, "output": 40,
        "cache_read": 80, "cache_write": 0, "reasoning": 0, "cache_write_1h": 0,
    }  # fmt: skip
    assert (served["agent"], served["model"], served["provider"]) == ("dev", "local", "custom")
    assert (unanswered["model"], unanswered["calls"], unanswered["input"]) == ("", 1, 0)


def test_later_batches_add_to_it(path: Path) -> None:
    for number in range(3):
        written(path, answered(f"req_{number}"))
    assert [row["calls"] for row in rows(path)] == [3]


def test_days_and_agents_have_rows_of_their_own(path: Path) -> None:
    written(path, answered("a"), answered("b", agent="other"))
    written(path, answered("c"), wall=WALL + DAY)
    assert [(row["agent"], row["calls"]) for row in rows(path)] == [
        ("dev", 1),
        ("other", 1),
        ("dev", 1),
    ]
    assert len({row["day"] for row in rows(path)}) == 2


def test_long_prompts_and_stated_costs_are_kept_apart(path: Path) -> None:
    short, long = Usage(input=LONG_CONTEXT - 1), Usage(input=LONG_CONTEXT * 2)
    stated = Usage(input=5, cost=0.25)
    calls = [
        with_usage(f"{number}", usage)
        for number, usage in enumerate((short, long, long, stated, stated))
    ]
    written(path, *calls)
    found = {(row["size"], row["stated"]): (row["calls"], row["cost"]) for row in rows(path)}
    assert found == {(1, 0): (1, 0.0), (3, 0): (2, 0.0), (0, 1): (2, 0.5)}


def test_a_size_class_has_one_price() -> None:
    """Also in the library's next version."""
    prices = [
        model.prices
        for provider in get_snapshot().providers
        if provider.id in OURS
        for model in provider.models
    ]
    each = [getattr(price, "prices", price) for listed in prices for price in _listed(listed)]
    tiered = [value for price in each for value in vars(price).values() if hasattr(value, "tiers")]
    starts = {tier.start for value in tiered for tier in value.tiers}
    assert starts
    assert {start for start in starts if start not in SIZES and start + 1 not in SIZES} == set()


def _listed(prices: Any) -> list[Any]:
    return prices if isinstance(prices, list) else [prices]


def test_old_days_are_removed_with_their_calls(path: Path) -> None:
    written(path, answered("old"))
    written(path, answered("new"), retention_days=30, wall=WALL + 31 * DAY)
    assert [row["calls"] for row in rows(path)] == [1]


def of_version_2(path: Path) -> None:
    """As the version before this one left it."""
    written(path, answered("a"), answered("b"))
    with closing(sqlite3.connect(path)) as database:
        for name in ("calls_agent", "calls_not_plain", "calls_agent_not_plain"):
            database.execute(f"DROP INDEX {name}")
        database.execute("ALTER TABLE calls DROP COLUMN tries")
        database.execute("DROP TABLE daily")
        database.execute("PRAGMA user_version = 2")


@pytest.mark.parametrize(("older", "calls"), [(version_1, 1), (of_version_2, 2)])
def test_an_older_ledger_is_added_up_once(
    path: Path, older: Callable[[Path], Any], calls: int
) -> None:
    older(path)
    written(path, answered("new"))
    written(path, answered("newer"))
    assert sum(row["calls"] for row in rows(path)) == calls + 2
    with closing(sqlite3.connect(path)) as database:
        tries = [tried for (tried,) in database.execute("SELECT tries FROM calls ORDER BY rowid")]
    assert tries == [0 if calls == 1 else 2] * calls + [2, 2]


def test_processes_that_upgrade_together_add_up_once(path: Path) -> None:
    of_version_2(path)
    ledgers = [Ledger(path, 90, lambda: WALL) for _ in range(4)]
    for ledger in ledgers:
        ledger.start()
    for ledger in ledgers:
        ledger.record(answered(), 200, 2.0)
    for ledger in ledgers:
        ledger.close()
    assert sum(row["calls"] for row in rows(path)) == 6
