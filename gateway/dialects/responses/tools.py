"""Tools, flattened; this API knows custom tools and allowed tools itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.types import Chat


def encode_tools(chat: Chat) -> dict[str, Any]:
    """`tools` and `tool_choice`."""
    tools = chat.get("tools")
    if not tools:
        return {}
    body: dict[str, Any] = {
        "tools": [_custom(tool) if tool.get("type") == "custom" else _function(tool) for tool in tools]
    }
    if "tool_choice" in chat:
        body["tool_choice"] = _choice(chat["tool_choice"])
    return body


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    """`strict` is stated: left out, this API makes schemas strict, which chat completions does not."""
    function = tool["function"]
    encoded = {
        "type": "function",
        "name": function["name"],
        "parameters": function.get("parameters") or {"type": "object", "properties": {}},
        "strict": bool(function.get("strict")),
    }
    if function.get("description"):
        encoded["description"] = function["description"]
    return encoded


def _custom(tool: Mapping[str, Any]) -> dict[str, Any]:
    custom = tool["custom"]
    encoded = {key: custom[key] for key in ("name", "description") if custom.get(key)}
    form = custom.get("format") or {"type": "text"}
    grammar = form.get("grammar")
    encoded["format"] = {"type": "grammar", **grammar} if grammar else {"type": "text"}
    return {"type": "custom", **encoded}


def _choice(choice: Any) -> Any:
    if not isinstance(choice, Mapping):
        return choice
    if "allowed_tools" in choice:
        allowed = choice["allowed_tools"] or {}
        tools = [_named(item) for item in allowed.get("tools", ())]
        return {"type": "allowed_tools", "mode": allowed.get("mode", "auto"), "tools": tools}
    return _named(choice)


def _named(item: Mapping[str, Any]) -> dict[str, Any]:
    kind = "custom" if "custom" in item else "function"
    return {"type": kind, "name": (item.get(kind) or item).get("name", "")}
