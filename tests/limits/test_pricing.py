"""What a call is charged is what the price of the same tokens is, to the micro-dollar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits import pricing
from gateway.limits.estimate import (
    MEDIA_BYTES,
    OUTPUT_TOKENS,
    RECENT_MIN,
    RecentAnswers,
    answer_tokens,
    prompt_tokens,
)
from gateway.observe.prices import LONG_CONTEXT, cost
from gateway.types import Model, Usage
from tests.makers import chat, model

AT = 1_795_000_000.0
STATED = {"input": 3.0, "output": 15.0, "cache_read": 0.3}
MODELS = [
    *[model(name) for name in ("anthropic", "openai", "groq", "google", "mistral", "openrouter")],
    model("custom", price=STATED),
]
COUNTS = st.integers(0, 30_000)


@pytest.mark.parametrize("priced", MODELS, ids=lambda each: each.name)
@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.booleans())
def test_costs_are_those_of_the_price_library(
    priced: Model, fresh: int, output: int, read: int, minutes: int, hour: int, is_long: bool
) -> None:
    input_ = fresh + read + minutes + hour + (LONG_CONTEXT if is_long else 0)
    usage = Usage(input_, output, read, minutes + hour, 0, hour)
    counts = {"input": input_, "output": output, "cache_read": read, "cache_write": minutes + hour}
    dollars = cost(
        priced.provider.name, priced.model_id, {**counts, "cache_write_1h": hour}, AT, priced.price
    )
    assert dollars is not None
    assert pricing.charged(priced, usage, AT) == pytest.approx(dollars * 1e6, abs=1)


def test_which_source_of_a_price_wins() -> None:
    usage = Usage(1000, 0, cost=0.5)
    assert pricing.charged(model("openrouter"), usage, AT) == 500_000, (
        "the provider's over the library's"
    )
    assert pricing.charged(model("custom", price=STATED), usage, AT) == 3000, (
        "the user's over the provider's"
    )
    assert pricing.charged(model("custom"), Usage(1000, 1000), AT) is None
    assert pricing.charged(model("custom"), usage, AT) == 500_000
    assert not pricing.is_priced(model("custom"), AT)


def test_an_estimate_is_rounded_up() -> None:
    cheap = model("custom", price={"input": 0.01, "output": 0.01})
    assert (pricing.estimate(cheap, 1, 0, AT), pricing.charged(cheap, Usage(1, 0), AT)) == (1, 0)


def test_the_prompt_is_its_size() -> None:
    tokens = [
        prompt_tokens(chat({"role": "user", "content": text}))
        for text in ("", "x" * 400, "ä" * 400, "\ud83d")
    ]
    assert [each - tokens[0] for each in tokens] == [0, 100, 200, 1]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}},
        {"type": "input_audio", "input_audio": {"data": "A" * 1_000_000, "format": "wav"}},
        {"type": "file", "file": {"file_data": "A" * 1_000_000}},
    ],
)
def test_the_size_of_media_says_nothing_about_its_tokens(part: dict[str, object]) -> None:
    assert prompt_tokens(chat({"role": "user", "content": [part]})) < MEDIA_BYTES


@pytest.mark.parametrize(
    ("fields", "recent", "tokens"),
    [
        ({}, None, OUTPUT_TOKENS),
        ({"max_tokens": 50}, None, 50),
        ({"max_tokens": 50_000}, None, OUTPUT_TOKENS),
        ({"max_tokens": 50_000}, 3000, 3000),
        ({"max_completion_tokens": 20}, 3000, 20),
        ({"max_tokens": 50, "n": 3}, None, 150),
    ],
)
def test_the_answer_is_as_long_as_recent_ones(
    fields: dict[str, int], recent: int | None, tokens: int
) -> None:
    assert answer_tokens({"messages": [], **fields}, recent) == tokens


def test_the_long_ones_of_recent_answers() -> None:
    recent, one = RecentAnswers(), model()
    for tokens in range(RECENT_MIN - 1):
        recent.add(one, tokens)
    assert recent.long(one) is None
    recent.add(one, 1000)
    assert recent.long(one) == 1000
    for _ in range(1000):
        recent.add(one, 7)
    assert recent.long(one) == 7
