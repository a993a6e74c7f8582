"""One rule for every field of the chat-completions request, per dialect.

A dialect declares a table `FIELDS` that names every field of `gateway.hub.schema.FIELDS` exactly
once (a test insists). `apply` does what needs no thought: passing, renaming, dropping with a note,
refusing. What needs thought is marked `TRANSLATED` and written by the dialect's own functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from gateway.hub.contracts import Unsupported
from gateway.types import Chat


class Action(Enum):
    PASS = "pass"
    RENAME = "rename"
    TRANSLATE = "translate"
    DROP = "drop"
    REFUSE = "refuse"


class Rule(NamedTuple):
    """What happens to one field."""

    action: Action
    to: str = ""
    """The provider's name, for RENAME."""
    reason: str = ""
    """Why, for DROP and REFUSE."""


PASSED: Final = Rule(Action.PASS)
TRANSLATED: Final = Rule(Action.TRANSLATE)


def renamed(to: str) -> Rule:
    return Rule(Action.RENAME, to=to)


def dropped(reason: str) -> Rule:
    """The answer is still right without it; the client is told in `x-gateway-dropped`."""
    return Rule(Action.DROP, reason=reason)


def refused(reason: str) -> Rule:
    """The client's code relies on it: this model cannot serve the request."""
    return Rule(Action.REFUSE, reason=reason)


NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "background": (False,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "modalities": (["text"],),
    "n": (1,),
    "parallel_tool_calls": (True,),
    "presence_penalty": (0,),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "temperature": (1,),
    "top_p": (1,),
    "truncation": ("disabled",),
    "verbosity": ("medium",),
}
"""Values that say what would happen anyway: a provider without the field loses nothing."""


def is_neutral(field: str, value: Any) -> bool:
    """Whether leaving `field` out says the same as sending `value`."""
    return value is None or value in NEUTRAL.get(field, ())


def apply(chat: Chat, rules: Mapping[str, Rule], unknown: Rule) -> tuple[dict[str, Any], list[str]]:
    """The fields that need no thought, and the names of those dropped.

    `unknown` is the rule for fields that `rules` does not name. Raises `Unsupported` for a refused
    field.
    """
    body: dict[str, Any] = {}
    losses: list[str] = []
    for field, value in chat.items():
        rule = rules.get(field, unknown)
        if rule.action is Action.PASS:
            body[field] = value
        elif rule.action is Action.RENAME:
            body[rule.to] = value
        elif rule.action is Action.TRANSLATE or is_neutral(field, value):
            continue
        elif rule.action is Action.DROP:
            losses.append(field)
        else:
            raise Unsupported(field, rule.reason)
    return body, losses
