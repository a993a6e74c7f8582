"""Token counts: Anthropic's `input_tokens` leaves cached ones out, the hub's includes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.anthropic.answer_fields import usage_extras
from gateway.hub.chunks import usage_dict
from gateway.hub.counts import token_count
from gateway.hub.shapes import table
from gateway.types import Usage


def decode_usage(usage: Mapping[str, Any]) -> Usage:
    """The counts of a `usage` object, any of whose fields may be null."""
    read = token_count(usage.get("cache_read_input_tokens"))
    hour = token_count(table(usage, "cache_creation").get("ephemeral_1h_input_tokens"))
    minutes = token_count(table(usage, "cache_creation").get("ephemeral_5m_input_tokens"))
    write = token_count(usage.get("cache_creation_input_tokens")) or hour + minutes
    return Usage(
        input=token_count(usage.get("input_tokens")) + read + write,
        output=token_count(usage.get("output_tokens")),
        cache_read=read,
        cache_write=write,
        reasoning=token_count(table(usage, "output_tokens_details").get("thinking_tokens")),
        cache_write_1h=min(hour, write),
    )


def encode_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """The hub's usage of a `usage` object, with everything else that it states."""
    return usage_dict(decode_usage(usage), usage_extras(usage))
