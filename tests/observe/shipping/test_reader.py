"""`--all`: what is read from PostgreSQL is what every gateway's own file says."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from gateway.observe import ledger_read
from gateway.observe.ledger_read import Filters, Record, Unreadable
from gateway.observe.shipping import reader
from gateway.observe.shipping.reader import Place
from tests.observe.shipping.makers import WALL, prepared, rows, shipping
from tests.postgres import Server

pytestmark = pytest.mark.anyio
TOTALS = ("calls", "failed", "uncounted", "input", "output", "cache_read", "cost")


@pytest.fixture
async def paths(tmp_path: Path, postgres: Server) -> list[Path]:
    """Two ledgers, of two days each, that were shipped."""
    made = [
        prepared(tmp_path / f"{seed}.db", rows(120, WALL - seed, seed, every_s=1_000))
        for seed in (1, 2)
    ]
    for each in made:
        async with shipping(each, postgres) as one:
            await one.turn()
    return made


def totals(records: list[Record]) -> dict[str, list[float]]:
    """By group."""
    found: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(TOTALS))
    for record in records:
        sums = found[record["group"]]
        for number, name in enumerate(TOTALS):
            sums[number] += record[name] or 0
    return {group: [round(each, 6) for each in sums] for group, sums in found.items()}


SELECTED = {
    "all": Filters(),
    "part of a day": Filters(since=WALL - 50_000),
    "an hour": Filters(since=WALL - 3_600, agent="dev"),
    "a day": Filters(since=WALL - WALL % 86_400, model="sonnet"),
}


async def test_usage_is_that_of_the_files(paths: list[Path], postgres: Server) -> None:
    for name, filters in SELECTED.items():
        for by in ("agent", "model", "client"):
            there = reader.usage(Place(postgres.url(), None), by, filters)
            assert there
            here = [row for path in paths for row in ledger_read.usage(path, by, filters)]
            assert totals(there) == totals(here), (name, by)


async def test_usage_by_day_and_gateway(paths: list[Path], postgres: Server) -> None:
    place = Place(postgres.url(), None)
    by_day = totals(reader.usage(place, "day", Filters()))
    assert sorted(by_day) == ["2027-01-13", "2027-01-14", "2027-01-15"]
    by_gateway = totals(reader.usage(place, "gateway", Filters()))
    assert [sums[0] for sums in by_gateway.values()] == [120, 120]


async def test_calls_of_all_newest_first(paths: list[Path], postgres: Server) -> None:
    place = Place(postgres.url(), None)
    there = reader.calls(place, Filters(failed=True), 1_000)
    failed = Filters(failed=True)
    here = [call for path in paths for call in ledger_read.calls(path, failed, 1_000)]

    def times(found: list[Record]) -> list[float]:
        return [round(each["at"], 5) for each in found]

    assert times(there) == sorted(times(here), reverse=True)
    assert len({call["gateway"] for call in there}) == 2
    one = reader.call(place, "req_1")
    assert one is not None
    assert one["attempts"][0]["message"] == '\0 "x"'
    assert reader.call(place, "req%") is None


async def test_the_index_finds_calls(paths: list[Path], postgres: Server) -> None:
    plan: list[Any] = postgres.rows(
        "EXPLAIN SELECT * FROM gateway.calls WHERE id LIKE 'req_1%%' ORDER BY at DESC LIMIT 1"
    )
    assert "Index" in str(plan)


async def test_a_server_that_is_away_is_an_error_with_its_reason() -> None:
    with pytest.raises(Unreadable, match=r"cannot be read: .*No such file"):
        reader.calls(Place("postgresql://x@/y?host=/nowhere", "secret"), Filters(), 1)
    assert "secret" not in repr(Place("", "secret"))
