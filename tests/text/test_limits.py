"""Limits as people write them."""

from __future__ import annotations

import pytest

from gateway.text.limits import Kind, LimitError, joined, parse, parse_all, shown


@pytest.mark.parametrize(
    ("text", "kind", "amount", "normal"),
    [
        ("20 USD/day", "budget", 20_000_000, "20 USD/day"),
        ("0.5 usd / hour", "budget", 500_000, "0.5 USD/hour"),
        ("$5/week", "budget", 5_000_000, "5 USD/week"),
        ("$ 5 USD per month", "budget", 5_000_000, "5 USD/month"),
        ("0.000001 USD/day", "budget", 1, "0.000001 USD/day"),
        ("5_000_000 tokens/Month", "budget", 5_000_000, "5000000 tokens/month"),
        ("60 calls/minute", "rate", 60, "60 calls/minute"),
        ("1 call/minute", "rate", 1, "1 calls/minute"),
        ("200000 tokens/minute", "rate", 200_000, "200000 tokens/minute"),
    ],
)
def test_valid_limits(text: str, kind: Kind, amount: int, normal: str) -> None:
    limit = parse(text, kind, "agent dev")
    assert (limit.amount, limit.text, limit.owner) == (amount, normal, "agent dev")
    assert parse(limit.text, kind, "agent dev") == limit


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("", "budget", '"" is not a budget. Write it as "20 USD/day"'),
        ("20", "budget", "is not a budget"),
        ("20 USD", "budget", "is not a budget"),
        ("20/day", "budget", "no unit"),
        ("20 EUR/day", "budget", "no unit"),
        ("$20 tokens/day", "budget", "no unit"),
        ("20 USD/minute", "budget", "a budget is per hour, day, week, month"),
        ("20 USD/year", "budget", "a budget is per hour, day, week, month"),
        ("60 calls/day", "budget", "a budget is in USD or tokens"),
        ("60 calls/minute", "budget", "This is a rate: write it as `rate = …`."),
        ("60 calls/hour", "rate", "a rate is per minute"),
        ("5 USD/day", "rate", "This is a budget: write it as `budget = …`."),
        ("200,000 tokens/minute", "rate", "Write digits without commas"),
        ("1.2.3 USD/day", "budget", "1.2.3 is not a number"),
        ("0 USD/day", "budget", "must be above 0"),
        ("-1 USD/day", "budget", "is not a budget"),
        ("0.0000001 USD/day", "budget", "the smallest part is 0.000001 USD"),
        ("1.5 calls/minute", "rate", "the smallest part is 1 call"),
        ("99999999999999999999 tokens/day", "budget", "must be above 0 and below"),
        ("٢٠ USD/day", "budget", "is not a number"),
        ("20 USD/day whenDown=panic", "budget", "whenDown is one of share, open, closed."),
        ("20 USD/day whenDown=", "budget", 'Write it as "20 USD/day whenDown=closed".'),
        ("20 USD/day closed", "budget", "is not a budget"),
    ],
)
def test_invalid_limits(text: str, kind: Kind, words: str) -> None:
    with pytest.raises(LimitError) as error:
        parse(text, kind)
    assert words in str(error.value)
    assert error.value.cure


@pytest.mark.parametrize(
    ("text", "when_down"),
    [
        ("20 USD/day", None),
        ("20 USD/day whenDown=closed", "closed"),
        ("20 USD per day  whenDown = 'open' ", "open"),
        ('$20/day whenDown="share"', "share"),
    ],
)
def test_a_limit_may_say_what_holds_without_the_engine(text: str, when_down: str | None) -> None:
    limit = parse(text, "budget", "agent dev")
    assert (limit.text, limit.when_down) == ("20 USD/day", when_down)
    assert limit.id == "agent dev USD/day", "what is spent stays when the word changes"


def test_one_owner_has_one_limit_of_a_kind() -> None:
    limits = parse_all(["2 USD/hour", "20 USD/day"], "60 calls/minute", "key bot")
    assert [limit.id for limit in limits] == [
        "key bot USD/hour",
        "key bot USD/day",
        "key bot calls/minute",
    ]
    assert joined(limits) == "2 USD/hour, 20 USD/day, 60 calls/minute"
    with pytest.raises(LimitError, match="limit the same"):
        parse_all(["2 USD/day", "20 USD/day"], None, "key bot")


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0 USD"),
        (1, "0.000001 USD"),
        (1234, "0.0012 USD"),
        (500_000, "0.5 USD"),
        (19_870_012, "19.87 USD"),
    ],
)
def test_money_as_people_read_it(amount: int, words: str) -> None:
    assert shown(amount, "USD") == words
