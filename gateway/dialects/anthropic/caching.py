"""Prompt-cache breakpoints: the client's own, and those that nobody had to set.

Anthropic caches a prefix up to each mark, in the order tools, system, messages. It takes four marks
at most, one more in `cache_control` of the request itself included, and none of an hour behind one
of five minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

BREAKPOINTS_MAX: Final = 4
_MARK: Final = {"type": "ephemeral"}
_UNMARKABLE: Final = frozenset({"thinking", "redacted_thinking"})

Block = dict[str, Any]


def limit_marks(body: dict[str, Any]) -> list[str]:
    """Takes away what is too much of a client's marks; what was lost.

    Some clients mark every turn: the newest two and the end of what never changes are worth most.
    """
    allowed = BREAKPOINTS_MAX - ("cache_control" in body)
    fixed, turns = _marked(_fixed(body)), _marked(_turns(body))
    newest = max(allowed - len(fixed), 2)
    excess = [*turns[:-newest], *fixed[: max(len(fixed) + len(turns[-newest:]) - allowed, 0)]]
    for block in excess:
        del block["cache_control"]
    return ["cache_control"] if excess else []


def mark_automatically(body: dict[str, Any]) -> None:
    """Marks the last tool, the last system block and the last user turn of a request body made
    here, where a mark fits and the client has set none."""
    left = (
        BREAKPOINTS_MAX - ("cache_control" in body) - len(_marked([*_fixed(body), *_turns(body)]))
    )
    tools, system, turns = body.get("tools", []), body.get("system", []), list(_turns(body))
    places: list[tuple[list[Block], list[Block]]] = [(tools, [*system, *turns]), (system, turns)]
    places += [(turn["content"], []) for turn in body["messages"] if turn["role"] == "user"][-1:]
    for blocks, behind in places:
        if (
            left <= 0
            or not blocks
            or blocks[-1].get("type") in _UNMARKABLE
            or "cache_control" in blocks[-1]
        ):
            continue
        if any(_is_of_an_hour(block) for block in behind):
            continue
        blocks[-1] = {**blocks[-1], "cache_control": _MARK}
        left -= 1


def _marked(blocks: Iterable[Block]) -> list[Block]:
    return [block for block in blocks if "cache_control" in block]


def _is_of_an_hour(block: Block) -> bool:
    mark = block.get("cache_control")
    return isinstance(mark, dict) and mark.get("ttl") == "1h"


def _fixed(body: dict[str, Any]) -> Iterator[Block]:
    yield from body.get("tools", ())
    yield from body.get("system", ())


def _turns(body: dict[str, Any]) -> Iterator[Block]:
    for turn in body["messages"]:
        for block in turn["content"]:
            if block["type"] == "tool_result" and isinstance(block.get("content"), list):
                yield from block["content"]
            yield block
