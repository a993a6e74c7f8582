"""Reasoning levels on chat completions: which field, which word, or none at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.dialects.chat.models import Family
from gateway.hub.reasoning import LEVELS, clamp, level, unread
from gateway.types import Chat, Model, Quirks


def effort(wanted: str | None, family: Family) -> str | None:
    """The level that is wanted on the model's own scale; None when nothing is sent."""
    if wanted is None or not family.efforts:
        return None
    return clamp(wanted, family.efforts)


def reasons(wanted: str | None, family: Family) -> bool:
    """Whether the model will reason at the level that is wanted."""
    return (effort(wanted, family) or family.default_effort or "none") != "none"


def encode_reasoning(chat: Chat, model: Model, family: Family) -> dict[str, Any]:
    """The body fields that set the level, and the field in which the provider returns the
    reasoning."""
    body = _encode_level(chat, model, family)
    if family.reasoning_format and body.get("reasoning_effort") != "none":
        body["reasoning_format"] = family.reasoning_format
    return body


def lost_levels(chat: Chat, quirks: Quirks) -> list[str]:
    """Paths of what the request says about reasoning and the server does not receive. A level that
    means nothing to a model that does not reason is none."""
    lost = [path for path in unread(chat) if path != "reasoning_effort"]
    if quirks.reasoning == "object" and isinstance(chat.get("reasoning"), dict):
        lost = [path for path in lost if not path.startswith("reasoning")]
    return lost


def _encode_level(chat: Chat, model: Model, family: Family) -> dict[str, Any]:
    own = chat.get("reasoning_effort")
    if own is not None and own not in LEVELS and own != "off":
        return {"reasoning_effort": own}  # a word of the provider's own, which it will judge itself
    wanted = level(chat, model)
    if model.quirks.reasoning == "object":
        return _object(chat, wanted)
    if wanted is None or not family.efforts:
        return {}
    return _ENCODERS[model.quirks.reasoning](wanted, family)


def _object(chat: Chat, wanted: str | None) -> dict[str, Any]:
    """`reasoning: {effort}`; a client's own `reasoning` object is kept, because it can say more."""
    own = chat.get("reasoning")
    if isinstance(own, dict):
        return {"reasoning": own}
    return {"reasoning": {"effort": wanted}} if wanted else {}


def _effort(wanted: str, family: Family) -> dict[str, Any]:
    chosen = clamp(wanted, family.efforts)
    names = family.effort_names or {}
    body: dict[str, Any] = {"reasoning_effort": names.get(chosen, chosen)}
    if wanted == "none" and family.hide_reasoning:
        body["include_reasoning"] = False
    return body


def _thinking(wanted: str, family: Family) -> dict[str, Any]:
    return {"thinking": {"type": "disabled" if wanted == "none" else "enabled"}}


def _enable_thinking(wanted: str, family: Family) -> dict[str, Any]:
    return {"enable_thinking": wanted != "none"}


def _template(wanted: str, family: Family) -> dict[str, Any]:
    return {"chat_template_kwargs": {"enable_thinking": wanted != "none"}}


def _nothing(wanted: str, family: Family) -> dict[str, Any]:
    return {}


_ENCODERS: Final[Mapping[str, Callable[[str, Family], dict[str, Any]]]] = {
    "none": _nothing,
    "effort": _effort,
    "thinking": _thinking,
    "enable_thinking": _enable_thinking,
    "template": _template,
}
