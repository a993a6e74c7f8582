"""Counts that providers state oddly."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.anthropic.usage import decode_usage
from gateway.dialects.chat.usage import encode_usage
from gateway.hub.counts import COUNT_MAX, merged, stated_cost, token_count
from gateway.types import Usage
from gateway.upstream.tap import usage_of


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (7, 7), (7.0, 7), (0, 0), (-1, 0), (None, 0), ("7", 7), ("x", 0), ("-7", 0), ("", 0),
        ("9" * 5000, 0), ("\u0663", 0), (True, 0), ([], 0), ({}, 0), (COUNT_MAX, COUNT_MAX),
        (COUNT_MAX + 1, 0), (1e308, 0), (float("inf"), 0), (float("nan"), 0),
    ],
)  # fmt: skip
def test_only_sensible_counts_count(value: Any, count: int) -> None:
    assert token_count(value) == count


COUNTS = {"input": 10, "output": 1, "details": {"cached": 4}, "list": [1], "word": "a"}


@pytest.mark.parametrize(
    ("name", "later", "expected"),
    [
        ("a larger count holds", {"output": 9}, {**COUNTS, "output": 9}),
        ("a later count holds", {"input": 3, "details": {"cached": 2}}, {**COUNTS, "input": 3,
        "details": {"cached": 2}}),
        ("a zero takes nothing back", {"input": 0, "details": {"cached": 0}}, COUNTS),
        ("a null takes nothing back", {"input": None, "details": None, "list": None}, COUNTS),
        ("an empty object takes nothing back", {"details": {}, "list": [], "word": ""}, COUNTS),
        ("what is new is added", {"new": 0}, {**COUNTS, "new": 0}),
        ("what is new inside is added", {"details": {"new": 2}}, {**COUNTS, "details": {"cached": 4,
        "new": 2}}),
        ("a later list holds", {"list": [1, 2]}, {**COUNTS, "list": [1, 2]}),
        ("a count may be text", {"output": "9"}, {**COUNTS, "output": 9}),
        ("nothing at all", None, COUNTS),
        ("no object", [1], COUNTS),
    ],
)  # fmt: skip
def test_a_stream_may_state_its_counts_often(name: str, later: Any, expected: Any) -> None:
    assert merged(COUNTS, later) == expected
    assert merged({}, expected) == expected


def test_counts_may_only_rise() -> None:
    later = {"input": 3, "output": 9, "details": {"cached": 2}}
    assert merged(COUNTS, later, max) == {**COUNTS, "output": 9}


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        ({}, None),
        ({"cost": 0.5}, 0.5),
        ({"cost": 0}, 0.0),
        ({"cost": None, "cost_in_usd_ticks": 25_000_000_000}, 2.5),
        ({"cost_in_usd_ticks": 0}, 0.0),
        ({"cost": {"total_cost": 0.006, "request_cost": 0.005}}, 0.006),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, 0.21),
        ({"cost": 0.2, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.2}}, 0.2),
        ({"cost": 0.01, "is_byok": True, "cost_details": None}, 0.01),
        ({"cost": -1}, None),
        ({"cost": "0.5"}, None),
        ({"cost": True}, None),
        ({"cost": float("nan")}, None),
        ({"cost": 1e300, "cost_in_usd_ticks": 10_000_000_000}, 1.0),
        ({"cost": {}}, None),
    ],
)
def test_what_a_provider_says_that_an_answer_cost(
    usage: dict[str, Any], dollars: float | None
) -> None:
    assert stated_cost(usage) == (None if dollars is None else pytest.approx(dollars))


@pytest.mark.parametrize(
    ("split", "sum_", "write", "hour"),
    [
        ({"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}, 7, 7, 4),
        ({"ephemeral_1h_input_tokens": 4}, None, 4, 4),
        ({"ephemeral_1h_input_tokens": 9}, 4, 4, 4),
        ({"ephemeral_1h_input_tokens": None}, 7, 7, 0),
        (None, 7, 7, 0),
        ("odd", 7, 7, 0),
    ],
)
def test_writes_for_an_hour_are_part_of_all_writes(
    split: Any, sum_: Any, write: int, hour: int
) -> None:
    usage = decode_usage(
        {"input_tokens": 1, "cache_creation": split, "cache_creation_input_tokens": sum_}
    )
    assert (usage.input, usage.cache_write, usage.cache_write_1h) == (1 + write, write, hour)


def test_audio_and_reasoning_are_counted_once() -> None:
    body = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"audio_tokens": 80, "cached_tokens": 20, "text_tokens": 20},
        "completion_tokens_details": {
            "audio_tokens": 30,
            "reasoning_tokens": 10,
            "text_tokens": "odd",
        },
    }
    usage = encode_usage(body)
    assert usage is not None
    assert usage == {
        **body,
        "completion_tokens_details": {"audio_tokens": 30, "reasoning_tokens": 10},
    }
    assert usage_of(usage) == Usage(input=100, output=50, cache_read=20, reasoning=10)
