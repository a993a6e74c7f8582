"""The capabilities of each generation of Claude.

The table is the default for what Anthropic's `GET /v1/models/{id}` would say; an unknown id is
taken for one of the newest generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Literal

from gateway.hub.patterns import lookup
from gateway.hub.reasoning import scale

_UP_TO_MAX: Final = scale("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Generation:
    """The capabilities of one generation."""

    thinking: Literal["none", "budget", "adaptive"] = "adaptive"
    """Not at all; `{type: enabled, budget_tokens}`; or `{type: adaptive}` with an effort."""
    can_disable: bool = True
    """Takes `{type: disabled}`; otherwise it always thinks."""
    thinks_to_call: bool = False
    """Without thinking it sometimes writes its tool calls as text; the lowest effort is then the
    nearest to none."""
    budgets: bool = False
    """Takes a budget beside `{type: adaptive}`."""
    between_tools: bool = False
    """Takes `{type: between_tools}`."""
    off_effort_max: str = "max"
    """The highest effort beside `{type: disabled}`."""
    thinks_by_default: bool = True
    bound_thinking: bool = False
    """Anthropic refuses thinking that goes back when earlier thinking is missing."""
    efforts: Mapping[str, str] = field(default_factory=lambda: _UP_TO_MAX)
    """Level → the effort that comes nearest."""
    summarized: bool = True
    """Leaves thinking text out unless `display: summarized` is asked for."""
    sampling: Literal["both", "one", "none"] = "none"
    """Takes temperature and top_p; either; or neither."""
    prefill: bool = False
    """Takes a trailing assistant message."""
    forced_tools: bool = True
    """Takes a forced `tool_choice`."""
    late_system: bool = True
    """Takes messages of the role `system` after a user turn."""
    output_format: bool = True
    """Takes `output_config.format`."""
    strict_tools: bool = True
    """Takes `strict` on tools."""
    window: int = 1_000_000
    output_max: int = 128_000


_CLAUDE_3: Final = Generation(
    thinking="none",
    thinks_by_default=False,
    efforts=scale(),
    sampling="both",
    prefill=True,
    late_system=False,
    output_format=False,
    strict_tools=False,
    window=200_000,
    output_max=8_192,
)
_CLAUDE_4: Final = replace(_CLAUDE_3, thinking="budget", output_max=64_000)
_CLAUDE_4_5: Final = replace(_CLAUDE_4, sampling="one", output_format=True, strict_tools=True)
_CLAUDE_4_6: Final = Generation(
    budgets=True,
    thinks_by_default=False,
    efforts=scale("low", "medium", "high", "max"),
    summarized=False,
    sampling="one",
    late_system=False,
)
_CLAUDE_4_7: Final = Generation(thinks_by_default=False, late_system=False)
_CLAUDE_5: Final = Generation()
_ALWAYS_THINKS: Final = Generation(can_disable=False, forced_tools=False, bound_thinking=True)

GENERATIONS: Final[Mapping[str, Generation]] = {
    "*": _CLAUDE_5,
    "claude-2*": replace(_CLAUDE_3, output_max=4_096),
    "claude-3*": _CLAUDE_3,
    "claude-3-haiku*": replace(_CLAUDE_3, output_max=4_096),
    "claude-3-opus*": replace(_CLAUDE_3, output_max=4_096),
    "claude-3-sonnet*": replace(_CLAUDE_3, output_max=4_096),
    "claude-3-7*": _CLAUDE_4,
    "claude-sonnet-4-0*": _CLAUDE_4,
    "claude-sonnet-4-2*": _CLAUDE_4,
    "claude-opus-4-0*": replace(_CLAUDE_4, output_max=32_000),
    "claude-opus-4-2*": replace(_CLAUDE_4, output_max=32_000),
    "claude-opus-4-1*": replace(_CLAUDE_4, sampling="one", output_max=32_000),
    "claude-*-4-5*": _CLAUDE_4_5,
    "claude-opus-4-5*": replace(_CLAUDE_4_5, efforts=scale("low", "medium", "high")),
    "claude-*-4-6*": _CLAUDE_4_6,
    "claude-opus-4-7*": _CLAUDE_4_7,
    "claude-opus-4-8*": replace(_CLAUDE_4_7, late_system=True),
    "claude-fable-5*": _ALWAYS_THINKS,
    "claude-mythos-5*": _ALWAYS_THINKS,
    "claude-opus-5*": replace(_CLAUDE_5, thinks_to_call=True, off_effort_max="high"),
    "claude-opus-5-5*": _ALWAYS_THINKS,
    "claude-sonnet-5-5*": replace(_ALWAYS_THINKS, between_tools=True),
    "claude-haiku-5-5*": replace(_CLAUDE_5, bound_thinking=True, off_effort_max="high"),
}


@lru_cache(maxsize=1024)
def generation(model_id: str) -> Generation:
    """The capabilities of `model_id`. Proxies write the same id with a prefix and with dots:
    `anthropic/claude-opus-4.5`."""
    return lookup(GENERATIONS, model_id[max(model_id.find("claude"), 0) :].replace(".", "-"))
