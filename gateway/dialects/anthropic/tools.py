"""Tools, their choice, and their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.dialects.anthropic.models import Generation
from gateway.dialects.anthropic.schemas import (
    PARAMETERS,
    STRICT,
    STRICT_OPTIONAL_MAX,
    STRICT_TOOLS_MAX,
)
from gateway.dialects.hosted_rows import ANTHROPIC_BETAS
from gateway.dialects.hosted_tools import Split
from gateway.hub.schemas import (
    CLOSED,
    EMPTY,
    fit_parameters,
    fits,
    optional_properties,
    paths,
    shortened,
)
from gateway.hub.survey import Offer, Survey
from gateway.hub.tools import fit_names

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_MODES: Final[Mapping[str, str]] = {"auto": "auto", "required": "any", "any": "any", "none": "none"}


def fitted_names(names: Iterable[str]) -> dict[str, str]:
    """The client's tool names → the names that Anthropic is sent."""
    return fit_names(names, _NAME, length_max=64)


def encode_tools(
    survey: Survey, names: Mapping[str, str], claude: Generation
) -> tuple[dict[str, Any], list[str], str]:
    """(`tools` and `tool_choice`, what was lost, an instruction that replaces what cannot be
    forced)."""
    offers = (
        survey.offers
        if survey.choice.allowed is None
        else _allowed(survey.offers, survey.choice.allowed)
    )
    if not offers:
        return _stubs(survey.called, names), [], ""
    custom = [offer for offer in offers if offer.custom]
    losses = ["tools.custom.format"] if custom else []
    first = {offer.name: offer for offer in reversed(offers)}
    if len(first) < len(offers):  # "Tool names must be unique"
        offers = [offer for offer in offers if first[offer.name] is offer]
        losses.append("tools.name")
    choice, hint = _choice(survey, names), ""
    if not claude.forced_tools and survey.choice.is_forced:
        hint = forced_hint(choice.pop("name", None))
        choice["type"] = "auto"
        losses.append("tool_choice")
    encoded = [(offer.place, *_tool(offer, names, claude)) for offer in offers]
    lost = [path for _, _, paths_ in encoded for path in paths_]
    losses += shortened(lost + _limit_strict([(place, tool) for place, tool, _ in encoded]))
    body: dict[str, Any] = {"tools": [tool for _, tool, _ in encoded]}
    if choice:
        body["tool_choice"] = choice
    return body, losses, hint


def add_hosted(
    body: dict[str, Any], parts: Split, claude: Generation
) -> tuple[dict[str, Any], list[str]]:
    """(`body` with the hosted tools behind the others, what was lost). "Tool names must be
    unique"."""
    losses = list(parts.losses)
    if not parts.hosted:
        return body, losses
    own = body.get("tools", ())
    by_name = {tool["name"]: tool for tool in own if "tools" in parts.chat}
    named = {_hosted_name(tool): tool for tool in parts.hosted}
    hosted = {name: tool for name, tool in named.items() if name not in by_name}
    losses += ["tools.name"] * (len(hosted) < len(parts.hosted))
    kept = [tool for tool in own if tool["name"] not in hosted]
    body = {**body, "tools": [*kept, *({**tool, "name": name} for name, tool in hosted.items())]}
    if "tools" not in parts.chat:
        body.pop("tool_choice", None)  # the stubs' `none` would forbid the hosted ones
    chosen, lost = _hosted_choice(parts, claude)
    return {**body, **({"tool_choice": chosen} if chosen else {})}, losses + lost


def _hosted_name(tool: Mapping[str, Any]) -> str:
    """Every tool has a name here; that of a hosted one is its type without the date."""
    return str(tool.get("name") or re.sub(r"_\d+$", "", tool["type"]))


def _hosted_choice(parts: Split, claude: Generation) -> tuple[dict[str, Any], list[str]]:
    """(the choice, where it is about hosted tools, and what is lost of it)."""
    chosen: dict[str, Any] = {}
    if parts.forced is not None:
        chosen = {"type": "tool", "name": _hosted_name(parts.forced)}
    elif parts.choice in _MODES:
        chosen = {"type": _MODES[parts.choice]}
    if chosen.get("type") in ("tool", "any") and not claude.forced_tools:
        return {"type": "auto"}, ["tool_choice"]
    return chosen, []


def hosted_betas(hosted: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The header that names the betas of hosted tools."""
    betas = (ANTHROPIC_BETAS.get(tool["type"]) for tool in hosted)
    named = ",".join(dict.fromkeys(beta for beta in betas if beta))
    return {"anthropic-beta": named} if named else {}


def forced_hint(name: str | None) -> str:
    """The instruction in place of a forced tool call; `name` is None where any tool will do."""
    wanted = f"the tool `{name}`" if name else "one of the tools"
    return f"You must answer by calling {wanted}."


def _stubs(called: Sequence[str], names: Mapping[str, str]) -> dict[str, Any]:
    """Bare definitions for tools of the history that are no longer offered.

    "Requests which have `tool_use` or `tool_result` blocks in `messages` must define tools."
    """
    if not called:
        return {}
    schema = {"type": "object", "properties": {}}
    tools = [{"name": names[name], "input_schema": schema} for name in called]
    return {"tools": tools, "tool_choice": {"type": "none"}}


def _tool(
    offer: Offer, names: Mapping[str, str], claude: Generation
) -> tuple[dict[str, Any], list[str]]:
    """(a tool as Anthropic takes it, what was lost). Only what is refused at the top level becomes
    words."""
    function, path = offer.function, f"tools.{offer.place}"
    parameters = function.get("parameters") or (CLOSED if function.get("strict") else EMPTY)
    fitted = fit_parameters(parameters, PARAMETERS)
    losses = paths(f"{path}.parameters", fitted.lost)
    description = "\n\n".join(
        text for text in (function.get("description") or "", fitted.note) if text
    )
    encoded: dict[str, Any] = {"name": names[offer.name], "input_schema": fitted.schema}
    if description:
        encoded["description"] = description
    if function.get("strict"):
        if claude.strict_tools and fits(fitted.schema, STRICT):
            encoded["strict"] = True
        else:
            losses.append(f"{path}.strict")
    if offer.cache_control:
        encoded["cache_control"] = offer.cache_control
    return encoded, losses


def _limit_strict(tools: list[tuple[int, dict[str, Any]]]) -> list[str]:
    """Takes `strict` off the tools beyond what one grammar holds; returns what was lost."""
    losses: list[str] = []
    count = optional = 0
    for place, tool in tools:
        if "strict" not in tool:
            continue
        loose = optional_properties(tool["input_schema"])
        if count < STRICT_TOOLS_MAX and optional + loose <= STRICT_OPTIONAL_MAX:
            count, optional = count + 1, optional + loose
        else:
            del tool["strict"]
            losses.append(f"tools.{place}.strict")
    return losses


def _choice(survey: Survey, names: Mapping[str, str]) -> dict[str, Any]:
    choice = survey.choice
    encoded: dict[str, Any] = {}
    if choice.name is not None:
        encoded = {"type": "tool", "name": names.get(choice.name, choice.name)}
    elif choice.mode is not None:
        encoded = {"type": _MODES.get(choice.mode, "auto")}
    if not survey.parallel and encoded.get("type") != "none":
        encoded = {"type": "auto", **encoded, "disable_parallel_tool_use": True}
    return encoded


def _allowed(offers: Iterable[Offer], names: Iterable[str]) -> list[Offer]:
    allowed = frozenset(names)
    return [offer for offer in offers if offer.name in allowed]
