"""Token counts: Anthropic's `input_tokens` leaves cached ones out, the hub's includes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.hub.counts import token_count
from gateway.types import Usage


def decode_usage(usage: Mapping[str, Any]) -> Usage:
    """The counts of a `usage` object, any of whose fields may be null."""
    read = token_count(usage.get("cache_read_input_tokens"))
    write = token_count(usage.get("cache_creation_input_tokens"))
    return Usage(
        input=token_count(usage.get("input_tokens")) + read + write,
        output=token_count(usage.get("output_tokens")),
        cache_read=read,
        cache_write=write,
        reasoning=token_count((usage.get("output_tokens_details") or {}).get("thinking_tokens")),
    )
