"""Prompt-cache breakpoints that nobody had to set: the last tool, the last system block, the last user turn.

Anthropic caches a prefix up to each mark, four marks at most; a client's own marks are left alone and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

BREAKPOINTS_MAX: Final = 4
_MARK: Final = {"type": "ephemeral"}
_UNMARKABLE: Final = frozenset({"thinking", "redacted_thinking"})


def mark_automatically(body: dict[str, Any]) -> None:
    """Adds the marks that fit to a request body made here."""
    left = BREAKPOINTS_MAX - sum("cache_control" in block for block in _blocks(body))
    last_user = next((turn for turn in reversed(body["messages"]) if turn["role"] == "user"), None)
    for blocks in (body.get("tools"), body.get("system"), last_user and last_user["content"]):
        if left <= 0 or not blocks or blocks[-1].get("type") in _UNMARKABLE or "cache_control" in blocks[-1]:
            continue
        blocks[-1] = {**blocks[-1], "cache_control": _MARK}
        left -= 1


def _blocks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from body.get("tools", ())
    yield from body.get("system", ())
    for turn in body["messages"]:
        yield from turn["content"]
