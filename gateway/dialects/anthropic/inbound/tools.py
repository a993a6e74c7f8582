"""Tools and their choice: the client's own, those that Anthropic defines, and server tools, which
the hub lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from gateway.dialects.anthropic.inbound.notes import invalid, object_at, text_at
from gateway.hub.structured_output import is_strict

DEFERRED: Final = "DeferredToolPlaceholder"
"""A tool that Claude Code lists in place of those it has not loaded; no model may call it."""

_TOOL_KEYS: Final = frozenset(
    {"type", "name", "description", "input_schema", "strict", "cache_control"}
    | {"defer_loading", "eager_input_streaming"}
)
"""Keys of a tool that lose nothing in the hub; a deferred tool is loaded at once."""

Schema = dict[str, Any]


def _object(required: Iterable[str], **properties: str) -> Schema:
    return {
        "type": "object",
        "properties": {name: {"type": type_} for name, type_ in properties.items()},
        "required": list(required),
    }


_FREE: Final[Schema] = {"type": "object", "properties": {}, "additionalProperties": True}


class _ClientTool(NamedTuple):
    """A tool that Anthropic defines and the client runs; other models need it spelled out."""

    prefix: str
    description: str
    schema: Schema


_CLIENT_TOOLS: Final = (
    _ClientTool(
        "bash_",
        "Runs a command in a persistent bash session.",
        _object((), command="string", restart="boolean"),
    ),
    _ClientTool(
        "text_editor_",
        "Views and edits text files. `command` is one of view, create, str_replace, insert.",
        _object(
            ("command", "path"),
            command="string",
            path="string",
            file_text="string",
            old_str="string",
            new_str="string",
            insert_line="integer",
            insert_text="string",
            view_range="array",
        ),
    ),
    _ClientTool(
        "memory_",
        (
            "Reads and writes memory files. `command` is one of view, create, str_replace, insert, "
            "delete, rename."
        ),
        _FREE,
    ),
    _ClientTool("computer_20", "Controls a computer's screen, mouse and keyboard.", _FREE),
)
"""Found by the beginning of the tool's type, which ends in a date."""


def decode_tools(body: Mapping[str, Any], dropped: list[str]) -> list[dict[str, Any]]:
    """The hub's tools. Adds the paths of what has no form in the hub to `dropped`."""
    found = []
    for number, tool in enumerate(body.get("tools") or ()):
        path = f"tools.{number}"
        decoded = decode_tool(object_at(tool, path), path, dropped)
        if decoded is not None:
            found.append(decoded)
    return found


def decode_tool(tool: Mapping[str, Any], path: str, dropped: list[str]) -> dict[str, Any] | None:
    """One tool as a function; None for one that only Anthropic's servers run."""
    kind = tool.get("type") or "custom"
    if kind != "custom":
        return _predefined(tool, str(kind), path, dropped)
    name = text_at(tool.get("name"), f"{path}.name")
    if name == DEFERRED:
        return None
    dropped += [f"{path}.{key}" for key in tool if key not in _TOOL_KEYS]
    function: dict[str, Any] = {"name": name, "parameters": _schema(tool, path)}
    if tool.get("description"):
        function["description"] = text_at(tool["description"], f"{path}.description")
    if tool.get("strict") is True and is_strict(function["parameters"]):
        function["strict"] = True
    elif tool.get("strict") is True:
        dropped.append(f"{path}.strict")  # OpenAI's strict mode refuses what Anthropic's takes
    return _marked({"type": "function", "function": function}, tool)


def _schema(tool: Mapping[str, Any], path: str) -> Schema:
    schema = tool.get("input_schema")
    if schema is None:
        return {"type": "object", "properties": {}}
    return object_at(schema, f"{path}.input_schema")


def _predefined(
    tool: Mapping[str, Any], kind: str, path: str, dropped: list[str]
) -> dict[str, Any] | None:
    row = next((row for row in _CLIENT_TOOLS if kind.startswith(row.prefix)), None)
    name = tool.get("name")
    if row is None or not isinstance(name, str) or not name:
        dropped.append(path)
        return None
    dropped += [f"{path}.{key}" for key in tool if key not in _TOOL_KEYS]
    function = {"name": name, "description": row.description, "parameters": row.schema}
    return _marked({"type": "function", "function": function}, tool)


def _marked(decoded: dict[str, Any], tool: Mapping[str, Any]) -> dict[str, Any]:
    mark = tool.get("cache_control")
    return {**decoded, "cache_control": mark} if mark else decoded


# --- changes in mid-conversation ------------------------------------------------------------------


def apply_changes(
    tools: list[dict[str, Any]],
    changes: Iterable[tuple[Mapping[str, Any], str]],
    dropped: list[str],
) -> list[dict[str, Any]]:
    """`tools` after the `tool_addition` and `tool_removal` blocks (block, path) of the
    conversation.

    A request has one list of tools in the hub: the one that holds at its end.
    """
    by_name = {tool["function"]["name"]: tool for tool in tools}
    removed: dict[str, dict[str, Any]] = {}
    for block, path in changes:
        tool = object_at(block.get("tool"), f"{path}.tool")
        if tool.get("type") == "tool_definition":
            definition = object_at(tool.get("definition"), f"{path}.tool.definition")
            added = decode_tool(definition, f"{path}.tool.definition", dropped)
            if added is not None:
                by_name[added["function"]["name"]] = added
            continue
        _CHANGES[block["type"]](by_name, removed, str(tool.get("name")))
    return list(by_name.values())


def _add(by_name: dict[str, Any], removed: dict[str, Any], name: str) -> None:
    if name not in by_name and name in removed:
        by_name[name] = removed[name]


def _remove(by_name: dict[str, Any], removed: dict[str, Any], name: str) -> None:
    if name in by_name:
        removed[name] = by_name.pop(name)


_CHANGES: Final[Mapping[str, Callable[[dict[str, Any], dict[str, Any], str], None]]] = {
    "tool_addition": _add,
    "tool_removal": _remove,
}
CHANGES: Final = frozenset(_CHANGES)
"""The blocks of system messages that change the list of tools."""


# --- the choice -----------------------------------------------------------------------------------

_OF_CHOICES: Final = frozenset({"type", "name", "disable_parallel_tool_use"})
_MODES: Final[Mapping[Any, str]] = {"auto": "auto", "any": "required", "none": "none"}


def decode_choice(
    body: Mapping[str, Any], tools: list[dict[str, Any]], dropped: list[str]
) -> dict[str, Any]:
    """`tool_choice` and `parallel_tool_calls` for the hub's `tools`."""
    choice = body.get("tool_choice")
    if choice is None:
        return {}
    kind = text_at(object_at(choice, "tool_choice").get("type"), "tool_choice.type")
    if kind != "tool" and kind not in _MODES:
        raise invalid("tool_choice.type", "Input should be 'auto', 'any', 'tool' or 'none'")
    dropped += [f"tool_choice.{key}" for key in choice if key not in _OF_CHOICES]
    name = text_at(choice.get("name"), "tool_choice.name") if kind == "tool" else None
    fields: dict[str, Any] = {}
    if choice.get("disable_parallel_tool_use") is True:
        fields["parallel_tool_calls"] = False
    if name is not None:
        return fields | _named(name, body, tools, dropped)
    if tools:
        return {**fields, "tool_choice": _MODES[kind]}
    if kind == "any":
        dropped.append("tool_choice")
    return {}


def _named(
    name: str, body: Mapping[str, Any], tools: list[dict[str, Any]], dropped: list[str]
) -> dict[str, Any]:
    """The choice of one tool; one that was dropped cannot be forced."""
    if any(tool["function"]["name"] == name for tool in tools):
        return {"tool_choice": {"type": "function", "function": {"name": name}}}
    if not body.get("mcp_servers") and not _may_be(name, body.get("tools") or ()):
        raise invalid("tool_choice", f"Tool '{name}' not found in provided tools")
    dropped.append("tool_choice")
    return {}


def _may_be(name: str, tools: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one of `tools` has this name, or is a set of tools with names of its own."""
    return any(tool.get("name") in (name, None) for tool in tools)
