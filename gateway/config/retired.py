"""Model ids that their vendors have switched off or will, with the day where it is known.

Never used to refuse or replace an id: only `doctor` reads it, so an id that is missing here costs nobody anything.
Sources: the vendors' deprecation pages and model lists, November 2026; see `docs/providers.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatchcase
from typing import Final

GONE: Final = date.min
"""Switched off on a day that we do not know."""

RETIRED: Final[Mapping[str, Mapping[str, date]]] = {
    "anthropic": {
        "claude-2*": GONE,
        "claude-3-*": GONE,
        "claude-haiku-3-*": GONE,
        "claude-mythos-preview": GONE,
        "claude-opus-4-0": GONE,
        "claude-opus-4-1*": date(2026, 8, 5),
        "claude-opus-4-20250514": GONE,
        "claude-sonnet-4-0": GONE,
        "claude-sonnet-4-20250514": GONE,
        "claude-sonnet-4-5": date(2026, 11, 30),
        "claude-sonnet-4-5-20250929": date(2026, 11, 30),
    },
    "google": {
        "gemini-1.*": GONE,
        "gemini-2.0-*": GONE,
        "gemini-3-pro-preview": GONE,
        "gemini-pro": GONE,
    },
    "openai": {
        "chatgpt-4o-latest": date(2026, 8, 10),
        "gpt-3.5*": date(2026, 10, 23),
        "gpt-4": date(2026, 10, 23),
        "gpt-4-*": date(2026, 10, 23),
        "gpt-4.1": date(2027, 1, 14),
        "gpt-4.1-mini": date(2027, 1, 14),
        "gpt-4.5*": GONE,
        "gpt-5": date(2026, 12, 11),
        "gpt-5.1": date(2027, 4, 1),
        "gpt-5.4-nano": date(2027, 4, 1),
        "gpt-5*-chat-latest": date(2026, 8, 10),
        "o1": date(2026, 10, 23),
        "o1-mini": date(2026, 10, 23),
        "o1-preview": date(2026, 10, 23),
        "o3": date(2026, 12, 11),
        "o3-mini": date(2026, 10, 23),
        "o4-mini": date(2026, 10, 23),
    },
    "xai": {"grok-beta": GONE, "grok-vision-beta": GONE},
}
"""Provider → pattern of ids → the first day without it."""


def retired_on(provider_name: str, model_id: str) -> date | None:
    """The first day on which the vendor no longer serves `model_id`; None where nothing is known of it."""
    patterns = RETIRED.get(provider_name, {})
    if model_id in patterns:
        return patterns[model_id]
    return next((day for pattern, day in patterns.items() if fnmatchcase(model_id, pattern)), None)
