"""Thinking: off, by budget, or adaptive with an effort; and the limits that depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.dialects.anthropic.models import Generation
from gateway.hub.reasoning import clamp, level
from gateway.types import Chat, Model

BUDGETS: Final[Mapping[str, int]] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32768,
    "max": 32768,
}
BUDGET_MIN: Final = 1024
"""Anthropic's smallest budget."""
ANSWER_MIN: Final = 1024
"""What is left for the answer when a client's limit has to hold both."""


@dataclass(slots=True)
class Thinking:
    """What a request says about thinking."""

    max_tokens: int
    on: bool = False
    """The model thinks on this request: sampling is refused, thinking blocks may be replayed."""
    fields: dict[str, Any] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)


def encode_thinking(
    chat: Chat, model: Model, claude: Generation, limit: int, *, forced: bool
) -> Thinking:
    """`thinking`, `output_config.effort` and `max_tokens` for the level asked for.

    `limit` is the output limit, `forced` whether a tool call is forced: "Thinking may not be
    enabled when tool_choice forces tool use" holds for budgets, so the level gives way.
    """
    wanted = level(chat, model)
    if wanted is None or claude.thinking == "none":
        return Thinking(limit, on=claude.thinks_by_default)
    if wanted == "none":
        return _off(claude, limit, tools="tools" in chat)
    if claude.thinking == "adaptive":
        return _adaptive(wanted, claude, limit)
    if forced or _last_call_is_unsigned(chat):
        return Thinking(limit, losses=["reasoning_effort"])
    return _budget(BUDGETS[wanted], claude, limit, stated="max_completion_tokens" in chat)


def _off(claude: Generation, limit: int, *, tools: bool) -> Thinking:
    if claude.can_disable and not (tools and claude.thinks_to_call):
        return Thinking(limit, fields={"thinking": {"type": "disabled"}})
    return Thinking(limit, on=True, fields={"output_config": {"effort": "low"}})


def _adaptive(wanted: str, claude: Generation, limit: int) -> Thinking:
    thinking = {"type": "adaptive"}
    if claude.summarized:
        thinking["display"] = "summarized"
    effort = clamp(wanted, claude.efforts)
    return Thinking(
        limit, on=True, fields={"thinking": thinking, "output_config": {"effort": effort}}
    )


def _budget(budget: int, claude: Generation, limit: int, *, stated: bool) -> Thinking:
    """A budget below `max_tokens`. Our own limit grows by it; a client's is raised only where not
    even the smallest budget fits, and otherwise the budget shrinks."""
    if not stated:
        limit = min(limit + budget, claude.output_max)
    budget = max(BUDGET_MIN, min(budget, limit - ANSWER_MIN))
    max_tokens = limit if limit > budget else min(limit + budget, claude.output_max)
    return Thinking(
        max_tokens, on=True, fields={"thinking": {"type": "enabled", "budget_tokens": budget}}
    )


def _last_call_is_unsigned(chat: Chat) -> bool:
    """Whether the conversation goes on from a tool call whose thinking is not at hand.

    "Expected `thinking` or `redacted_thinking`, but found `tool_use`": a budget needs the blocks of
    the turn it continues, and another provider's turn has none. Text of the user's behind the
    results changes nothing.
    """
    last = next(
        (message for message in reversed(chat["messages"]) if message["role"] == "assistant"), None
    )
    return last is not None and bool(last.get("tool_calls")) and not signed_details(last)


ORIGIN: Final = "anthropic:"
"""Begins the `id` of every reasoning detail that we made of Anthropic's blocks: others are never
sent there."""


def signed_details(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The reasoning details of an assistant message that are Anthropic's own blocks."""
    details = message.get("reasoning_details")
    if not isinstance(details, list):
        return []
    return [
        item
        for item in details
        if isinstance(item, dict) and str(item.get("id", "")).startswith(ORIGIN)
    ]


def may_replay(chat: Chat, claude: Generation) -> bool:
    """Whether thinking of earlier turns may go back: where it is bound to what stands before it,
    all of it or none.

    An assistant message without details of ours came from another provider, or its client dropped
    them.
    """
    answers = (message for message in chat["messages"] if message["role"] == "assistant")
    return not claude.bound_thinking or all(map(signed_details, answers))


def encode_block(detail: Mapping[str, Any]) -> dict[str, Any]:
    """A reasoning detail → the thinking block it was, verbatim: a changed one is refused."""
    if detail.get("type") == "reasoning.encrypted":
        return {"type": "redacted_thinking", "data": detail.get("data", "")}
    return {
        "type": "thinking",
        "thinking": detail.get("text", ""),
        "signature": detail.get("signature", ""),
    }


def decode_block(block: Mapping[str, Any], index: int) -> dict[str, Any] | None:
    """A thinking block → the reasoning detail that brings it back; None for one without a
    signature.

    `index` is an integer in every item, because an official SDK's accumulator needs it.
    """
    common = {"id": f"{ORIGIN}{index}", "format": "anthropic-claude-v1", "index": index}
    if block.get("type") == "redacted_thinking":
        return {**common, "type": "reasoning.encrypted", "data": block.get("data", "")}
    if not block.get("signature"):
        return None
    text = block.get("thinking", "")
    return {**common, "type": "reasoning.text", "text": text, "signature": block["signature"]}
