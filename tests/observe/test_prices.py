"""What tokens cost, and that an unknown price is not zero."""

from __future__ import annotations

import pytest

from gateway.observe.prices import cost

COUNTS = {"input": 1_000_000, "output": 100_000, "cache_read": 400_000, "cache_write": 0}
AT = 1_795_000_000.0


def test_the_users_own_price() -> None:
    assert cost("custom", "m", COUNTS, AT, {"input": 1.0, "output": 10.0}) == pytest.approx(2.0)
    assert cost("custom", "m", COUNTS, AT, {"input": 1.0, "output": 10.0, "cache_read": 0.1}) == pytest.approx(1.64)


@pytest.mark.parametrize(
    ("provider", "id_"), [("anthropic", "claude-sonnet-4-5"), ("xai", "grok-4"), ("openai", "gpt-4o")]
)
def test_the_librarys(provider: str, id_: str) -> None:
    cached, fresh = cost(provider, id_, COUNTS, AT), cost(provider, id_, {**COUNTS, "cache_read": 0}, AT)
    assert cached is not None
    assert fresh is not None
    assert 0 < cached < fresh


def test_a_sum_of_short_prompts_is_not_taken_for_a_long_one() -> None:
    one = {"input": 50_000, "output": 1_000, "cache_read": 20_000, "cache_write": 0}
    many = {key: count * 40 for key, count in one.items()}
    single = cost("anthropic", "claude-sonnet-4-5", one, AT)
    assert single is not None
    assert cost("anthropic", "claude-sonnet-4-5", many, AT, calls=40) == pytest.approx(40 * single, rel=1e-3)
    long = cost("anthropic", "claude-sonnet-4-5", {**many, "input": 300_000, "cache_read": 0}, AT)
    assert long is not None
    assert long > 300_000 * 3.0 / 1e6  # one call, at the long prompt's price


def test_unknown_is_not_zero() -> None:
    assert cost("custom", "qwen3:32b-private", COUNTS, AT) is None
