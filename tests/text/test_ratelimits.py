from __future__ import annotations

import pytest

from gateway.text.ratelimits import duration_s, empty_for_s, retry_after_s, without_a_clock

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
        (
            {"x-ratelimit-remaining-tokens-minute": "0", "x-ratelimit-reset-tokens-minute": "32.5"},
            32.5,
        ),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "9"}, 9.0),
        ({"x-ratelimit-reset": "9"}, 9.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "999999999"}, 400 * 86_400.0),  # seconds, and not a date in 2001
        ({"retry-after": "1e400"}, 400 * 86_400.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "1790000030"}, 30.0),
        ({"retry-after": "Monday, 21-Sep-26 14:13:50 GMT"}, 30.0),
        ({"retry-after": "Mon Sep 21 14:13:50 2026"}, 30.0),
        ({"retry-after": "2026-09-21T16:13:50+02:00"}, 30.0),
        ({"retry-after": "PT1M30S"}, 90.0),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"ratelimit": '"default";r=0;t=30'}, 30.0),
        ({"ratelimit": '"burst";r=0;t=10, "day";r=5;t=3600'}, 10.0),
        ({"ratelimit": "limit=100, remaining=0, reset=30"}, 30.0),
        ({"ratelimit": '"default";r=3;t=30'}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2026-09-21T14:13:50Z"}, 30.0),
        ({"x-ratelimit-remaining-day": "0", "x-ratelimit-reset-day": "120ms"}, 0.12),
        ({"ratelimitbysize-remaining": "0", "ratelimitbysize-reset": "12"}, 12.0),
        (
            {
                "anthropic-ratelimit-unified-5h-status": "rejected",
                "anthropic-ratelimit-unified-5h-reset": "1790000500",
                "anthropic-ratelimit-unified-7d-status": "allowed",
                "anthropic-ratelimit-unified-7d-reset": "1790500000",
            },
            500.0,
        ),
        (
            {
                "anthropic-ratelimit-unified-status": "allowed",
                "anthropic-ratelimit-unified-reset": "1790000500",
            },
            None,
        ),
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
    assert retry_after_s({}, NOW, message) == (
        pytest.approx(seconds) if seconds is not None else None
    )


def test_of_several_empty_buckets_the_last_to_fill_counts() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "30s",
    }
    assert empty_for_s(headers, NOW) == 30.0


@pytest.mark.parametrize("text", ["", "abc", "5", "5x", "1s and more"])
def test_an_invalid_duration_is_none(text: str) -> None:
    assert duration_s(text) is None


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("try again in 1m2.5s", 62.5),
        ("retry in 3 minutes", 180.0),
        ("Please try again in about 2 hours", 7200.0),
        ("Please try again in a minute.", 60.0),
        ("Retry-After: 30", 30.0),
        ("retry after 20 requests", None),
        ("Usage limit reached for 5 hour. Your limit will reset at 2026-09-21 14:43:20", 1800.0),
        ("Rate limit exceeded, resets at 2026-09-21T14:43:20Z", 1800.0),
        ("resets at 2026-09-21T10:43:20-04:00", 1800.0),
        ("resets at 2026/09/21 22:43:20 (UTC+8)", 1800.0),
        ("will reset on September 21st, 2026 at 2:43 PM UTC", 1780.0),
        ("try again at Mon, 21 Sep 2026 14:43:20 GMT", 1800.0),
        ("Your limit resets 3pm (UTC)", 2800.0),
        ("Your limit resets at 3pm (America/New_York)", 17_200.0),
        ("resets at 2:00 pm", 85_600.0),  # tomorrow's
        ("resets Oct 12 at 3pm", 1_817_200.0),
        ("available again at midnight UTC", 35_200.0),
        ("You will regain access on 2026-12-01 at 00:00 UTC.", 6_083_200.0),
        ("resets at 1790001800", 1800.0),
        ("Your limit will reset at 2020-01-01 00:00:00", None),
        ("resets at 99:99", None),
    ],
)
def test_dates_and_times_of_day_in_words(message: str, seconds: float | None) -> None:
    assert retry_after_s({}, NOW, message) == (
        pytest.approx(seconds) if seconds is not None else None
    )


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"resets_in_seconds": 1800}}, 1800.0),
        ({"error": {"resets_at": 1790001800}}, 1800.0),
        ({"error": {"resets_at": 1790001800000}}, 1800.0),
        ({"error": {"resets_at": "2026-09-21T14:43:20Z"}}, 1800.0),
        ({"error": {"retry_after": 1800}}, 1800.0),
        ({"error": {"retry_after": "30m"}}, 1800.0),
        ({"error": {"metadata": {"retry_after_ms": 1500}}}, 1.5),
        ({"error": {"details": [{"retryDelay": "34.07s"}]}}, 34.07),
        ({"error": {"details": [{"retryDelay": {"seconds": "34"}}]}}, 34.0),
        ({"detail": "slow down", "retry_after": 9}, 9.0),
        ({"error": {"retry_after": True}}, None),
        ({"error": {"retry_after": None}}, None),
        ({"error": "boom"}, None),
        ([1], None),
    ],
)
def test_fields_of_the_body(body: object, seconds: float | None) -> None:
    assert retry_after_s({}, NOW, "", body) == (
        pytest.approx(seconds) if seconds is not None else None
    )


def test_without_a_clock_a_date_stays_a_date() -> None:
    assert without_a_clock("", {"error": {"resets_at": 1790001800}}) == (None, 1790001800.0)
    assert without_a_clock("try again in 9s", {}) == (9.0, None)
    assert without_a_clock("resets at 3pm", {}) == (None, None)


@pytest.mark.parametrize(
    "text", ["retry " * 300_000, "1" * 1_000_000, "try again in " + "1 " * 300_000]
)
def test_a_long_text_is_read_in_linear_time(text: str) -> None:
    assert (
        retry_after_s(
            {"retry-after": text, "ratelimit": text}, NOW, text, {"error": {"retry_after": text}}
        )
        is None
    )
