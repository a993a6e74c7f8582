"""Token counts of servers that speak chat completions, as one `Usage`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.chat.answer_fields import usage_extras
from gateway.hub.chunks import usage_dict
from gateway.hub.counts import COSTS, stated_cost, token_count
from gateway.types import Usage


def decode_usage(usage: Any) -> Usage | None:
    """The counts of a `usage` object; None when there are none.

    One provider leaves reasoning tokens out of `completion_tokens` but not out of the total; the
    equation tells, so the day it is fixed nothing is counted twice.
    """
    if not isinstance(usage, Mapping) or not usage:
        return None
    details = usage.get("completion_tokens_details")
    details = details if isinstance(details, dict) else {}
    prompt = usage.get("prompt_tokens_details")
    prompt = prompt if isinstance(prompt, dict) else {}
    inputs = token_count(usage.get("prompt_tokens"))
    outputs = token_count(usage.get("completion_tokens"))
    thought = details.get("reasoning_tokens") or usage.get("reasoning_tokens")
    read = (
        prompt.get("cached_tokens")
        or usage.get("prompt_cache_hit_tokens")
        or usage.get("num_cached_tokens")
        or usage.get("cached_tokens")
    )
    written, written_1h = prompt.get("cache_write_tokens"), prompt.get("cache_write_1h_tokens")
    reasoning = token_count(thought) if thought else 0
    if reasoning and inputs + outputs + reasoning == token_count(usage.get("total_tokens")):
        outputs += reasoning
    return Usage(
        input=inputs,
        output=outputs,
        cache_read=token_count(read) if read else 0,
        cache_write=token_count(written) if written else 0,
        reasoning=reasoning,
        cache_write_1h=token_count(written_1h) if written_1h else 0,
    )


def encode_usage(usage: Any) -> dict[str, Any] | None:
    """The hub's usage of a `usage` object, with everything else that it states; None when there is
    none.

    Counts in ticks become the dollars that clients look for.
    """
    counts = decode_usage(usage)
    if counts is None:
        return None
    dollars = None if COSTS.isdisjoint(usage) else stated_cost(usage)
    more = usage_extras(usage)
    if dollars is not None:
        more.setdefault("cost", dollars)
    return usage_dict(counts, more)
