"""The number of function calls per request, which may fall and may not grow.

A failure prints each file's count beside the recorded one. A change that has to cost calls raises
`census/ceilings.json` by hand, with the reason in its commit; `python -m benchmarks.census --write`
records lower counts.
"""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.shared.redis.cluster import Cluster, Settings, cluster
from gateway.shared.redis.session import Place
from gateway.text.engine_urls import parse
from tests.census.cases import CASES, in_a_cluster
from tests.census.ceilings import lowered, read
from tests.census.counting import counted
from tests.census.report import grown, table
from tests.makers import Clock


@pytest.mark.parametrize("case", CASES)
def test_a_request_makes_no_more_calls_than_recorded(case: str) -> None:
    census, recorded = CASES[case](), read()[case]
    now = census.by_file()
    files = "\n".join(grown(now, recorded))
    assert now.total() <= sum(recorded.values()), f"\n{files}\n\n{table(case, census, recorded)}"


def test_the_table_has_the_cases_and_no_other() -> None:
    assert set(read()) == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_a_count_is_the_same_each_time(case: str) -> None:
    assert CASES[case]().by_file() == CASES[case]().by_file()


def test_an_ordinary_call_costs_the_same_in_a_cluster() -> None:
    def member(clock: Clock) -> Cluster:
        place = Place(parse("unix:///none"), "tests", "m", lambda: None)
        return cluster(place, Settings(), host="h", clock=clock, wall=clock)

    case = "a small JSON call, chat to chat"
    ordinary = CASES[case]().by_file()
    found = in_a_cluster(member).by_file()
    assert found.total() == ordinary.total(), found - ordinary


def test_a_comprehension_and_a_call_outside_the_gateway_are_not_counted() -> None:
    with counted() as census:
        assert [each for each in (1, 2)] == list(range(1, 3))  # noqa: C416 -- the subject
    assert census.by_file() == Counter()


def test_only_lower_counts_are_recorded() -> None:
    recorded = {"same": {"a.py": 3}, "lower": {"a.py": 3}, "higher": {"a.py": 3}}
    counts = {"same": {"b.py": 3}, "lower": {"a.py": 2}, "higher": {"a.py": 4}, "new": {"a.py": 1}}
    expected = {
        "same": {"a.py": 3},
        "lower": {"a.py": 2},
        "higher": {"a.py": 3},
        "new": {"a.py": 1},
    }
    assert lowered(recorded, counts) == expected


def test_the_files_that_grew_are_named() -> None:
    assert grown({"a.py": 5, "b.py": 2, "c.py": 1}, {"a.py": 3, "b.py": 2}) == [
        "a.py: 3 -> 5",
        "c.py: 0 -> 1",
    ]
