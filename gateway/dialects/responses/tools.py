"""Tools, flattened; this API knows custom tools and allowed tools itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.chat.tools import encode_function
from gateway.hub.fields import Section
from gateway.hub.hosted_tools import Split
from gateway.hub.schemas import EMPTY, shortened
from gateway.hub.survey import Survey
from gateway.hub.tools import HUB_TOOL_NAME, Naming, Offer

NAMING: Final = Naming(HUB_TOOL_NAME, length_max=64)


def encode_tools(survey: Survey, provider_name: str) -> Section:
    """`tools` and `tool_choice`."""
    own, parts = _own_tools(survey, provider_name), survey.split
    return _add_hosted(own, parts) if parts.hosted or parts.losses else own


def _own_tools(survey: Survey, provider_name: str) -> Section:
    """The tools that the client runs."""
    if not survey.offers:
        return Section()
    encoded = [
        _function(offer, provider_name) if offer.custom is None else (_custom(offer), [])
        for offer in survey.offers
    ]
    fields: dict[str, Any] = {"tools": [tool for tool, _ in encoded]}
    choice = _choice(survey)
    if choice is not None:
        fields["tool_choice"] = choice
    return Section(fields, shortened([path for _, lost in encoded for path in lost]))


def _add_hosted(own: Section, parts: Split) -> Section:
    """`own`, the section of the client's tools, with the hosted tools behind them."""
    losses = [*own.losses, *parts.losses]
    if not parts.hosted:
        return own._replace(losses=losses)
    chosen = {} if parts.choice is None else {"tool_choice": parts.choice}
    tools = [*own.fields.get("tools", ()), *map(_hosted, parts.hosted)]
    return Section({**own.fields, **chosen, "tools": tools}, losses)


def _hosted(tool: dict[str, Any]) -> dict[str, Any]:
    """A code interpreter needs a container here, where other servers have a default."""
    if tool["type"] == "code_interpreter":
        return {"container": {"type": "auto"}, **tool}
    return tool


def _function(offer: Offer, provider_name: str) -> tuple[dict[str, Any], list[str]]:
    """`strict` is stated: left out, this API makes schemas strict, which chat completions does
    not."""
    function, losses = encode_function(offer.function, provider_name, f"tools.{offer.place}")
    encoded = {
        "type": "function",
        "name": offer.name,
        "parameters": function.get("parameters") or EMPTY,
        "strict": bool(function.get("strict")),
    }
    if function.get("description"):
        encoded["description"] = function["description"]
    return encoded, losses


def _custom(offer: Offer) -> dict[str, Any]:
    custom = offer.custom or {}
    encoded: dict[str, Any] = {"type": "custom", "name": offer.name}
    if custom.get("description"):
        encoded["description"] = custom["description"]
    form = custom.get("format") or {}
    grammar = form.get("grammar")
    encoded["format"] = {"type": "grammar", **grammar} if grammar else {"type": "text"}
    return encoded


def _choice(survey: Survey) -> Any:
    choice = survey.choice
    if choice.allowed is not None:
        tools = [_named(name, survey) for name in choice.allowed]
        return {"type": "allowed_tools", "mode": choice.mode, "tools": tools}
    return choice.mode if choice.name is None else _named(choice.name, survey)


def _named(name: str, survey: Survey) -> Mapping[str, Any]:
    is_custom = survey.client_names.get(name, name) in survey.custom_tools
    return {"type": "custom" if is_custom else "function", "name": name}
