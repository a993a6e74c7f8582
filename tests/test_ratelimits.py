from __future__ import annotations

import pytest

from gateway.ratelimits import duration_s, empty_for_s, retry_after_s

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "7.66"}, 7.66),
        ({"retry-after-ms": "1500", "retry-after": "60"}, 1.5),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:50 GMT"}, 30.0),
        ({"retry-after": "Mon, 21 Sep 2020 14:13:50 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1790000012000"}, 12.0),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2026-09-21T14:13:40Z",
            },
            20.0,
        ),
        (
            {
                "anthropic-ratelimit-unified-status": "rejected",
                "anthropic-ratelimit-unified-reset": "1790003600",
            },
            3600.0,
        ),
        ({"x-ratelimit-remaining-tokens-minute": "0", "x-ratelimit-reset-tokens-minute": "32.5"}, 32.5),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "9"}, 9.0),
        ({"x-ratelimit-reset": "9"}, 9.0),
        ({}, None),
    ],
)
def test_every_form_becomes_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 7.66s. Visit …", 7.66),
        ("Please retry in 34.07s.", 34.07),
        ("Your quota will reset after 18h31m10s.", 66_670.0),
        ("Please try again in 20ms", 0.02),
        ("Please try again in 20 milliseconds", 0.02),
        ("Please try again in 5 minutes", 300.0),
        ("Retry your request after 10 seconds.", 10.0),
        ("Limit resets in 1 minute and 30 seconds", 90.0),
        ("please wait 12s before the next request", 12.0),
        ("Please try again in a while", None),
        ("Please retry in 3 steps", None),
    ],
)
def test_words_are_the_last_resort(message: str, seconds: float | None) -> None:
    assert retry_after_s({}, NOW, message) == (pytest.approx(seconds) if seconds is not None else None)


def test_of_several_empty_buckets_the_last_to_fill_counts() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "30s",
    }
    assert empty_for_s(headers, NOW) == 30.0


@pytest.mark.parametrize("text", ["", "abc", "5", "5x", "1s and more"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert duration_s(text) is None
