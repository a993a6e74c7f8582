"""Token counts of servers that speak chat completions, as one `Usage`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.chat.answer_fields import usage_extras
from gateway.hub.chunks import usage_dict
from gateway.hub.counts import stated_cost, token_count
from gateway.hub.shapes import table
from gateway.types import Usage


def decode_usage(usage: Any) -> Usage | None:
    """The counts of a `usage` object; None when there are none.

    One provider leaves reasoning tokens out of `completion_tokens` but not out of the total; the
    equation tells, so the day it is fixed nothing is counted twice.
    """
    if not isinstance(usage, Mapping) or not usage:
        return None
    details, prompt = (
        table(usage, "completion_tokens_details"),
        table(usage, "prompt_tokens_details"),
    )
    inputs, outputs = (
        token_count(usage.get("prompt_tokens")),
        token_count(usage.get("completion_tokens")),
    )
    reasoning = token_count(details.get("reasoning_tokens") or usage.get("reasoning_tokens"))
    if reasoning and inputs + outputs + reasoning == token_count(usage.get("total_tokens")):
        outputs += reasoning
    return Usage(
        input=inputs,
        output=outputs,
        cache_read=token_count(
            prompt.get("cached_tokens")
            or usage.get("prompt_cache_hit_tokens")
            or usage.get("num_cached_tokens")
            or usage.get("cached_tokens")
        ),
        cache_write=token_count(prompt.get("cache_write_tokens")),
        reasoning=reasoning,
        cache_write_1h=token_count(prompt.get("cache_write_1h_tokens")),
    )


def encode_usage(usage: Any) -> dict[str, Any] | None:
    """The hub's usage of a `usage` object, with everything else that it states; None when there is
    none.

    Counts in ticks become the dollars that clients look for.
    """
    counts = decode_usage(usage)
    if counts is None:
        return None
    dollars = stated_cost(usage)
    more = usage_extras(usage)
    if dollars is not None:
        more.setdefault("cost", dollars)
    return usage_dict(counts, more)
