"""Prompt-cache breakpoints: the client's own, and those that the gateway adds.

Anthropic caches a prefix up to each mark, in the order tools, system, messages. It takes four marks
at most, one more in `cache_control` of the request itself included, and none of an hour behind one
of five minutes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

BREAKPOINTS_MAX: Final = 4
_KEY: Final = "cache_control"
_MARK: Final = {"type": "ephemeral"}
_UNMARKABLE: Final = frozenset({"thinking", "redacted_thinking"})

Block = dict[str, Any]


def encode_marks(body: dict[str, Any], *, automatic: bool) -> list[str]:
    """Brings the marks of a request body made here within the limits; what was lost.

    `automatic`: the gateway adds marks where the client has set none. Some clients mark every turn:
    the newest two and the end of what never changes are worth most.
    """
    tools, system = _marked(body.get("tools", ())), _marked(body.get("system", ()))
    fixed, turns = [*tools, *system], _marked_in_turns(body["messages"])
    allowed = BREAKPOINTS_MAX - (_KEY in body)
    newest = max(allowed - len(fixed), 2)
    excess = [*turns[:-newest], *fixed[: max(len(fixed) + len(turns[-newest:]) - allowed, 0)]]
    for block in excess:
        del block[_KEY]
    if automatic:
        left = allowed - len(fixed) - len(turns) + len(excess)
        _add_marks(body, [mark for mark in system if _KEY in mark], turns[-newest:], left)
    return [_KEY] if excess else []


def _add_marks(body: dict[str, Any], system: list[Block], turns: list[Block], left: int) -> None:
    """Marks the last tool, the last system block and the last user turn, where a mark fits.

    `system` and `turns` are the blocks that have a mark, `left` is how many may follow.
    """
    places = [(body.get("tools"), [*system, *turns]), (body.get("system"), turns)]
    places += [(turn["content"], []) for turn in body["messages"] if turn["role"] == "user"][-1:]
    for blocks, behind in places:
        if left > 0 and blocks and _takes_mark(blocks[-1]) and not any(map(_is_of_an_hour, behind)):
            blocks[-1] = {**blocks[-1], _KEY: _MARK}
            left -= 1


def _takes_mark(block: Block) -> bool:
    return _KEY not in block and block.get("type") not in _UNMARKABLE


def _is_of_an_hour(block: Block) -> bool:
    mark = block.get(_KEY)
    return isinstance(mark, dict) and mark.get("ttl") == "1h"


def _marked(blocks: Iterable[Block]) -> list[Block]:
    return [block for block in blocks if _KEY in block]


def _marked_in_turns(messages: list[dict[str, Any]]) -> list[Block]:
    """The marked blocks of the conversation, those inside tool results included."""
    found: list[Block] = []
    for turn in messages:
        for block in turn["content"]:
            if block["type"] == "tool_result" and isinstance(block.get("content"), list):
                found += [inner for inner in block["content"] if _KEY in inner]
            if _KEY in block:
                found.append(block)
    return found
