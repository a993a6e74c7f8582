"""What a request says about its tools, its history and its reasoning, read once.

The parts of a dialect ask the same questions: which tools are offered, which were called, is one of
them forced. `survey` walks the request once and answers all of them. An encoder gives its parts the
`Survey` in place of the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gateway.hub.reasoning import level
from gateway.hub.tools import function_of_custom, tool_name
from gateway.types import Chat, Model


class Offer(NamedTuple):
    """A tool that the client runs, as a function."""

    name: str
    place: int
    """Its place among the client's own tools, from 0."""
    function: Mapping[str, Any]
    """`name`, `description`, `parameters`, `strict`; of a custom tool, the function of one
    string."""
    custom: bool
    """The client offers it as a tool of type `custom`."""
    cache_control: Any = None


class Choice(NamedTuple):
    """What `tool_choice` says."""

    mode: str | None = None
    """`auto`, `none`, `required` or another word; None where the request has no choice or names a
    tool."""
    name: str | None = None
    """The tool that the model has to call; "" for one that has no name."""
    allowed: tuple[str, ...] | None = None
    """The tools that the model may call; None where it may call all of them."""

    @property
    def is_forced(self) -> bool:
        """Whether the model has to call a tool."""
        if self.allowed is not None:
            return self.mode == "required"
        return self.name is not None or self.mode in ("required", "any")


_NO_CHOICE: Final = Choice()


@dataclass(frozen=True, slots=True)
class Survey:
    """What a request says. It leaves hosted tools out: `dialects/hosted_tools.py` reads those."""

    offers: Sequence[Offer]
    """The tools that the client runs, in order."""
    choice: Choice
    parallel: bool
    """The model may call several tools at once."""
    called: Sequence[str]
    """Names of the tools called in the history, each once, in order."""
    answers: Sequence[Mapping[str, Any]]
    """The assistant messages, in order."""
    custom_tools: frozenset[str]
    """Names of the offered tools of type `custom`."""
    names: Sequence[str]
    """Every tool name of the request: those offered, then those called."""
    level: str | None
    """How much the model is to reason, as the request or else the model's settings say; one of
    `LEVELS`."""


def survey(chat: Chat, model: Model) -> Survey:
    """Reads `chat`, normalised and without hosted tools, for `model`."""
    offers, custom_tools, answers = [], set(), []
    called: dict[str, None] = {}
    for place, tool in enumerate(chat.get("tools", ())):
        offer = _offer(place, tool)
        offers.append(offer)
        if offer.custom:
            custom_tools.add(offer.name)
    for message in chat["messages"]:
        if message["role"] == "assistant":
            answers.append(message)
        for call in message.get("tool_calls", ()):
            called[tool_name(call)] = None
    return Survey(
        offers=offers,
        choice=read_choice(chat.get("tool_choice")),
        parallel=chat.get("parallel_tool_calls") is not False,
        called=[*called],
        answers=answers,
        custom_tools=frozenset(custom_tools),
        names=[offer.name for offer in offers] + [*called],
        level=level(chat, model),
    )


def read_choice(choice: Any) -> Choice:
    """`tool_choice` of a request: a word, a tool, or a list of allowed tools."""
    if isinstance(choice, str):
        return Choice(choice)
    if not isinstance(choice, dict):
        return _NO_CHOICE
    if "allowed_tools" not in choice:
        return Choice(name=tool_name(choice))
    allowed = choice["allowed_tools"] or {}
    return Choice(
        allowed.get("mode", "auto"), allowed=tuple(map(tool_name, allowed.get("tools", ())))
    )


def _offer(place: int, tool: Mapping[str, Any]) -> Offer:
    custom = tool.get("type") == "custom"
    function = (function_of_custom(tool) if custom else tool)["function"]
    return Offer(
        function["name"],
        place,
        function,
        custom,
        tool.get("cache_control") or function.get("cache_control"),
    )
