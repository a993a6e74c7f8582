"""One rule for every field of the chat-completions request, per dialect.

A dialect declares a table `FIELDS` that names every field of `gateway.hub.schema.FIELDS` exactly
once (a test insists). `apply` does what needs no thought: passing, renaming, dropping with a note,
refusing. What needs thought is marked `TRANSLATED` and written by the dialect's own functions, each
of which returns a `Section` of the body; `joined` puts them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
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
    """The treatment of one field."""

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
    """The answer is still right without it; `x-gateway-dropped` names it."""
    return Rule(Action.DROP, reason=reason)


def refused(reason: str) -> Rule:
    """The client's code relies on it: this model cannot serve the request."""
    return Rule(Action.REFUSE, reason=reason)


class Section(NamedTuple):
    """The part of a request body that one concept writes: tools, messages, reasoning."""

    fields: Mapping[str, Any] = MappingProxyType({})
    """Members of the body."""
    losses: Sequence[str] = ()
    """Paths of what the provider does not receive."""
    hint: str = ""
    """An instruction for the model, in place of what the API cannot express."""


def joined(sections: Iterable[Section]) -> tuple[dict[str, Any], list[str]]:
    """(the body of `sections`, what is lost). Objects under the same key become one."""
    body: dict[str, Any] = {}
    losses: list[str] = []
    for section in sections:
        for key, value in section.fields.items():
            body[key] = {**body[key], **value} if key in body else value
        losses += section.losses
    return body, losses


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
