"""The capabilities of each generation of Gemini; an unknown id is taken for one of the newest
generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Literal

from gateway.hub.patterns import lookup
from gateway.hub.reasoning import scale


def _levels(*supported: str) -> Mapping[str, str]:
    """Thinking cannot be switched off; the lowest level comes nearest."""
    nearest = scale(*supported)
    return {name: nearest["minimal" if name == "none" else name].upper() for name in nearest}


_UP_TO_HIGH: Final = _levels("minimal", "low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Generation:
    """The capabilities of one generation."""

    thinking: Literal["none", "budget", "level"] = "level"
    levels: Mapping[str, str] = field(default_factory=lambda: _UP_TO_HIGH)
    """Level → the value of `thinkingLevel` that comes nearest."""
    budget_min: int = 0
    """The smallest budget that is not off."""
    budget_max: int = 24_576
    can_disable: bool = False
    """Takes a budget of 0."""
    sampling: bool = True
    """Takes temperature and top_p."""
    signatures: bool = True
    """Refuses a function call of its own turn that comes back without its signature."""
    nested_media: bool = True
    """Takes images inside a function response."""
    schema_with_tools: bool = True
    """Takes a response schema together with functions."""
    hosted_with_functions: bool = True
    """Takes tools of its own together with functions."""


_2: Final = Generation(
    thinking="none",
    signatures=False,
    nested_media=False,
    schema_with_tools=False,
    hosted_with_functions=False,
    can_disable=True,
)
_2_5: Final = replace(_2, thinking="budget")
_3: Final = Generation()
_WITHOUT_MINIMAL: Final = _levels("low", "medium", "high")

GENERATIONS: Final[Mapping[str, Generation]] = {
    "*": _3,
    "gemini-1*": _2,
    "gemini-2.0*": _2,
    "gemini-2.5*": _2_5,
    "gemini-2.5-pro*": replace(_2_5, budget_min=128, budget_max=32_768, can_disable=False),
    "gemini-2.5-flash*": _2_5,
    "gemini-2.5-flash-lite*": replace(_2_5, budget_min=512),
    "gemini-2.5-flash-image*": _2,
    "gemini-2.5-flash-preview-tts*": _2,
    "gemini-3-pro*": replace(_3, levels=_levels("low", "high")),
    "gemini-3.1-pro*": replace(_3, levels=_WITHOUT_MINIMAL),
    "gemini-3.5-flash-lite*": replace(_3, sampling=False),
    "gemini-3.6*": replace(_3, sampling=False),
    "gemini-3.7*": replace(_3, sampling=False, levels=_WITHOUT_MINIMAL),
    "gemini-3.8*": replace(_3, sampling=False, levels=_WITHOUT_MINIMAL),
    "*4-argon*": replace(_3, levels=_WITHOUT_MINIMAL),
    "gemma-3*": _2,
}


@lru_cache(maxsize=1024)
def generation(model_id: str) -> Generation:
    """The capabilities of `model_id`, with or without its `models/`."""
    return lookup(GENERATIONS, model_id.removeprefix("models/"))
