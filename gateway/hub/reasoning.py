"""How much a model thinks: one scale for all providers.

The scale is `none < minimal < low < medium < high < xhigh < max`; `off` is the configuration's word
for `none`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.types import Model

LEVELS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_BUDGETS: Final = ((1024, "minimal"), (2048, "low"), (8192, "medium"), (16384, "high"))
"""A thinking budget in tokens, and the level whose budget it does not exceed."""


def level(chat: Mapping[str, Any], model: Model) -> str | None:
    """The level asked for: by the request's `reasoning_effort`, by its `reasoning` or `thinking`
    (extensions other gateways know), by the model's `thinkingLevel`; None when none of them is
    set."""
    for field, read in _SOURCES:
        found = read(chat[field]) if field in chat else None
        if found is not None:
            return found
    return _known(model.thinking_level)


def unread(chat: Mapping[str, Any]) -> list[str]:
    """Paths of what the fields of `level` say and no level holds: an unknown word or member."""
    lost: list[str] = []
    for field, read in _SOURCES:
        if field not in chat:
            continue
        value = chat[field]
        members = value if isinstance(value, Mapping) else {}
        says_level = not isinstance(value, Mapping) or any(map(members.get, _OF_LEVELS))
        if says_level and read(value) is None:
            lost.append(field)
        lost += [f"{field}.{key}" for key, held in members.items() if held and key not in _READ]
    return lost


_OF_LEVELS: Final = ("effort", "max_tokens", "type", "budget_tokens")
_READ: Final = frozenset({*_OF_LEVELS, "enabled", "summary", "generate_summary"})
"""Members of `reasoning` and `thinking` that lose nothing; what a model thought is always shown."""


def clamp(wanted: str, supported: Collection[str]) -> str:
    """The supported level nearest to `wanted`: itself, else the next lower one, else the next
    higher one.

    `none` is not a lower level but a switch: only `none` itself turns reasoning off, and `minimal`
    where nothing is low.
    """
    if wanted == "minimal" and "none" in supported and not {"minimal", "low"} & set(supported):
        return "none"
    place = LEVELS.index(wanted)
    lower = [name for name in reversed(LEVELS[: place + 1]) if name in supported and name != "none"]
    higher = [name for name in LEVELS[place:] if name in supported]
    if wanted in supported:
        return wanted
    return (lower or higher or sorted(supported, key=LEVELS.index))[0]


def scale(*supported: str) -> Mapping[str, str]:
    """Each level → the supported one that comes nearest; empty where none is supported."""
    return MappingProxyType({name: clamp(name, supported) for name in LEVELS if supported})


def _known(value: Any) -> str | None:
    if value == "off":
        return "none"
    return value if value in LEVELS else None


def _of_reasoning(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return None
    if value.get("enabled") is False:
        return "none"
    budget = value.get("max_tokens")
    if isinstance(budget, int):
        return of_budget(budget)
    return _known(value.get("effort")) or ("medium" if value.get("enabled") is True else None)


def _of_thinking(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return None
    kind, budget = value.get("type"), value.get("budget_tokens")
    if kind == "disabled":
        return "none"
    if isinstance(budget, int):
        return of_budget(budget)
    return "medium" if kind in ("enabled", "adaptive") else None


_SOURCES: Final[tuple[tuple[str, Callable[[Any], str | None]], ...]] = (
    ("reasoning_effort", _known),
    ("reasoning", _of_reasoning),
    ("thinking", _of_thinking),
)
"""(field of the request, how it is read), the first that says something wins."""


def of_budget(tokens: int) -> str:
    """The level whose budget comes nearest from above."""
    return next((name for limit, name in _BUDGETS if tokens <= limit), "xhigh")
