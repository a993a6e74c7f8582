"""Tools, their choice, and their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
from gateway.hub.tools import fit_id, fit_names, function_of_custom, plain_function_call
from gateway.types import Chat

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MODES: Final[Mapping[str, str]] = {"auto": "auto", "required": "any", "any": "any", "none": "none"}


def encode_id(id_: str) -> str:
    """A tool-call id that matches `^[a-zA-Z0-9_-]+$`, the same for call and result."""
    return fit_id(id_, _ID, keep=64)


def fitted_names(chat: Chat) -> dict[str, str]:
    """Every tool name of the request and its history → the name Anthropic is told."""
    offered = [_definition(tool).get("name", "") for tool in chat.get("tools", ())]
    return fit_names([*offered, *called_names(chat)], _NAME, length_max=64)


def called_names(chat: Chat) -> list[str]:
    """Names of the tools called in the history, each once, in order."""
    calls = (call for message in chat["messages"] for call in message.get("tool_calls", ()))
    return list(dict.fromkeys(plain_function_call(call)["name"] for call in calls))


def is_forced(chat: Chat) -> bool:
    """Whether the model has to call a tool."""
    choice = chat.get("tool_choice")
    if isinstance(choice, dict):
        return (choice.get("allowed_tools") or {}).get(
            "mode"
        ) == "required" or "allowed_tools" not in choice
    return choice in ("required", "any")


def encode_tools(
    chat: Chat, names: Mapping[str, str], claude: Generation
) -> tuple[dict[str, Any], list[str], str]:
    """(`tools` and `tool_choice`, what was lost, an instruction that stands in for what cannot be
    forced)."""
    tools = chat.get("tools")
    if not tools:
        return _stubs(chat, names), [], ""
    places = {id(tool): place for place, tool in enumerate(tools)}
    choice = _choice(chat, names)
    tools = _allowed(tools, chat.get("tool_choice"))
    if not tools:
        return _stubs(chat, names), [], ""  # none of the allowed ones is offered
    losses = ["tools.custom.format"] if any(tool.get("type") == "custom" for tool in tools) else []
    first = {_definition(tool)["name"]: tool for tool in reversed(tools)}
    if len(first) < len(tools):  # "Tool names must be unique"
        tools = [tool for tool in tools if first[_definition(tool)["name"]] is tool]
        losses.append("tools.name")
    hint = ""
    if is_forced(chat) and not claude.forced_tools:
        hint = forced_hint(choice.get("name"))
        choice = {**{key: value for key, value in choice.items() if key != "name"}, "type": "auto"}
        losses.append("tool_choice")
    encoded = [
        (places[id(tool)], *_tool(tool, names, claude, f"tools.{places[id(tool)]}"))
        for tool in tools
    ]
    lost = [path for _, _, paths_ in encoded for path in paths_]
    losses += shortened(lost + _limit_strict([(place, tool) for place, tool, _ in encoded]))
    body: dict[str, Any] = {"tools": [tool for _, tool, _ in encoded]}
    if choice:
        body["tool_choice"] = choice
    return body, losses, hint


def add_hosted(
    body: dict[str, Any], parts: Split, chat: Chat, claude: Generation
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
    chosen, lost = _hosted_choice(parts, chat, claude)
    return {**body, **({"tool_choice": chosen} if chosen else {})}, losses + lost


def _hosted_name(tool: Mapping[str, Any]) -> str:
    """Every tool has a name here; that of a hosted one is its type without the date."""
    return str(tool.get("name") or re.sub(r"_\d+$", "", tool["type"]))


def _hosted_choice(
    parts: Split, chat: Chat, claude: Generation
) -> tuple[dict[str, Any], list[str]]:
    """(the choice, where it is about hosted tools, and what is lost of it)."""
    chosen: dict[str, Any] = {}
    if parts.forced is not None:
        chosen = {"type": "tool", "name": _hosted_name(parts.forced)}
    elif (word := parts.choice(chat)) in _MODES:
        chosen = {"type": _MODES[word]}
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


def _stubs(chat: Chat, names: Mapping[str, str]) -> dict[str, Any]:
    """Bare definitions for tools of the history that are no longer offered.

    "Requests which have `tool_use` or `tool_result` blocks in `messages` must define tools."
    """
    called = called_names(chat)
    if not called:
        return {}
    schema = {"type": "object", "properties": {}}
    tools = [{"name": names[name], "input_schema": schema} for name in called]
    return {"tools": tools, "tool_choice": {"type": "none"}}


def _definition(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") == "custom":
        tool = function_of_custom(tool)
    return dict(tool["function"])


def _tool(
    tool: Mapping[str, Any], names: Mapping[str, str], claude: Generation, place: str
) -> tuple[dict[str, Any], list[str]]:
    """(a tool as Anthropic takes it, what was lost). Only what is refused at the top level becomes
    words."""
    function = _definition(tool)
    parameters = function.get("parameters") or (CLOSED if function.get("strict") else EMPTY)
    fitted = fit_parameters(parameters, PARAMETERS)
    losses = paths(f"{place}.parameters", fitted.lost)
    description = "\n\n".join(
        text for text in (function.get("description") or "", fitted.note) if text
    )
    encoded: dict[str, Any] = {"name": names[function["name"]], "input_schema": fitted.schema}
    if description:
        encoded["description"] = description
    if function.get("strict"):
        if claude.strict_tools and fits(fitted.schema, STRICT):
            encoded["strict"] = True
        else:
            losses.append(f"{place}.strict")
    mark = tool.get("cache_control") or function.get("cache_control")
    if mark:
        encoded["cache_control"] = mark
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


def _choice(chat: Chat, names: Mapping[str, str]) -> dict[str, Any]:
    choice = chat.get("tool_choice")
    single = chat.get("parallel_tool_calls") is False
    encoded: dict[str, Any] = {}
    if isinstance(choice, str):
        encoded = {"type": _MODES.get(choice, "auto")}
    elif isinstance(choice, dict) and "allowed_tools" in choice:
        encoded = {"type": _MODES.get((choice["allowed_tools"] or {}).get("mode", "auto"), "auto")}
    elif isinstance(choice, dict):
        name = (choice.get("function") or choice.get("custom") or {}).get("name", "")
        encoded = {"type": "tool", "name": names.get(name, name)}
    if single and encoded.get("type") != "none":
        encoded = {"type": "auto", **encoded, "disable_parallel_tool_use": True}
    return encoded


def _allowed(tools: list[dict[str, Any]], choice: Any) -> list[dict[str, Any]]:
    if not isinstance(choice, dict) or "allowed_tools" not in choice:
        return tools
    listed = (choice["allowed_tools"] or {}).get("tools", ())
    wanted = {(item.get("function") or item.get("custom") or item).get("name") for item in listed}
    return [tool for tool in tools if _definition(tool)["name"] in wanted]
