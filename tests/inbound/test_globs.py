"""Patterns of aliases: `*` and `?`, everything else is itself, and never more than linear time."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.inbound.globs import Glob

CASES = [
    ("claude-*", "claude-sonnet-5", True),
    ("claude-*", "claude-", True),
    ("claude-*", "claude", False),
    ("claude-*", "a-claude-x", False),
    ("claude-*", "Claude-x", False),
    ("*", "", True),
    ("*", "a\nb", True),
    ("**", "x", True),
    ("*-mini", "gpt-5-mini", True),
    ("*-mini", "-mini", True),
    ("*-mini", "gpt-5-minis", False),
    ("gpt-?", "gpt-5", True),
    ("gpt-?", "gpt-", False),
    ("gpt-?", "gpt-55", False),
    ("gpt-5.?", "gpt-5x5", False),
    ("a*a", "a", False),
    ("a*a", "aa", True),
    ("ab*ba", "aba", False),
    ("*ab*ba*", "xabyba", True),
    ("*ab*ba*", "xaba", False),
    ("a*b?c*d", "a-b-bxc--d", True),
    ("*.+()[]", "x.+()[]", True),
]


@pytest.mark.parametrize(("pattern", "name", "matches"), CASES)
def test_what_a_pattern_matches(pattern: str, name: str, matches: bool) -> None:
    assert Glob(pattern).matches(name) is matches


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=12))
def test_it_agrees_with_the_shell(pattern: str, name: str) -> None:
    assert Glob(pattern).matches(name) is fnmatchcase(name, pattern)


def test_many_stars_against_a_long_name_take_no_time() -> None:
    """A regular expression of this form does not end within the life of the test."""
    pattern = "*a" * 60 + "*b"
    assert not Glob(pattern).matches("a" * 100_000)
