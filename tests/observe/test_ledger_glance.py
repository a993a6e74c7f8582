"""The page's queries: narrowed, bounded, by index, and ended when they take too long."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.observe.ledger_glance import CALLS_MAX, Asked, Glance, Listed, glance, listed
from gateway.observe.ledger_read import Unreadable
from gateway.observe.ledger_schema import COLUMNS, NOT_PLAIN
from gateway.types import Call
from tests.observe.test_ledger import WALL, answered, written


def plain(id_: str, agent: str = "dev") -> Call:
    """A call that the first model answered."""
    made = answered(id_, agent)
    return replace(made, attempts=made.attempts[1:])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(
        tmp_path / "ledger.db",
        plain("1"),
        answered("2"),
        plain("3", "other"),
        answered("4", "other"),
    )


def look(path: Path) -> Glance:
    return glance(path, since_day="2000-01-01", errors_since=WALL - 300)


def find(path: Path, **asked: object) -> Listed:
    return listed(path, Asked(**asked))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({}, {"1", "2", "3", "4"}),
        ({"agent": "dev"}, {"1", "2"}),
        ({"not_plain": True}, {"2", "4"}),
        ({"agent": "other", "not_plain": True}, {"4"}),
        ({"agent": "nobody"}, set()),
    ],
)
def test_calls_are_narrowed(path: Path, asked: dict[str, object], ids: set[str]) -> None:
    found = find(path, **asked)
    assert found.calls is not None
    assert {call["id"] for call in found.calls} == ids


def test_the_list_is_bounded_and_an_opened_call_outside_of_it_is_found(tmp_path: Path) -> None:
    written(tmp_path / "l.db", plain("old"), wall=WALL - 60)
    path = written(tmp_path / "l.db", *[plain(f"req_{number}") for number in range(CALLS_MAX)])
    found = find(path, call="old")
    assert found.calls is not None
    assert len(found.calls) == CALLS_MAX
    assert found.opened is not None
    assert found.opened["id"] == "old"
    assert find(path, call="req_1").opened is None
    assert find(path, call="unknown").opened is None


def test_errors_are_those_of_the_last_minutes(tmp_path: Path) -> None:
    path = written(tmp_path / "ledger.db", plain("fine"))
    with closing(sqlite3.connect(path)) as database, database:
        for status, at in ((502, WALL), (429, WALL), (499, WALL), (502, WALL - 301)):
            columns = ", ".join(COLUMNS)
            values = columns.replace("at,", "?,", 1).replace("status", "?")
            database.execute(
                f"INSERT INTO calls ({columns}) SELECT {values} FROM calls WHERE number = 1",  # noqa: S608
                (at, status),
            )
    assert look(path).errors == 2


def test_first_tokens_are_those_of_answers(path: Path) -> None:
    found = look(path)
    assert found.first_tokens == [("local", "qwen3:32b", 1.0)] * 4
    assert found.daily is not None
    assert sum(row["calls"] for row in found.daily) == 4


@pytest.mark.parametrize(
    "where",
    ["1", "agent = 'dev'", NOT_PLAIN, f"agent = 'dev' AND {NOT_PLAIN}"],
)
def test_no_list_of_calls_needs_a_scan_or_a_sort(path: Path, where: str) -> None:
    query = f"EXPLAIN QUERY PLAN SELECT * FROM calls WHERE {where} ORDER BY at DESC LIMIT 50"  # noqa: S608
    with closing(sqlite3.connect(path)) as database:
        plan = [row[3] for row in database.execute(query)]
    assert all("USING INDEX" in step for step in plan), plan


def test_a_query_that_takes_too_long_leaves_its_part_out(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        columns = ", ".join(COLUMNS)
        database.executescript(
            f"INSERT INTO calls ({columns}) SELECT {columns} FROM calls, (WITH RECURSIVE n(i) AS"  # noqa: S608
            " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i FROM n)"
        )
    seconds = iter(range(10_000))
    clock = lambda: float(next(seconds))  # noqa: E731
    slow = glance(path, since_day="2000-01-01", errors_since=0.0, clock=clock)
    assert slow.first_tokens is None
    assert slow.daily is not None, "a short query ends before its first look at the clock"


def test_a_ledger_without_sums_says_so(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE daily")
    with pytest.raises(Unreadable, match="daily"):
        look(path)
