"""Reasoning: the effort, summaries for the client to see, and the encrypted items to bring back."""

from __future__ import annotations

from typing import Final

from gateway.dialects.chat.models import Family
from gateway.dialects.chat.thinking import effort
from gateway.hub.fields import Section

ENCRYPTED: Final = "reasoning.encrypted_content"
"""The member of `include` for reasoning that can go back, as the provider stores nothing."""


def encode_thinking(wanted: str | None, kind: Family) -> tuple[Section, bool]:
    """(`reasoning` and `include`, whether the model reasons)."""
    chosen = effort(wanted, kind)
    thinks = (chosen or kind.default_effort or "none") != "none"
    if not kind.efforts:
        return Section(), thinks
    reasoning = {"effort": chosen} if chosen else {}
    if thinks:
        return Section(
            {"reasoning": {**reasoning, "summary": "auto"}, "include": [ENCRYPTED]}
        ), True
    return Section({"reasoning": reasoning} if reasoning else {}), False
