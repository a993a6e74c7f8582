"""The facts of a request about its tools, its history, its reasoning and its answer, read once.

The parts of a dialect ask the same questions: which tools are offered, which were called, is one of
them forced. `survey_request` walks it once and answers all of them. An encoder gives its parts the
`Survey` in place of the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.hub.hosted_tools import Row, Split, split
from gateway.hub.reasoning import level, unread
from gateway.hub.structured_output import Form, read_form
from gateway.hub.tools import (
    Choice,
    Naming,
    Offer,
    as_function,
    fit_names,
    read_choice,
    read_history,
    read_offers,
    reverse_names,
)
from gateway.types import Chat, Model


@dataclass(frozen=True, slots=True)
class Survey:
    """The facts of a request. Names of tools are as they are sent."""

    messages: list[dict[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    """The client's tools, hosted ones included."""
    offers: Sequence[Offer]
    """The tools that the client runs, in order."""
    split: Split
    """The tools that the provider runs, and what the choice says about them."""
    choice: Choice
    """The choice among the tools that the client runs."""
    stated_choice: Choice
    """The choice among all tools, in the client's names."""
    parallel: bool
    """The model may call several tools at once."""
    calls: Mapping[str, Mapping[str, Any]]
    """Id → the tool call of the history, in order."""
    called: Sequence[str]
    """Names of the tools called in the history, each once, in order."""
    answers: Sequence[Mapping[str, Any]]
    """The assistant messages, in order."""
    names: Mapping[str, str]
    """The client's name of each tool, offered or called → its name as it is sent."""
    client_names: Mapping[str, str]
    """Name as it is sent → the client's, where they differ."""
    custom_tools: frozenset[str]
    """The client's names of the offered tools of type `custom`."""
    level: str | None
    """How much the model is to reason, as the request or else the model's settings say; one of
    `LEVELS`."""
    form: Form
    """The form of the answer."""
    unread: Sequence[str]
    """Paths of what the request says about reasoning and form beyond `level` and `form`."""
    output_tokens_max: int | None
    """The client's limit."""


def survey_request(chat: Chat, model: Model, *, naming: Naming, row: Row) -> Survey:
    """Reads `chat`, which is normalised, for `model`.

    `naming` and `row` are the provider's: the names that tools may have, and its hosted tools.
    Raises `Unsupported` where the request demands a hosted tool that the provider lacks.
    """
    parts = split(chat, row)
    history = read_history(chat["messages"])
    tools = parts.chat.get("tools", ())
    functions = [as_function(tool) for tool in tools]
    stated_names = [function["name"] for function in functions] + [*history.called]
    names = fit_names(stated_names, naming.pattern, length_max=naming.length_max)
    client_names = reverse_names(names)
    offers = read_offers(tools, parts.places, functions, names)
    choice = stated = read_choice(parts.chat.get("tool_choice"))
    if parts.chat is not chat:
        stated = read_choice(chat.get("tool_choice"))
    form = read_form(chat.get("response_format"))
    return Survey(
        messages=chat["messages"],
        tools=chat.get("tools", ()),
        offers=offers,
        split=parts,
        choice=choice.fitted(names) if client_names else choice,
        stated_choice=stated,
        parallel=parts.chat.get("parallel_tool_calls") is not False,
        calls=history.calls,
        called=[names[name] for name in history.called],
        answers=history.answers,
        names=names,
        client_names=client_names,
        custom_tools=frozenset(
            offer.function["name"] for offer in offers if offer.custom is not None
        ),
        level=level(chat, model),
        form=form,
        unread=[*unread(chat), *form.unread],
        output_tokens_max=chat.get("max_completion_tokens"),
    )
