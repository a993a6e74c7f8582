"""Function declarations, their choice, and their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.google.schemas import RULES
from gateway.hub.fields import Section
from gateway.hub.hosted_tools import Split
from gateway.hub.schemas import fit_parameters, paths, shortened
from gateway.hub.survey import Survey
from gateway.hub.tools import Choice, Naming, Offer

NAMING: Final = Naming(re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}"), length_max=128)
_MODES: Final[Mapping[str, str]] = {"auto": "AUTO", "required": "ANY", "any": "ANY", "none": "NONE"}


def encode_tools(survey: Survey) -> Section:
    """`tools` and `toolConfig`."""
    own, parts = _own_tools(survey), survey.split
    return _add_hosted(own, parts) if parts.hosted or parts.losses else own


def _own_tools(survey: Survey) -> Section:
    """The tools that the client runs."""
    if not survey.offers:
        return Section()
    losses = ["tools.custom.format"] if survey.custom_tools else []
    declared = [_declaration(offer) for offer in survey.offers]
    losses += shortened([path for _, lost in declared for path in lost])
    fields: dict[str, Any] = {
        "tools": [{"functionDeclarations": [declaration for declaration, _ in declared]}]
    }
    config = _choice(survey.choice)
    if config:
        fields["toolConfig"] = {"functionCallingConfig": config}
    if not survey.parallel:
        losses.append("parallel_tool_calls")
    return Section(fields, losses)


def _add_hosted(own: Section, parts: Split) -> Section:
    """`own`, the section of the client's tools, with the hosted tools behind them.

    A hosted tool cannot be demanded here: the model uses it when it has to.
    """
    if not parts.hosted:
        return own._replace(losses=[*own.losses, *parts.losses])
    tools = [*own.fields.get("tools", ()), *map(_hosted, parts.hosted)]
    losses = [*own.losses, *parts.losses]
    if parts.choice not in (None, "auto"):
        losses.append("tool_choice")
    if "tools" not in own.fields:
        return Section({"tools": tools}, losses)
    config = {**own.fields.get("toolConfig", {}), "includeServerSideToolInvocations": True}
    return Section({"tools": tools, "toolConfig": config}, losses)


def _hosted(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool of Google's is the key of its object."""
    kind = tool.get("type")
    return dict(tool) if kind is None else {kind: tool.get(kind) or {}}


def _declaration(offer: Offer) -> tuple[dict[str, Any], list[str]]:
    """(a function as Google takes it, what was lost). An object without properties is refused, so
    it is left out.

    There is no flag for `strict`.
    """
    function, path = offer.function, f"tools.{offer.place}"
    fitted = fit_parameters(function.get("parameters"), RULES)
    description = function.get("description") or function["name"]
    encoded: dict[str, Any] = {
        "name": offer.name,
        "description": "\n\n".join(filter(None, (description, fitted.note))),
    }
    if fitted.schema.get("properties") or fitted.schema.keys() - {
        "type",
        "properties",
        "additionalProperties",
    }:
        encoded["parametersJsonSchema"] = fitted.schema
    strict = [f"{path}.strict"] if function.get("strict") else []
    return encoded, [*paths(f"{path}.parameters", fitted.lost), *strict]


def _choice(choice: Choice) -> dict[str, Any]:
    if choice.name is not None:
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    if choice.allowed is not None:
        # VALIDATED "may answer with text", and takes a list of names where AUTO does not.
        mode = "ANY" if choice.mode == "required" else "VALIDATED"
        allowed = [name for name in choice.allowed if name]
        return {"mode": mode, "allowedFunctionNames": allowed} if allowed else {"mode": mode}
    return {} if choice.mode is None else {"mode": _MODES.get(choice.mode, "AUTO")}
