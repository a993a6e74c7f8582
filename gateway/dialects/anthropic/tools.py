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


def encode_tools(asked: Survey, claude: Generation) -> Section:
    """`tools` and `tool_choice`; the hint replaces a choice that cannot be forced."""
    own, parts = _own_tools(asked, claude), asked.split
    return _add_hosted(own, parts, claude) if parts.hosted or parts.losses else own


def _own_tools(asked: Survey, claude: Generation) -> Section:
    """The tools that the client runs."""
    offers, allowed = asked.offers, asked.choice.allowed
    if allowed is not None:
        offers = [offer for offer in offers if offer.name in allowed]
    if not offers:
        return Section(_stubs(asked.called))
    losses = []
    if any(offer.custom for offer in offers):
        losses.append("tools.custom.format")
    first = {offer.name: offer for offer in reversed(offers)}
    if len(first) < len(offers):  # "Tool names must be unique"
        offers = [offer for offer in offers if first[offer.name] is offer]
        losses.append("tools.name")
    choice, hint = _choice(asked), ""
    if not claude.forced_tools and asked.choice.is_forced:
        hint = forced_hint(choice.pop("name", None))
        choice["type"] = "auto"
        losses.append("tool_choice")
    encoded = [(offer.place, *_tool(offer, claude)) for offer in offers]
    lost = [path for _, _, paths_ in encoded for path in paths_]
    losses += shortened(lost + _limit_strict([(place, tool) for place, tool, _ in encoded]))
    fields: dict[str, Any] = {"tools": [tool for _, tool, _ in encoded]}
    if choice:
        fields["tool_choice"] = choice
    return Section(fields, losses, hint)


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


def _choice(asked: Survey) -> dict[str, Any]:
    choice = asked.choice
    encoded: dict[str, Any] = {}
    if choice.name is not None:
        encoded = {"type": "tool", "name": choice.name}
    elif choice.mode is not None:
        encoded = {"type": _MODES.get(choice.mode, "auto")}
    if not asked.parallel and encoded.get("type") != "none":
        encoded = {"type": "auto", **encoded, "disable_parallel_tool_use": True}
    return encoded
