"""Tools and tool calls of chat completions, as the different servers want them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.dialects.chat.schemas import parameter_rules, strict_rules
from gateway.hub.contracts import Unsupported
from gateway.hub.hosted_tools import Split
from gateway.hub.schemas import CLOSED, EMPTY, fit_parameters, fits, paths, shortened
from gateway.hub.tools import fit_id, function_of_custom, plain_function_call, tool_name
from gateway.types import Chat, Quirks

_ID: Final[Mapping[str, tuple[re.Pattern[str], int]]] = {
    "max40": (re.compile(r".{1,40}", re.DOTALL), 40),
    "alnum9": (re.compile(r"[A-Za-z0-9]{9}"), 9),
}


def encode_id(id_: str, quirks: Quirks) -> str:
    """A tool-call id that the server takes; a pure function, so call and result agree in every
    turn."""
    if quirks.tool_ids == "any":
        return id_
    pattern, keep = _ID[quirks.tool_ids]
    return fit_id(id_, pattern, keep=keep)


def encode_tools(
    chat: Chat, places: Iterable[int], quirks: Quirks, provider_name: str
) -> tuple[dict[str, Any], list[str]]:
    """`tools` and `tool_choice` for the server, and what it does not receive.

    `places` are the places of the tools of `chat` in the client's own list.
    """
    tools = chat.get("tools")
    if not tools:
        return {}, []
    if not quirks.tools:
        raise Unsupported("tools", "this model takes none")
    losses: list[str] = []
    choice = chat.get("tool_choice")
    if (
        isinstance(choice, dict)
        and choice.get("type") == "allowed_tools"
        and not quirks.allowed_tools
    ):
        tools, choice = _only_allowed(tools, choice)
    if quirks.tools_max and len(tools) > quirks.tools_max:
        raise Unsupported("tools", f"this model takes no more than {quirks.tools_max}")
    place_of = {id(tool): place for place, tool in zip(places, chat["tools"], strict=True)}
    encoded = [_tool(tool, quirks, provider_name, f"tools.{place_of[id(tool)]}") for tool in tools]
    body: dict[str, Any] = {"tools": [tool for tool, _ in encoded]}
    losses += shortened([path for _, lost in encoded for path in lost])
    if choice is not None:
        body["tool_choice"] = _choice(choice, quirks)
    if not quirks.custom_tools and any(tool.get("type") == "custom" for tool in tools):
        losses.append("tools.custom.format")
    return body, losses


def add_hosted(body: dict[str, Any], parts: Split, quirks: Quirks) -> dict[str, Any]:
    """`body` with the hosted tools behind the others."""
    if not parts.hosted:
        return body
    if not quirks.tools:
        raise Unsupported("tools", "this model takes none")
    choice = parts.choice
    chosen = {} if choice is None else {"tool_choice": choice}
    return {**body, **chosen, "tools": [*body.get("tools", ()), *parts.hosted]}


def function_names(hosted: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Names of hosted tools that are called like functions: the server knows no other name."""
    functions = [tool.get("function") for tool in hosted]
    return frozenset([str(each.get("name")) for each in functions if isinstance(each, Mapping)])


def _only_allowed(
    tools: list[dict[str, Any]], choice: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], str]:
    allowed = choice.get("allowed_tools") or {}
    names = {tool_name(tool) for tool in allowed.get("tools", ())}
    return [tool for tool in tools if tool_name(tool) in names], allowed.get("mode", "auto")


def _tool(
    tool: dict[str, Any], quirks: Quirks, provider_name: str, place: str
) -> tuple[dict[str, Any], list[str]]:
    if tool.get("type") == "custom":
        if quirks.custom_tools:
            return tool, []
        tool = function_of_custom(tool)
    function, losses = encode_function(tool["function"], provider_name, place)
    if not quirks.strict_tools and function.pop("strict", None):
        losses.append(f"{place}.strict")
    if quirks.tool_parameters:
        function.setdefault("parameters", EMPTY)
    encoded = {"type": "function", "function": function}
    if quirks.cache_control and "cache_control" in tool:
        encoded["cache_control"] = tool["cache_control"]
    return encoded, losses


def encode_function(
    definition: Mapping[str, Any], provider_name: str, place: str
) -> tuple[dict[str, Any], list[str]]:
    """(a function with parameters that the provider takes, what it does not receive).

    `strict` stays only with a schema that strict mode compiles: another costs a 400.
    """
    function = {key: value for key, value in definition.items() if value is not None}
    losses: list[str] = []
    if function.get("parameters"):
        fitted = fit_parameters(function["parameters"], parameter_rules(provider_name))
        function["parameters"] = fitted.schema
        losses = paths(f"{place}.parameters", fitted.lost)
        if fitted.note:
            function["description"] = "\n\n".join(
                filter(None, (function.get("description"), fitted.note))
            )
    elif function.get("strict"):
        function["parameters"] = CLOSED
    else:
        function.pop("parameters", None)
    rules = strict_rules(provider_name)
    if function.get("strict") and rules is not None and not fits(function["parameters"], rules):
        del function["strict"]
        losses.append(f"{place}.strict")
    return function, losses


def _choice(choice: Any, quirks: Quirks) -> Any:
    if isinstance(choice, dict) and choice.get("type") == "custom" and not quirks.custom_tools:
        return {"type": "function", "function": {"name": tool_name(choice)}}
    return choice


def encode_call(call: Mapping[str, Any], quirks: Quirks) -> dict[str, Any]:
    """A tool call of the history. Empty arguments become `{}`: several servers parse them."""
    id_ = encode_id(call["id"], quirks)
    if "custom" in call and quirks.custom_tools:
        return {"id": id_, "type": "custom", "custom": call["custom"]}
    plain = plain_function_call(call)
    function = {"name": plain["name"], "arguments": plain["arguments"].strip() or "{}"}
    return {"id": id_, "type": "function", "function": function}
