"""The waits between rounds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chain import WAIT_MIN_S, Backoff

WHOLE, HALF, NOTHING = (lambda: 1.0), (lambda: 0.5), (lambda: 0.0)


def test_it_doubles_up_to_its_ceiling() -> None:
    assert [Backoff().delay_s(waits, WHOLE) for waits in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_jitter_is_full() -> None:
    assert Backoff().delay_s(3, HALF) == 4
    assert Backoff().delay_s(3, NOTHING) == WAIT_MIN_S


@pytest.mark.parametrize("waits", [100, 1_000, 10_000])
def test_it_stays_at_its_ceiling_forever(waits: int) -> None:
    assert Backoff().delay_s(waits, WHOLE) == 30


@given(
    st.floats(0.001, 1e6),
    st.floats(0.001, 1e6),
    st.integers(0, 5_000),
    st.floats(0, 1, exclude_max=True),
)
def test_a_wait_is_between_its_bounds(
    first_s: float, max_s: float, waits: int, drawn: float
) -> None:
    backoff = Backoff(first_s, max_s)
    delay_s = backoff.delay_s(waits, lambda: drawn)
    assert WAIT_MIN_S <= delay_s <= max(max_s, WAIT_MIN_S)


def test_ceilings_never_fall() -> None:
    ceilings = [Backoff(0.1, 7.0).delay_s(waits, WHOLE) for waits in range(20)]
    assert all(first <= second for first, second in pairwise(ceilings))
