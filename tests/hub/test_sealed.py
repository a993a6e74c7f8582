"""Sealed text: what was sealed comes back, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.hub.sealed import CHARS_MAX, PREFIX, is_sealed, seal, unseal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_every_json_value_comes_back(value: Any) -> None:
    assert is_sealed(seal(value))
    assert unseal(seal(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        PREFIX,
        PREFIX + "!!!",
        PREFIX + "bm8ganNvbg==",
        PREFIX + "é",
        seal({"a": 1})[:-3],
        seal({"a": 1}) + "\n",
        "EqQBCgIYAhIM1gbcDa9GJwZA2b3h",
        None,
        7,
        ["lag1."],
    ],
)
def test_other_text_does_not_unseal(text: Any) -> None:
    assert unseal(text) is None


@pytest.mark.parametrize("value", [2**70, {1, 2}, object(), "x" * CHARS_MAX, "\ud800"])
def test_a_value_that_cannot_be_sealed_gives_no_text(value: Any) -> None:
    assert seal(value) == ""


def test_a_text_beyond_the_limit_is_not_read() -> None:
    assert unseal(PREFIX + "A" * CHARS_MAX) is None
