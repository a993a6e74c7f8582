"""Thinking: by budget up to generation 2.5, by level from 3 on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.google.models import Generation
from gateway.hub.fields import Section

BUDGETS: Final[Mapping[str, int]] = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24_576}
"""Level → tokens; beyond `high` it is all the model has."""


def encode_thinking(wanted: str | None, gemini: Generation) -> Section:
    """`thinkingConfig`; nothing where no level is wanted or the model does not think."""
    if wanted is None or gemini.thinking == "none":
        return Section()
    config: dict[str, Any] = (
        {"thinkingLevel": gemini.levels[wanted]}
        if gemini.thinking == "level"
        else {"thinkingBudget": _budget(wanted, gemini)}
    )
    config["includeThoughts"] = wanted != "none"
    return Section({"generationConfig": {"thinkingConfig": config}})


def _budget(wanted: str, gemini: Generation) -> int:
    if wanted == "none":
        return 0 if gemini.can_disable else gemini.budget_min
    budget = BUDGETS.get(wanted, gemini.budget_max)
    return max(gemini.budget_min, min(budget, gemini.budget_max))
