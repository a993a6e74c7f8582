"""Tools and the choice among them, in the words of any of the APIs.

A tool is afterwards a function, a custom tool, or **hosted**: one that the provider runs itself
(`{"type": "web_search"}`), kept as the client wrote it. `hub/hosted_tools.py` decides what
becomes of it at each provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.chat.normalize.refusals import an_object, invalid, missing, wrong_type
from gateway.types import Chat

Tool = dict[str, Any]

_SCHEMAS: Final = ("parameters", "input_schema", "inputSchema")
"""What a function's schema is called: by OpenAI, by Anthropic, by the Model Context Protocol."""
_OF_THE_FUNCTION: Final = ("name", "description", "strict")
_FLAT: Final = frozenset({"type", *_OF_THE_FUNCTION, *_SCHEMAS})
_KINDS: Final = ("function", "custom")
_WORDS: Final[Mapping[str, str]] = {"any": "required"}
_MODES: Final = frozenset({"auto", "none", "required", "any"})
_NEEDS_TOOLS: Final = "'tool_choice' is only allowed when 'tools' are specified."


OF_TOOLS: Final = frozenset(
    {"functions", "function_call", "tools", "tool_choice", "parallel_tool_calls"}
)
"""The fields of a request that the functions below read or change."""


def decode_tools(chat: Chat) -> None:
    """Brings `chat["tools"]` into one form. Raises `Failed` naming the tool that has none."""
    tools = chat.get("tools")
    if tools is not None:
        chat["tools"] = [_tool(tool, f"tools[{number}]") for number, tool in enumerate(tools)]


def decode_functions(chat: Chat) -> None:
    """`functions` and `function_call`, deprecated since 2023, as tools; `tools` win."""
    functions = chat.pop("functions", None)
    choice = chat.pop("function_call", None)
    if not functions:
        return
    named = [_named(function, f"functions[{number}]") for number, function in enumerate(functions)]
    if "tools" in chat:
        return
    chat["tools"] = [{"type": "function", "function": function} for function in named]
    if isinstance(choice, dict):
        choice = {"type": "function", "function": _named(choice, "function_call")}
    if choice:
        chat["tool_choice"] = choice


def _tool(given: Any, path: str) -> Tool:
    """One tool; its type and the object that it holds decide its form."""
    tool = dict(an_object(given, path))
    kind = tool.get("type")
    if kind is not None and kind not in _KINDS:
        if not isinstance(kind, str):
            raise wrong_type(f"{path}.type", "a string")
        return tool  # hosted
    if kind == "custom":
        return _custom(tool, path)
    if kind is None and _is_bare_hosted(tool):
        (name,) = tool
        return {"type": name, **tool}
    if isinstance(tool.get("function"), dict) or "name" not in tool:
        function = _named(tool.get("function"), f"{path}.function")
        return {**tool, "type": "function", "function": _with_parameters(function)}
    return _flat(tool, path)


def _is_bare_hosted(tool: Tool) -> bool:
    """Whether the key is the tool, as Google writes it: `{"googleSearch": {}}`."""
    if len(tool) != 1:
        return False
    ((key, value),) = tool.items()
    return isinstance(value, dict) and key not in _KINDS and key not in _FLAT


def _custom(tool: Tool, path: str) -> Tool:
    """A custom tool, or what Anthropic calls one: a function."""
    if any(key in tool for key in _SCHEMAS):
        return _flat(tool, path)
    if "custom" in tool or "name" not in tool:
        inner = _named(tool.get("custom"), f"{path}.custom")
        an_object(inner.get("format") or {}, f"{path}.custom.format")
        return tool
    an_object(tool.get("format") or {}, f"{path}.format")
    custom = {key: tool[key] for key in ("name", "description") if tool.get(key) is not None}
    form = tool.get("format")
    if isinstance(form, dict) and form.get("type") == "grammar" and "grammar" not in form:
        form = {"type": "grammar", "grammar": {key: form[key] for key in form if key != "type"}}
    if form is not None:
        custom["format"] = form
    return {"type": "custom", "custom": _named(custom, path)}


def _flat(tool: Tool, path: str) -> Tool:
    """A tool that is its own function, as the Responses and the Messages API write it."""
    function = {key: tool[key] for key in _OF_THE_FUNCTION if tool.get(key) is not None}
    _named(function, path)
    kept = {key: value for key, value in tool.items() if key not in _FLAT and value is not None}
    return {
        "type": "function",
        "function": _with_parameters({**tool, **function}, function),
        **kept,
    }


def _with_parameters(source: Tool, function: Tool | None = None) -> Tool:
    """The function with its schema under `parameters`."""
    result = dict(source if function is None else function)
    stated = next((source[key] for key in _SCHEMAS if source.get(key) is not None), None)
    for key in _SCHEMAS:
        result.pop(key, None)
    return result if stated is None else {**result, "parameters": stated}


def _named(definition: Any, path: str) -> Tool:
    if not isinstance(definition, dict) or not isinstance(definition.get("name"), str):
        raise missing(f"{path}.name")
    return definition


# --- choice ---------------------------------------------------------------------------------------


def decode_choice(chat: Chat) -> None:
    """Brings `tool_choice` into one form; without tools it has to be an idle one."""
    choice = chat.get("tool_choice")
    if isinstance(choice, dict):
        _take_parallel(chat, choice)
        choice = _choice(choice)
    elif isinstance(choice, str):
        choice = _word(choice, chat.get("tools", ()))
    if choice is not None:
        chat["tool_choice"] = choice
    if "tools" not in chat:
        _drop_choice(chat)
    else:
        _check_hosted(choice, chat["tools"])


def _take_parallel(chat: Chat, choice: Mapping[str, Any]) -> None:
    """Anthropic's way to ask for one call at a time."""
    if isinstance(choice.get("disable_parallel_tool_use"), bool):
        chat.setdefault("parallel_tool_calls", not choice["disable_parallel_tool_use"])


def _word(choice: str, tools: Any) -> Any:
    if choice in _MODES:
        return _WORDS.get(choice, choice)
    if any(tool["function"]["name"] == choice for tool in tools if tool["type"] == "function"):
        return {"type": "function", "function": {"name": choice}}
    words = ", ".join(sorted(_MODES))
    message = f"Invalid value: {choice!r}. Supported values are: {words}, and a tool's name."
    raise invalid(message, "tool_choice", "invalid_value")


def _choice(choice: Mapping[str, Any]) -> Any:
    kind = choice.get("type")
    if isinstance(kind, str) and kind in _MODES:
        return _WORDS.get(kind, kind)
    if isinstance(choice.get("function"), str):
        return {"type": "function", "function": {"name": choice["function"]}}
    if kind == "allowed_tools" and "allowed_tools" not in choice:
        inner = {key: choice[key] for key in choice if key != "type"}
        return {"type": kind, "allowed_tools": inner}
    if isinstance(choice.get("name"), str) and not set(_KINDS) & set(choice):
        kind = "custom" if kind == "custom" else "function"
        return {"type": kind, kind: {"name": choice["name"]}}
    for key in _KINDS:
        if key in choice:
            _named(choice[key], f"tool_choice.{key}")
    return choice


def _check_hosted(choice: Any, tools: list[Tool]) -> None:
    """Raises `Failed` for the choice of a hosted tool where no tool is hosted."""
    if not isinstance(choice, dict) or not {*_KINDS, "allowed_tools"}.isdisjoint(choice):
        return
    if all(tool["type"] in _KINDS for tool in tools):
        text = "'tool_choice' names a tool that is not among 'tools'."
        raise invalid(text, "tool_choice", "invalid_value")


def _drop_choice(chat: Chat) -> None:
    choice = chat.pop("tool_choice", None)
    if choice == "required" or isinstance(choice, dict):
        raise invalid(_NEEDS_TOOLS, "tool_choice")
    chat.pop("parallel_tool_calls", None)
