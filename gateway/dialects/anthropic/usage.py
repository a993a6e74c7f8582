"""Token counts: Anthropic's `input_tokens` leaves cached ones out, the hub's includes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.types import Usage


def decode_usage(usage: Mapping[str, Any]) -> Usage:
    """The counts of a `usage` object, any of whose fields may be null."""
    read, write = _count(usage, "cache_read_input_tokens"), _count(usage, "cache_creation_input_tokens")
    return Usage(
        input=_count(usage, "input_tokens") + read + write,
        output=_count(usage, "output_tokens"),
        cache_read=read,
        cache_write=write,
        reasoning=_count(usage.get("output_tokens_details") or {}, "thinking_tokens"),
    )


def _count(usage: Mapping[str, Any], key: str) -> int:
    value = usage.get(key)
    return value if isinstance(value, int) else 0
