"""Tools, flattened; this API knows custom tools and allowed tools itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.chat.tools import encode_function
from gateway.dialects.hosted_tools import Split
from gateway.hub.schemas import EMPTY, shortened
from gateway.types import Chat


def encode_tools(chat: Chat, provider_name: str) -> tuple[dict[str, Any], list[str]]:
    """(`tools` and `tool_choice`, what was lost)."""
    tools = chat.get("tools")
    if not tools:
        return {}, []
    encoded = [
        (_custom(tool), [])
        if tool.get("type") == "custom"
        else _function(tool, provider_name, f"tools.{place}")
        for place, tool in enumerate(tools)
    ]
    body: dict[str, Any] = {"tools": [tool for tool, _ in encoded]}
    if "tool_choice" in chat:
        body["tool_choice"] = _choice(chat["tool_choice"])
    return body, shortened([path for _, lost in encoded for path in lost])


def add_hosted(body: dict[str, Any], parts: Split, chat: Chat) -> dict[str, Any]:
    """`body` with the hosted tools behind the others. `chat` is the request with all of them."""
    if not parts.hosted:
        return body
    choice = parts.choice(chat)
    chosen = {} if choice is None else {"tool_choice": choice}
    hosted = [_hosted(tool) for tool in parts.hosted]
    return {**body, **chosen, "tools": [*body.get("tools", ()), *hosted]}


def _hosted(tool: dict[str, Any]) -> dict[str, Any]:
    """A code interpreter needs a container here, where other servers have a default."""
    if tool["type"] == "code_interpreter":
        return {"container": {"type": "auto"}, **tool}
    return tool


def _function(
    tool: Mapping[str, Any], provider_name: str, place: str
) -> tuple[dict[str, Any], list[str]]:
    """`strict` is stated: left out, this API makes schemas strict, which chat completions does
    not."""
    function, losses = encode_function(tool["function"], provider_name, place)
    encoded = {
        "type": "function",
        "name": function["name"],
        "parameters": function.get("parameters") or EMPTY,
        "strict": bool(function.get("strict")),
    }
    if function.get("description"):
        encoded["description"] = function["description"]
    return encoded, losses


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
