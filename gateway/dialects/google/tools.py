"""Function declarations, their choice, and their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.google.models import Generation
from gateway.dialects.google.schemas import RULES
from gateway.dialects.hosted_rows import GOOGLE
from gateway.dialects.hosted_tools import Row, Split, is_hosted
from gateway.hub.schemas import fit_parameters, paths, shortened
from gateway.hub.tools import fit_names, function_of_custom, plain_function_call
from gateway.types import Chat

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_MODES: Final[Mapping[str, str]] = {"auto": "AUTO", "required": "ANY", "any": "ANY", "none": "NONE"}


def fitted_names(chat: Chat) -> dict[str, str]:
    """Every tool name of the request and its history → the name Google is told."""
    offered = [_definition(tool)["name"] for tool in chat.get("tools", ())]
    called = [
        plain_function_call(call)["name"]
        for message in chat["messages"]
        for call in message.get("tool_calls", ())
    ]
    return fit_names([*offered, *called], _NAME, length_max=128)


def encode_tools(chat: Chat, names: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """(`tools` and `toolConfig`, what was lost)."""
    tools = chat.get("tools")
    if not tools:
        return {}, []
    losses = ["tools.custom.format"] if any(tool.get("type") == "custom" for tool in tools) else []
    declared = [_declaration(tool, names, f"tools.{place}") for place, tool in enumerate(tools)]
    losses += shortened([path for _, lost in declared for path in lost])
    body: dict[str, Any] = {
        "tools": [{"functionDeclarations": [declaration for declaration, _ in declared]}]
    }
    config = _choice(chat.get("tool_choice"), names)
    if config:
        body["toolConfig"] = {"functionCallingConfig": config}
    if chat.get("parallel_tool_calls") is False:
        losses.append("parallel_tool_calls")
    return body, losses


def hosted_row(chat: Chat, gemini: Generation) -> Row:
    """The hosted tools that this request may have: older generations take them only alone."""
    mixed = not all(map(is_hosted, chat.get("tools", ())))
    return GOOGLE if gemini.hosted_with_functions or not mixed else Row()


def add_hosted(body: dict[str, Any], parts: Split, chat: Chat) -> tuple[dict[str, Any], list[str]]:
    """(`body` with the hosted tools behind the functions, what was lost).

    A hosted tool cannot be demanded here: the model uses it when it has to.
    """
    losses = list(parts.losses)
    if not parts.hosted:
        return body, losses
    tools = [*body.get("tools", ()), *map(_hosted, parts.hosted)]
    if parts.choice(chat) not in (None, "auto"):
        losses.append("tool_choice")
    if "tools" not in body:
        return {"tools": tools}, losses
    config = {**body.get("toolConfig", {}), "includeServerSideToolInvocations": True}
    return {"tools": tools, "toolConfig": config}, losses


def _hosted(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool of Google's is the key of its object."""
    kind = tool.get("type")
    return dict(tool) if kind is None else {kind: tool.get(kind) or {}}


def _definition(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") == "custom":
        tool = function_of_custom(tool)
    return dict(tool["function"])


def _declaration(
    tool: Mapping[str, Any], names: Mapping[str, str], place: str
) -> tuple[dict[str, Any], list[str]]:
    """(a function as Google takes it, what was lost). An object without properties is refused, so
    it is left out.

    There is no flag for `strict`.
    """
    function = _definition(tool)
    fitted = fit_parameters(function.get("parameters"), RULES)
    description = function.get("description") or function["name"]
    encoded: dict[str, Any] = {
        "name": names[function["name"]],
        "description": "\n\n".join(filter(None, (description, fitted.note))),
    }
    if fitted.schema.get("properties") or fitted.schema.keys() - {
        "type",
        "properties",
        "additionalProperties",
    }:
        encoded["parametersJsonSchema"] = fitted.schema
    strict = [f"{place}.strict"] if function.get("strict") else []
    return encoded, [*paths(f"{place}.parameters", fitted.lost), *strict]


def _choice(choice: Any, names: Mapping[str, str]) -> dict[str, Any]:
    if isinstance(choice, str):
        return {"mode": _MODES.get(choice, "AUTO")}
    if not isinstance(choice, dict):
        return {}
    if "allowed_tools" in choice:
        allowed = choice["allowed_tools"] or {}
        listed = [
            (item.get("function") or item.get("custom") or item).get("name")
            for item in allowed.get("tools", ())
        ]
        # VALIDATED "may answer with text", and takes a list of names where AUTO does not.
        mode = "ANY" if allowed.get("mode") == "required" else "VALIDATED"
        return {"mode": mode, "allowedFunctionNames": [names.get(name, name) for name in listed]}
    name = (choice.get("function") or choice.get("custom") or {}).get("name", "")
    return {"mode": "ANY", "allowedFunctionNames": [names.get(name, name)]}
