"""What tokens cost, and that an unknown price is not zero."""

from __future__ import annotations

import pytest

from gateway.observe.prices import cost

COUNTS = {"input": 1_000_000, "output": 100_000, "cache_read": 400_000, "cache_write": 0}
AT = 1_795_000_000.0


def test_the_users_own_price() -> None:
    assert cost("custom", "m", COUNTS, AT, {"input": 1.0, "output": 10.0}) == pytest.approx(2.0)
    assert cost(
        "custom", "m", COUNTS, AT, {"input": 1.0, "output": 10.0, "cache_read": 0.1}
    ) == pytest.approx(1.64)


@pytest.mark.parametrize(
    ("provider", "id_"),
    [("anthropic", "claude-sonnet-4-5"), ("xai", "grok-4"), ("openai", "gpt-4o")],
)
def test_the_librarys(provider: str, id_: str) -> None:
    cached, fresh = (
        cost(provider, id_, COUNTS, AT),
        cost(provider, id_, {**COUNTS, "cache_read": 0}, AT),
    )
    assert cached is not None
    assert fresh is not None
    assert 0 < cached < fresh


def test_a_sum_of_short_prompts_is_not_taken_for_a_long_one() -> None:
    one = {"input": 50_000, "output": 1_000, "cache_read": 20_000, "cache_write": 0}
    many = {key: count * 40 for key, count in one.items()}
    single = cost("anthropic", "claude-sonnet-4-5", one, AT)
    assert single is not None
    assert cost("anthropic", "claude-sonnet-4-5", many, AT, calls=40) == pytest.approx(
        40 * single, rel=1e-3
    )
    long = cost("anthropic", "claude-sonnet-4-5", {**many, "input": 300_000, "cache_read": 0}, AT)
    assert long is not None
    assert long > 300_000 * 3.0 / 1e6  # one call, at the long prompt's price


def test_unknown_is_not_zero() -> None:
    assert cost("custom", "qwen3:32b-private", COUNTS, AT) is None


HOUR = {
    "input": 100_000,
    "output": 0,
    "cache_read": 0,
    "cache_write": 100_000,
    "cache_write_1h": 100_000,
}


@pytest.mark.parametrize(
    ("provider", "id_", "price"),
    [
        ("anthropic", "claude-sonnet-4-5", 3.0),
        ("anthropic", "claude-sonnet-5", 2.0),
        ("openrouter", "anthropic/claude-sonnet-5", 2.0),
    ],
)
@pytest.mark.parametrize(
    ("share", "factor"), [(1.0, 2.0), (0.0, 1.25), (0.4, 0.4 * 2.0 + 0.6 * 1.25)]
)
def test_a_write_for_an_hour_costs_twice_the_input(
    provider: str, id_: str, price: float, share: float, factor: float
) -> None:
    counts = {**HOUR, "cache_write_1h": int(100_000 * share)}
    assert cost(provider, id_, counts, AT) == pytest.approx(factor * price / 10)


def test_the_users_own_price_of_writes() -> None:
    counts = {**HOUR, "input": 200_000, "cache_write_1h": 40_000}
    own = {"input": 1.0, "output": 0.0, "cache_write": 1.5}
    assert cost("custom", "m", counts, AT, own) == pytest.approx(0.1 + 0.09 + 0.08)
    assert cost("custom", "m", counts, AT, {**own, "cache_write_hour": 3.0}) == pytest.approx(
        0.1 + 0.09 + 0.12
    )


def test_which_price_wins() -> None:
    """The user's own, else what the provider states, else the library's."""
    stated = {**COUNTS, "cost": 0.75}
    assert cost("openai", "gpt-4o", stated, AT, {"input": 1.0, "output": 10.0}) == pytest.approx(
        2.0
    )
    assert cost("openai", "gpt-4o", stated, AT) == 0.75
    assert cost("custom", "qwen3:32b-private", {**COUNTS, "cost": 0.0}, AT) == 0.0
    assert cost("openai", "gpt-4o", {**COUNTS, "cost": None}, AT) == cost(
        "openai", "gpt-4o", COUNTS, AT
    )
