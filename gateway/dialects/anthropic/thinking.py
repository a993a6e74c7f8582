"""Thinking: off, by budget, or adaptive with an effort; and the limits that depend on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from gateway.dialects.anthropic.models import Generation
from gateway.hub.answer_types import stated_text
from gateway.hub.fields import Section
from gateway.hub.survey import Survey
from gateway.types import Model

Answers = Sequence[Mapping[str, Any]]
"""The assistant messages of a conversation, in order."""

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
"""The tokens left for the answer when a client's limit has to hold both."""


OUTPUT_TOKENS_DEFAULT: Final = 32_000
"""Anthropic requires a limit where OpenAI's clients send none; a low one would cut agents off
silently."""


class Limit(NamedTuple):
    """The output limit of a request."""

    tokens: int
    stated: bool
    """The client asks for it; otherwise it is ours."""
    losses: tuple[str, ...] = ()


def output_limit(stated: int | None, model: Model, claude: Generation) -> Limit:
    """The client's limit, or the model's own within `OUTPUT_TOKENS_DEFAULT`.

    "max_tokens: 128000 > 64000, which is the maximum": a limit that another model of the chain
    would take is lowered.
    """
    if stated is None:
        tokens = model.max_output_tokens or min(claude.output_max, OUTPUT_TOKENS_DEFAULT)
        return Limit(tokens, stated=False)
    tokens = min(int(stated), max(claude.output_max, model.max_output_tokens or 0))
    return Limit(tokens, stated=True, losses=("max_completion_tokens",) if tokens < stated else ())


class Thinking(NamedTuple):
    """The thinking of a request."""

    section: Section
    """`max_tokens`, and where something is set `thinking` and `output_config.effort`."""
    on: bool
    """The model thinks on this request, and then refuses sampling."""
    replay: bool
    """Thinking of earlier turns goes back."""


def encode_thinking(survey: Survey, model: Model, claude: Generation) -> Thinking:
    """The level that is wanted, within the limit of the request."""
    limit = output_limit(survey.output_tokens_max, model, claude)
    section, on = encode_level(
        survey.level,
        claude,
        limit,
        tools=bool(survey.offers),
        forced=survey.stated_choice.is_forced,
        answers=survey.answers,
    )
    return Thinking(section, on, replay=on and may_replay(survey.answers, claude))


def encode_level(
    wanted: str | None,
    claude: Generation,
    limit: Limit,
    *,
    tools: bool,
    forced: bool,
    answers: Answers = (),
) -> tuple[Section, bool]:
    """(the section of the level that is wanted, whether the model thinks).

    `tools` is whether tools are offered, `forced` whether a tool call is forced: "Thinking may not
    be enabled when tool_choice forces tool use" holds for budgets, so the level gives way.
    `answers` are the assistant messages of the history.
    """
    tokens = {"max_tokens": limit.tokens}
    if wanted is None or claude.thinking == "none":
        return Section(tokens, limit.losses), claude.thinks_by_default
    if wanted == "none":
        thinks = not claude.can_disable or (tools and claude.thinks_to_call)
        return Section({**tokens, **(_LEAST if thinks else _OFF)}, limit.losses), thinks
    if claude.thinking == "budget":
        if forced or _last_call_is_unsigned(answers):
            return Section(tokens, [*limit.losses, "reasoning_effort"]), False
        return _budget(BUDGETS[wanted], claude, limit), True
    return Section({**tokens, **_adaptive(wanted, claude)}, limit.losses), True


_OFF: Final = {"thinking": {"type": "disabled"}}
_LEAST: Final = {"output_config": {"effort": "low"}}


def _adaptive(wanted: str, claude: Generation) -> dict[str, Any]:
    thinking = {"type": "adaptive"}
    if claude.summarized:
        thinking["display"] = "summarized"
    return {"thinking": thinking, "output_config": {"effort": claude.efforts[wanted]}}


def _budget(budget: int, claude: Generation, limit: Limit) -> Section:
    """A budget below `max_tokens`. Our own limit grows by it; a client's is raised only where not
    even the smallest budget fits, and otherwise the budget shrinks."""
    tokens = limit.tokens if limit.stated else min(limit.tokens + budget, claude.output_max)
    budget = max(BUDGET_MIN, min(budget, tokens - ANSWER_MIN))
    max_tokens = tokens if tokens > budget else min(tokens + budget, claude.output_max)
    thinking = {"type": "enabled", "budget_tokens": budget}
    is_raised = limit.stated and max_tokens > tokens
    losses = ("max_completion_tokens",) if is_raised else limit.losses
    return Section({"max_tokens": max_tokens, "thinking": thinking}, losses)


def _last_call_is_unsigned(answers: Answers) -> bool:
    """Whether the conversation goes on from a tool call whose thinking is not at hand.

    "Expected `thinking` or `redacted_thinking`, but found `tool_use`": a budget needs the blocks of
    the turn it continues, and another provider's turn has none. Text of the user's behind the
    results changes nothing.
    """
    last = answers[-1] if answers else {}
    return bool(last.get("tool_calls")) and not signed_details(last)


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


def may_replay(answers: Answers, claude: Generation) -> bool:
    """Whether thinking of earlier turns may go back: where it is bound to the text before it,
    all of it or none.

    An assistant message without details of ours came from another provider, or its client dropped
    them.
    """
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
    signature. Raises `Failed` for a value that is not text.

    `index` is an integer in every item, because an official SDK's accumulator needs it.
    """
    common = {"id": f"{ORIGIN}{index}", "format": "anthropic-claude-v1", "index": index}
    if block.get("type") == "redacted_thinking":
        return {**common, "type": "reasoning.encrypted", "data": stated_text(block, "data")}
    text, signature = stated_text(block, "thinking"), stated_text(block, "signature")
    if not signature:
        return None
    return {**common, "type": "reasoning.text", "text": text, "signature": signature}
