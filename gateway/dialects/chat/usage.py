"""Token counts of servers that speak chat completions, as one `Usage`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.hub.counts import token_count
from gateway.hub.shapes import table
from gateway.types import Usage


def decode_usage(usage: Any) -> Usage | None:
    """The counts of a `usage` object; None when there are none.

    One provider leaves reasoning tokens out of `completion_tokens` but not out of the total; the equation tells, so the
    day it is mended nothing is counted twice.
    """
    if not isinstance(usage, Mapping) or not usage:
        return None
    details, prompt = table(usage, "completion_tokens_details"), table(usage, "prompt_tokens_details")
    inputs, outputs = token_count(usage.get("prompt_tokens")), token_count(usage.get("completion_tokens"))
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
    )
