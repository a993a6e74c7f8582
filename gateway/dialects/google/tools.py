"""Function declarations, their choice, and their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.dialects.google.models import Generation
from gateway.dialects.google.schemas import RULES
from gateway.dialects.hosted_rows import GOOGLE
from gateway.dialects.hosted_tools import Row, Split, is_hosted
from gateway.hub.schemas import fit_parameters, paths, shortened
from gateway.hub.survey import Choice, Offer, Survey
from gateway.hub.tools import fit_names

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_MODES: Final[Mapping[str, str]] = {"auto": "AUTO", "required": "ANY", "any": "ANY", "none": "NONE"}


def fitted_names(names: Iterable[str]) -> dict[str, str]:
    """The client's tool names → the names that Google is sent."""
    return fit_names(names, _NAME, length_max=128)


def encode_tools(survey: Survey, names: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """(`tools` and `toolConfig`, what was lost)."""
    if not survey.offers:
        return {}, []
    losses = ["tools.custom.format"] if survey.custom_tools else []
    declared = [_declaration(offer, names) for offer in survey.offers]
    losses += shortened([path for _, lost in declared for path in lost])
    body: dict[str, Any] = {
        "tools": [{"functionDeclarations": [declaration for declaration, _ in declared]}]
    }
    config = _choice(survey.choice, names)
    if config:
        body["toolConfig"] = {"functionCallingConfig": config}
    if not survey.parallel:
        losses.append("parallel_tool_calls")
    return body, losses


def hosted_row(tools: Iterable[Mapping[str, Any]], gemini: Generation) -> Row:
    """The hosted tools that this request may have: older generations take them only alone."""
    mixed = not all(map(is_hosted, tools))
    return GOOGLE if gemini.hosted_with_functions or not mixed else Row()


def add_hosted(body: dict[str, Any], parts: Split) -> tuple[dict[str, Any], list[str]]:
    """(`body` with the hosted tools behind the functions, what was lost).

    A hosted tool cannot be demanded here: the model uses it when it has to.
    """
    losses = list(parts.losses)
    if not parts.hosted:
        return body, losses
    tools = [*body.get("tools", ()), *map(_hosted, parts.hosted)]
    if parts.choice not in (None, "auto"):
        losses.append("tool_choice")
    if "tools" not in body:
        return {"tools": tools}, losses
    config = {**body.get("toolConfig", {}), "includeServerSideToolInvocations": True}
    return {"tools": tools, "toolConfig": config}, losses


def _hosted(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool of Google's is the key of its object."""
    kind = tool.get("type")
    return dict(tool) if kind is None else {kind: tool.get(kind) or {}}


def _declaration(offer: Offer, names: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """(a function as Google takes it, what was lost). An object without properties is refused, so
    it is left out.

    There is no flag for `strict`.
    """
    function, path = offer.function, f"tools.{offer.place}"
    fitted = fit_parameters(function.get("parameters"), RULES)
    description = function.get("description") or offer.name
    encoded: dict[str, Any] = {
        "name": names[offer.name],
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


def _choice(choice: Choice, names: Mapping[str, str]) -> dict[str, Any]:
    if choice.name is not None:
        return {"mode": "ANY", "allowedFunctionNames": [names.get(choice.name, choice.name)]}
    if choice.allowed is not None:
        # VALIDATED "may answer with text", and takes a list of names where AUTO does not.
        mode = "ANY" if choice.mode == "required" else "VALIDATED"
        allowed = [names.get(name, name) for name in choice.allowed if name]
        return {"mode": mode, "allowedFunctionNames": allowed} if allowed else {"mode": mode}
    return {} if choice.mode is None else {"mode": _MODES.get(choice.mode, "AUTO")}
