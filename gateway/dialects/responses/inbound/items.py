"""Input items → entries of a conversation. One reader per type; an unknown type is left out and
named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.dialects.chat.normalize import invalid
from gateway.dialects.responses.inbound.order import Call, Entry, Said, Text, ToolOutput
from gateway.dialects.responses.inbound.parts import decode_content
from gateway.dialects.responses.inbound.reasoning import Thought, decode_thought, summary_in
from gateway.dialects.responses.inbound.tools import (
    BARE,
    TOOL_SEARCH,
    Toolbox,
    lost,
    namespace_of,
    type_of,
)
from gateway.hub import exact_json
from gateway.hub.losses import ECHOES, lost_path
from gateway.hub.tools import arguments_text, digest

Item = Mapping[str, Any]

SUMMARY: Final = "Summary of the conversation so far:\n\n"
"""Precedes the text of a compaction item."""

_OF_MESSAGES: Final = (ECHOES - {"function_call"}) | {
    *("role", "content", "phase", "internal_chat_message_metadata_passthrough")
}
"""Keys of a message: its own, what clients send back of an answer, and Codex's marks."""
_SPEAKERS: Final = frozenset({"user", "system", "developer"})
_ROLES: Final = ("assistant", "developer", "system", "user")
_SHOWN_CHARS_MAX: Final = 2_000
"""How much of the output of a provider's own tool is repeated to another model."""


class Reader:
    """Reads the items of one request."""

    def __init__(self, box: Toolbox) -> None:
        self.dropped: dict[str, None] = {}
        """`input.<type>` of what the hub cannot express, each once."""
        self._box = box

    def read(self, items: Sequence[Item]) -> list[Entry]:
        """The entries of `items`. Raises `Failed` for an item that cannot be meant."""
        return [
            entry
            for number, item in enumerate(items)
            for entry in self._read(item, f"input[{number}]")
        ]

    def _read(self, item: Any, path: str) -> list[Entry]:
        if not isinstance(item, Mapping):
            raise invalid(f"Invalid type for '{path}': expected an object.", path, "invalid_type")
        kind = kind_of(item)
        read = _READERS.get(kind)
        if read is not None:
            return read(self, item, path)
        if kind not in _ELSEWHERE:
            return self._lost(item)
        return []

    def _lost(self, item: Item) -> list[Entry]:
        """Names an item that the hub cannot express, or not all of it."""
        self.dropped[lost("input", item)] = None
        return []

    def _content(self, item: Item, key: str, path: str) -> Any:
        found = decode_content(item.get(key), f"{path}.{key}")
        self.dropped.update(dict.fromkeys(found.dropped))
        return found

    # --- messages ---------------------------------------------------------------------------------

    def _message(self, item: Item, path: str) -> list[Entry]:
        role = item.get("role")
        if role == "tool":  # as chat completions write an output
            return self._output(
                {**item, "call_id": item.get("tool_call_id"), "output": item.get("content")}, path
            )
        if role not in _ROLES:
            known = ", ".join(_ROLES)
            shown = repr(role[:40]) if isinstance(role, str) else _json(role)[:40]
            message = f"Invalid value: {shown}. Supported values are: {known}."
            raise invalid(message, f"{path}.role", "invalid_value")
        content = self._content(item, "content", path)
        self._name_keys(item)
        if role in _SPEAKERS:
            return [Said({"role": role, "content": content.value()})]
        thoughts: list[Entry] = [Thought(text) for text in content.thoughts]
        return [*thoughts, Text(content.parts)] if content.parts else thoughts

    def _name_keys(self, item: Item) -> None:
        """Names what a message says beyond this API: calls, as chat completions write them."""
        others = [key for key in item if key not in _OF_MESSAGES and item[key]]
        self.dropped.update(dict.fromkeys(lost_path("input.message", key) for key in others))

    def _reasoning(self, item: Item, path: str) -> list[Entry]:
        return [decode_thought(item)]

    def _agent_message(self, item: Item, path: str) -> list[Entry]:
        head = {
            "type": "text",
            "text": f"From {_named(item, 'author')} to {_named(item, 'recipient')}:",
        }
        return [
            Said({"role": "user", "content": [head, *self._content(item, "content", path).parts]})
        ]

    def _compaction(self, item: Item, path: str) -> list[Entry]:
        summary = summary_in(item.get("encrypted_content"))
        if summary is None:
            return self._lost(item)
        return [Said({"role": "developer", "content": SUMMARY + summary})]

    # --- tool calls -------------------------------------------------------------------------------

    def _function_call(self, item: Item, path: str) -> list[Entry]:
        arguments = item.get("arguments")
        text = arguments if isinstance(arguments, str) else _json(arguments or {})
        return [self._function(item, self._flat(item, path), text, path)]

    def _custom_call(self, item: Item, path: str) -> list[Entry]:
        id_, text = _id(item, path), item.get("input")
        custom = {
            "name": self._flat(item, path),
            "input": text if isinstance(text, str) else arguments_text(text),
        }
        return [Call(id_, {"id": id_, "type": "custom", "custom": custom})]

    def _search_call(self, item: Item, path: str) -> list[Entry]:
        if not item.get("call_id"):
            return self._lost(item)  # the provider ran it
        return [self._function(item, TOOL_SEARCH, _json(item.get("arguments") or {}), path)]

    def _shell_call(self, item: Item, path: str) -> list[Entry]:
        """A built-in tool that the client ran: a function of the same name, with the action as its
        arguments."""
        name = kind_of(item).removesuffix("_call")
        return [
            self._function(
                item, name, _json(item.get("action") or item.get("operation") or {}), path
            )
        ]

    def _function(self, item: Item, name: str, arguments: str, path: str) -> Call:
        id_ = _id(item, path)
        function = {"name": name, "arguments": arguments}
        return Call(id_, {"id": id_, "type": "function", "function": function})

    def _flat(self, item: Item, path: str) -> str:
        name = item.get("name")
        if not isinstance(name, str):
            message = f"Missing required parameter: '{path}.name'."
            raise invalid(message, f"{path}.name", "missing_required_parameter")
        return self._box.flat(namespace_of(item), name)

    # --- outputs ----------------------------------------------------------------------------------

    def _output(self, item: Item, path: str) -> list[Entry]:
        value = item.get("output")
        if value is None and kind_of(item) == "apply_patch_call_output":
            return [ToolOutput(_output_id(item), str(item.get("status") or ""))]
        if _is_content(value):
            return [ToolOutput(_output_id(item), self._content(item, "output", path).value())]
        return [ToolOutput(_output_id(item), _json(value))]

    def _search_output(self, item: Item, path: str) -> list[Entry]:
        """The tools it found are declared elsewhere; the model reads what they are."""
        if not item.get("call_id"):
            return self._lost(item)
        return [ToolOutput(_output_id(item), _json([*self._listed(item.get("tools"), None)]))]

    def _listed(self, tools: Any, namespace: str | None) -> Iterator[dict[str, str]]:
        """Names, as the model calls them, and descriptions."""
        for tool in tools if isinstance(tools, list) else ():
            name = tool.get("name") if isinstance(tool, Mapping) else None
            if not isinstance(name, str):
                continue
            if namespace is None and type_of(tool) == "namespace":
                yield from self._listed(tool.get("tools"), name)
                continue
            listed = {"name": self._box.flat(None if namespace == BARE else namespace, name)}
            about = tool.get("description")
            yield {**listed, "description": about} if isinstance(about, str) else listed

    # --- what a provider ran ----------------------------------------------------------------------

    def _mcp_call(self, item: Item, path: str) -> list[Entry]:
        found = str(item.get("output") or "")
        said = f"[Called {_named(item, 'name')} of {_named(item, 'server_label')}: {found}"
        asked = item.get("arguments") not in (None, "", "{}")
        if asked or item.get("error") or len(said) > _SHOWN_CHARS_MAX:
            self._lost(item)
        return [Text([{"type": "text", "text": said[:_SHOWN_CHARS_MAX] + "]"}])]

    def _web_search(self, item: Item, path: str) -> list[Entry]:
        action = item.get("action")
        query = action.get("query") if isinstance(action, Mapping) else None
        if not isinstance(query, str):
            return self._lost(item)
        if len(query) > _SHOWN_CHARS_MAX:
            self._lost(item)
        return [
            Text([{"type": "text", "text": f"[Searched the web for: {query[:_SHOWN_CHARS_MAX]}]"}])
        ]


_READERS: Final[Mapping[str, Callable[[Reader, Item, str], list[Entry]]]] = {
    "message": Reader._message,
    "reasoning": Reader._reasoning,
    "agent_message": Reader._agent_message,
    "compaction": Reader._compaction,
    "function_call": Reader._function_call,
    "custom_tool_call": Reader._custom_call,
    "tool_search_call": Reader._search_call,
    "local_shell_call": Reader._shell_call,
    "shell_call": Reader._shell_call,
    "apply_patch_call": Reader._shell_call,
    "function_call_output": Reader._output,
    "custom_tool_call_output": Reader._output,
    "local_shell_call_output": Reader._output,
    "shell_call_output": Reader._output,
    "apply_patch_call_output": Reader._output,
    "tool_search_output": Reader._search_output,
    "mcp_call": Reader._mcp_call,
    "web_search_call": Reader._web_search,
}
_ELSEWHERE: Final = frozenset({"additional_tools", "configuration_update", "compaction_trigger"})
"""Items that say something about the request, which `requests.py` reads."""


def kind_of(item: Mapping[str, Any]) -> str:
    """The type of an item. One without a type but with a role is a message; one with an id alone is
    a reference."""
    stated = type_of(item)
    if stated:
        return stated
    if "role" in item:
        return "message"
    return "item_reference" if isinstance(item.get("id"), str) else ""


def _id(item: Item, path: str) -> str:
    """The id by which outputs name a call; made of its place and content where the client leaves it
    out."""
    stated = item.get("call_id") or item.get("id")
    return str(stated) if stated else "call_" + digest(path + _json(item), 24)


def _output_id(item: Item) -> str | None:
    """The id of the call; the output of a local shell has it as its own."""
    own = item.get("id") if kind_of(item) == "local_shell_call_output" else None
    stated = item.get("call_id") or own
    return str(stated) if stated else None


def _is_content(value: Any) -> bool:
    """Whether an output is text or parts; anything else (the results of a shell) is shown as
    JSON."""
    if value is None or isinstance(value, str):
        return True
    return isinstance(value, list) and all(
        isinstance(part, str) or _has_type(part) for part in value
    )


def _has_type(part: Any) -> bool:
    return isinstance(part, Mapping) and bool(type_of(part))


def _named(item: Item, key: str) -> str:
    """A name for the text that a model reads."""
    name = item.get(key)
    return name if isinstance(name, str) and name else "unknown"


def _json(value: Any) -> str:
    return exact_json.dumps(value).decode()
