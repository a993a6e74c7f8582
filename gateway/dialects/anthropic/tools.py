"""Tools, their choice, and their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from gateway.dialects.anthropic.models import Generation
from gateway.hub.tools import fit_id, fit_names, function_of_custom, plain_function_call
from gateway.types import Chat

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OLD: Final = re.compile(rb'"items":\[|"(?:exclusive(?:Min|Max)imum|required)":(?:true|false)')
"""What older drafts of JSON Schema say otherwise, as JSON text: most schemas need no closer look."""
_DATA: Final = frozenset({"const", "default", "enum", "example", "examples"})
"""Keywords that hold values, which look like schemas at most."""
_BOUNDS: Final = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))
_COMBINED: Final = ("anyOf", "oneOf", "allOf")
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
        return (choice.get("allowed_tools") or {}).get("mode") == "required" or "allowed_tools" not in choice
    return choice in ("required", "any")


def encode_tools(chat: Chat, names: Mapping[str, str], claude: Generation) -> tuple[dict[str, Any], list[str], str]:
    """(`tools` and `tool_choice`, what was lost, an instruction that stands in for what cannot be forced)."""
    tools = chat.get("tools")
    if not tools:
        return _stubs(chat, names), [], ""
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
    body: dict[str, Any] = {"tools": [_tool(tool, names) for tool in tools]}
    if choice:
        body["tool_choice"] = choice
    return body, losses, hint


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


def _tool(tool: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    function = _definition(tool)
    schema, note = _input_schema(function.get("parameters"))
    description = "\n\n".join(text for text in (function.get("description") or "", note) if text)
    encoded = {"name": names[function["name"]], "input_schema": schema}
    if description:
        encoded["description"] = description
    mark = tool.get("cache_control") or function.get("cache_control")
    if mark:
        encoded["cache_control"] = mark
    return encoded


def _input_schema(parameters: Any) -> tuple[dict[str, Any], str]:
    """The schema as it is; only what the API refuses at its top level becomes words."""
    if not isinstance(parameters, dict) or not parameters:
        return {"type": "object", "properties": {}}, ""
    refused = {key: parameters[key] for key in _COMBINED if key in parameters}
    schema = {key: value for key, value in parameters.items() if key not in refused}
    if _OLD.search(orjson.dumps(schema)):
        schema = _modern(schema)
    schema["type"] = "object"
    note = "The input must also satisfy: " + orjson.dumps(refused).decode() if refused else ""
    return schema, note


def _modern(schema: Any) -> Any:
    """A schema of an older draft in the current one's words.

    "JSON schema is invalid. It must match JSON Schema draft 2020-12": many a tool describes pairs as a list of `items`
    (draft 7), or an open end as `exclusiveMinimum: true` (draft 4), and costs every tool beside it a 400.
    """
    if isinstance(schema, list):
        return [_modern(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: value if key in _DATA else _modern(value) for key, value in schema.items()}
    if isinstance(result.get("items"), list):
        result["prefixItems"] = result.pop("items")
        if "additionalItems" in result:
            result["items"] = result.pop("additionalItems")
    for exclusive, bound in _BOUNDS:
        if isinstance(result.get(exclusive), bool) and result.pop(exclusive) and bound in result:
            result[exclusive] = result.pop(bound)
    if isinstance(result.get("required"), bool):
        del result["required"]
    return result


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
