"""Thinking: by budget up to generation 2.5, by level from 3 on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.google.models import Generation
from gateway.hub.reasoning import clamp, level
from gateway.types import Chat, Model

BUDGETS: Final[Mapping[str, int]] = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24_576}
"""Level → tokens; beyond `high` it is all the model has."""


def encode_thinking(chat: Chat, model: Model, gemini: Generation) -> dict[str, Any]:
    """`thinkingConfig`, or {} when nobody asked or the model does not think."""
    wanted = level(chat, model)
    if wanted is None or gemini.thinking == "none":
        return {}
    config = _level(wanted, gemini) if gemini.thinking == "level" else _budget(wanted, gemini)
    return {"thinkingConfig": config}


def _level(wanted: str, gemini: Generation) -> dict[str, Any]:
    """It cannot be switched off; the lowest level comes nearest, and its thoughts are then not
    asked for."""
    name = clamp("minimal" if wanted == "none" else wanted, gemini.levels)
    return {"thinkingLevel": name.upper(), "includeThoughts": wanted != "none"}


def _budget(wanted: str, gemini: Generation) -> dict[str, Any]:
    if wanted == "none":
        return {
            "thinkingBudget": 0 if gemini.can_disable else gemini.budget_min,
            "includeThoughts": False,
        }
    budget = BUDGETS.get(wanted, gemini.budget_max)
    return {
        "thinkingBudget": max(gemini.budget_min, min(budget, gemini.budget_max)),
        "includeThoughts": True,
    }
