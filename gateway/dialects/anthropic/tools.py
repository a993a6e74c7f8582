"""Tools, their choice, and their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.dialects.anthropic.hosted import BETAS
from gateway.dialects.anthropic.models import Generation
from gateway.dialects.anthropic.schemas import (
    PARAMETERS,
    STRICT,
    STRICT_OPTIONAL_MAX,
    STRICT_TOOLS_MAX,
)
from gateway.hub.fields import Section
from gateway.hub.hosted_tools import Split
from gateway.hub.schemas import (
    CLOSED,
    EMPTY,
    fit_parameters,
    fits,
    optional_properties,
    paths,
    shortened,
)
from gateway.hub.survey import Survey
from gateway.hub.tools import Naming, Offer

NAMING: Final = Naming(re.compile(r"[a-zA-Z0-9_-]{1,128}"), length_max=64)
_MODES: Final[Mapping[str, str]] = {"auto": "auto", "required": "any", "any": "any", "none": "none"}
"""Mode of `tool_choice` → its type here."""


def encode_tools(survey: Survey, claude: Generation) -> Section:
    """`tools` and `tool_choice`; the hint replaces a choice that cannot be forced."""
    own, parts = _own_tools(survey, claude), survey.split
    return _add_hosted(own, parts, claude) if parts.hosted or parts.losses else own


def _own_tools(survey: Survey, claude: Generation) -> Section:
    """The tools that the client runs."""
    offers = _offered(survey)
    if not offers:
        return Section(_stubs(survey.called))
    unique: dict[str, Offer] = {}
    for offer in offers:
        unique.setdefault(offer.name, offer)
    choice, hint = _choice(survey, claude)
    lost = {
        "tools.custom.format": any(offer.custom for offer in offers),
        "tools.name": len(unique) < len(offers),  # "Tool names must be unique"
        "tool_choice": bool(hint),
    }
    encoded = [(offer.place, *_tool(offer, claude)) for offer in unique.values()]
    of_tools = [path for _, _, losses in encoded for path in losses]
    of_tools += _limit_strict([(place, tool) for place, tool, _ in encoded])
    fields: dict[str, Any] = {"tools": [tool for _, tool, _ in encoded]}
    if choice:
        fields["tool_choice"] = choice
    return Section(fields, [*(path for path in lost if lost[path]), *shortened(of_tools)], hint)


def _offered(survey: Survey) -> Sequence[Offer]:
    """The tools that the model may call."""
    allowed = survey.choice.allowed
    if allowed is None:
        return survey.offers
    return [offer for offer in survey.offers if offer.name in allowed]


def _add_hosted(own: Section, parts: Split, claude: Generation) -> Section:
    """`own`, the section of the client's tools, with the hosted tools behind them.

    "Tool names must be unique".
    """
    if not parts.hosted:
        return own._replace(losses=[*own.losses, *parts.losses])
    has_own = "tools" in parts.chat
    tools = own.fields.get("tools", ())
    named = {_hosted_name(tool): tool for tool in parts.hosted}
    taken = {tool["name"] for tool in tools if has_own}
    hosted = {name: tool for name, tool in named.items() if name not in taken}
    kept = [tool for tool in tools if tool["name"] not in hosted]
    body = {
        **own.fields,
        "tools": [*kept, *({**tool, "name": name} for name, tool in hosted.items())],
    }
    if not has_own:
        body.pop("tool_choice", None)  # the stubs' `none` would forbid the hosted ones
    chosen, lost = _hosted_choice(parts, claude)
    if chosen:
        body["tool_choice"] = chosen
    twice = ["tools.name"] if len(hosted) < len(parts.hosted) else []
    return own._replace(fields=body, losses=[*own.losses, *parts.losses, *twice, *lost])


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
    betas = (BETAS.get(tool["type"]) for tool in hosted)
    named = ",".join(dict.fromkeys(beta for beta in betas if beta))
    return {"anthropic-beta": named} if named else {}


def forced_hint(name: str | None) -> str:
    """The instruction in place of a forced tool call; `name` is None where any tool will do."""
    wanted = f"the tool `{name}`" if name else "one of the tools"
    return f"You must answer by calling {wanted}."


def _stubs(called: Sequence[str]) -> dict[str, Any]:
    """Bare definitions for tools of the history that are no longer offered.

    "Requests which have `tool_use` or `tool_result` blocks in `messages` must define tools."
    """
    if not called:
        return {}
    schema = {"type": "object", "properties": {}}
    tools = [{"name": name, "input_schema": schema} for name in called]
    return {"tools": tools, "tool_choice": {"type": "none"}}


def _tool(offer: Offer, claude: Generation) -> tuple[dict[str, Any], list[str]]:
    """(a tool as Anthropic takes it, what was lost). Only what is refused at the top level becomes
    words."""
    function, path = offer.function, f"tools.{offer.place}"
    parameters = function.get("parameters") or (CLOSED if function.get("strict") else EMPTY)
    fitted = fit_parameters(parameters, PARAMETERS)
    losses = paths(f"{path}.parameters", fitted.lost)
    description = "\n\n".join(
        text for text in (function.get("description") or "", fitted.note) if text
    )
    encoded: dict[str, Any] = {"name": offer.name, "input_schema": fitted.schema}
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


def _choice(survey: Survey, claude: Generation) -> tuple[dict[str, Any], str]:
    """(`tool_choice`, the hint that replaces a forced call)."""
    choice = survey.choice
    encoded: dict[str, Any] = {}
    if choice.name is not None:
        encoded = {"type": "tool", "name": choice.name}
    elif choice.mode is not None:
        encoded = {"type": _MODES.get(choice.mode, "auto")}
    if not survey.parallel and encoded.get("type") != "none":
        encoded = {"type": "auto", **encoded, "disable_parallel_tool_use": True}
    if claude.forced_tools or not choice.is_forced:
        return encoded, ""
    hint = forced_hint(encoded.pop("name", None))
    return {**encoded, "type": "auto"}, hint
