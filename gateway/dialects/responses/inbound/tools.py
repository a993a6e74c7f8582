"""Tools: declarations → the hub's, with one flat name for each, and the choice among them.

A namespace is flattened to `namespace__name`; the call goes back to the client with both parts.
Members of the namespace `functions` are bare, as the client accepts them. Built-in tools run at the
provider, so the hub has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from gateway.dialects.chat.normalize import invalid
from gateway.dialects.responses.inbound.notes import ToolKind, ToolName
from gateway.hub.losses import lost_path
from gateway.hub.tools import HUB_TOOL_NAME, digest, fit_id

BARE: Final = "functions"
"""The namespace whose members are called by their bare names."""
TOOL_SEARCH: Final = "tool_search"
NAME_CHARS_MAX: Final = 64

_MODES: Final = frozenset({"none", "auto", "required"})
_SEARCH_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"query": {"type": "string"}},
    "required": ["query"],
}


def namespace_of(item: Mapping[str, Any]) -> str | None:
    """The namespace that a call or a choice states, if it matters."""
    namespace = item.get("namespace")
    return namespace if isinstance(namespace, str) and namespace not in ("", BARE) else None


def flat_name(namespace: str | None, name: str) -> str:
    """The hub's name: a pure function of its parts, so that provider caches stay valid."""
    if namespace is None:
        return name
    return fit_id(f"{namespace}__{name}", HUB_TOOL_NAME, keep=NAME_CHARS_MAX)


def type_of(thing: Mapping[str, Any]) -> str:
    """The stated type of a tool, an item or a part; "" where none is."""
    stated = thing.get("type")
    return stated if isinstance(stated, str) else ""


def lost(where: str, thing: Mapping[str, Any]) -> str:
    """How something without an equivalent in the hub is named: `tools.web_search`, short enough for
    a header."""
    return f"{where}.{type_of(thing)[:40] or 'unknown'}"


class Toolbox:
    """The tools of one request, from its `tools` and from its input items. Of two with one name,
    the later wins."""

    def __init__(self) -> None:
        self.names: dict[str, ToolName] = {}
        """Flat name → the client's tool."""
        self.dropped: dict[str, None] = {}
        """`tools.<type>` of every tool that the hub cannot express, each once."""
        self._tools: dict[str, dict[str, Any]] = {}
        self._flat: dict[tuple[str | None, str], str] = {}
        self._bare: dict[str, str] = {}
        self._members: dict[str | None, dict[str, None]] = {}

    def tools(self) -> list[dict[str, Any]]:
        """The hub's `tools`."""
        return list(self._tools.values())

    def flat(self, namespace: str | None, name: str) -> str:
        """The hub's name of a tool, also of one that is no longer declared."""
        return self._flat.get((namespace, name)) or flat_name(namespace, name)

    def chosen(self, namespace: str | None, name: str) -> str:
        """As `flat`, for a choice: it may name a member of a namespace by its bare name."""
        return (
            self._flat.get((namespace, name)) or self._bare.get(name) or flat_name(namespace, name)
        )

    def members(self, namespace: str) -> list[str]:
        """The flat names of a namespace."""
        return list(self._members.get(None if namespace == BARE else namespace, ()))

    def declare(self, tools: Any, path: str) -> None:
        """Adds `tools`. Raises `Failed` for a value that is not a list and for a tool without a
        name."""
        if tools is None:
            return
        if not isinstance(tools, list):
            raise invalid(
                f"Invalid type for '{path}': expected an array of tools.", path, "invalid_type"
            )
        for number, tool in enumerate(tools):
            self._declare(tool, f"{path}[{number}]")

    def _declare(self, tool: Any, path: str) -> None:
        if not isinstance(tool, Mapping):
            raise invalid(f"Invalid type for '{path}': expected an object.", path, "invalid_type")
        if type_of(tool) == "namespace":
            self._namespace(tool, path)
        elif type_of(tool) == TOOL_SEARCH:
            self._search(tool)
        else:
            self._member(tool, path, None, "")

    def _member(self, tool: Any, path: str, namespace: str | None, about: str) -> None:
        """A tool that a namespace may hold."""
        declare = _MEMBERS.get(type_of(tool) or "function") if isinstance(tool, Mapping) else None
        if declare is None:
            self._drop(tool)
        else:
            declare(self, _unnested(tool), path, namespace, about)

    def _drop(self, tool: Any) -> None:
        self.dropped[lost("tools", tool if isinstance(tool, Mapping) else {})] = None

    def _namespace(self, tool: Mapping[str, Any], path: str) -> None:
        name, members = _name(tool, path), tool.get("tools")
        about = _joined("", tool.get("description"))
        namespace = None if name == BARE else name
        for number, member in enumerate(members if isinstance(members, list) else ()):
            self._member(member, f"{path}.tools[{number}]", namespace, about)

    def _function(
        self, tool: Mapping[str, Any], path: str, namespace: str | None, about: str
    ) -> None:
        flat = self._place(namespace, _name(tool, path), "function")
        function: dict[str, Any] = {"name": flat}
        description = _joined(about, tool.get("description"))
        if description:
            function["description"] = description
        if isinstance(tool.get("parameters"), Mapping):
            function["parameters"] = tool["parameters"]
        if tool.get("strict") is True:
            function["strict"] = True
        self._name_keys(tool, _OF_FUNCTIONS)
        self._tools[flat] = {"type": "function", "function": function}

    def _custom(
        self, tool: Mapping[str, Any], path: str, namespace: str | None, about: str
    ) -> None:
        flat = self._place(namespace, _name(tool, path), "custom")
        custom: dict[str, Any] = {"name": flat}
        description = _joined(about, tool.get("description"))
        if description:
            custom["description"] = description
        form = tool.get("format")
        if isinstance(form, Mapping):
            custom["format"] = _format(form)
            if form.get("type") not in ("grammar", "text"):
                self.dropped["tools.custom.format"] = None
        self._tools[flat] = {"type": "custom", "custom": custom}

    def _name_keys(self, tool: Mapping[str, Any], known: frozenset[str]) -> None:
        """Names the members of a tool that the hub's tool does not have, each once."""
        others = [key for key in tool if key not in known and tool[key] not in (None, False)]
        self.dropped.update(dict.fromkeys(lost_path("tools.function", key) for key in others))

    def _search(self, tool: Mapping[str, Any]) -> None:
        """A search that the client runs is a function; one that the provider runs is not needed:
        every deferred tool is offered at once."""
        if tool.get("execution") != "client":
            self._drop(tool)
            return
        flat = self._place(None, TOOL_SEARCH, "tool_search")
        parameters = tool.get("parameters")
        function = {
            "name": flat,
            "parameters": parameters if isinstance(parameters, Mapping) else _SEARCH_SCHEMA,
        }
        if isinstance(tool.get("description"), str):
            function["description"] = tool["description"]
        self._tools[flat] = {"type": "function", "function": function}

    def _place(self, namespace: str | None, name: str, kind: ToolKind) -> str:
        """The flat name of a tool; two tools whose parts join to the same name differ by a
        digest."""
        flat = flat_name(namespace, name)
        known = self.names.get(flat)
        if known is not None and known[:2] != (namespace, name):
            flat = f"{flat[: NAME_CHARS_MAX - 7]}_{digest(f'{namespace} {name}', 6)}"
        self.names[flat] = ToolName(namespace, name, kind)
        self._flat[namespace, name] = self._bare[name] = flat
        self._members.setdefault(namespace, {})[flat] = None
        return flat


_OF_FUNCTIONS: Final = frozenset(
    {"type", "name", "description", "parameters", "strict", "cache_control"}
    | {"defer_loading", "output_schema"}
)
"""Members of a function that change no call; a deferred one is loaded at once."""

_MEMBERS: Final[
    Mapping[str, Callable[[Toolbox, Mapping[str, Any], str, str | None, str], None]]
] = {
    "function": Toolbox._function,
    "custom": Toolbox._custom,
}
"""The tools that the hub can express; those of other types run at the provider."""


def _unnested(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tool as this API writes it, where a client nests it as chat completions do."""
    inner = tool.get(type_of(tool) or "function")
    return inner if isinstance(inner, Mapping) and "name" not in tool else tool


def _name(tool: Mapping[str, Any], path: str) -> str:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise invalid(
            f"Missing required parameter: '{path}.name'.",
            f"{path}.name",
            "missing_required_parameter",
        )
    return name


def _joined(about: str, description: Any) -> str:
    texts = (about, description if isinstance(description, str) else "")
    return "\n\n".join(text for text in texts if text)


def _format(form: Mapping[str, Any]) -> dict[str, Any]:
    if form.get("type") != "grammar":
        return {"type": "text"}
    return {
        "type": "grammar",
        "grammar": {key: form[key] for key in ("syntax", "definition") if key in form},
    }


# --- the choice -----------------------------------------------------------------------------------


class Chosen(NamedTuple):
    """What a choice is in the hub."""

    choice: Any = None
    """The hub's `tool_choice`; None where it has none."""
    losses: tuple[str, ...] = ()
    is_native_only: bool = False
    """It demands a tool, and all that it can mean run at a provider of this API."""


def decode_choice(choice: Any, box: Toolbox) -> Chosen:
    """`choice` among the tools of `box`. Raises `Failed` for a choice that nothing can satisfy."""
    if isinstance(choice, str):
        return _mode(choice, box)
    if not isinstance(choice, Mapping):
        message = "Invalid type for 'tool_choice': expected a string or an object."
        raise invalid(message, "tool_choice", "invalid_type")
    if type_of(choice) in _MODES:
        return _mode(type_of(choice), box)
    if type_of(choice) == "allowed_tools":
        return _allowed(choice, box)
    named = list(_named(choice, box))
    if len(named) == 1:
        return Chosen(named[0])
    if box.names:
        return Chosen("auto", ("tool_choice",))
    return _of_hosted(box, "'tool_choice' names a tool that is not among 'tools'.")


def _of_hosted(box: Toolbox, message: str) -> Chosen:
    """A demand for a tool that the provider runs. Raises `Failed` with `message` where the request
    has none."""
    if not box.dropped:
        raise invalid(message, "tool_choice", "invalid_value")
    return Chosen(is_native_only=True)


def _mode(choice: str, box: Toolbox) -> Chosen:
    if choice not in _MODES:
        message = f"Invalid value: {choice[:40]!r} is not a tool choice."
        raise invalid(message, "tool_choice", "invalid_value")
    if choice == "required" and not box.names:
        return _of_hosted(box, "'tool_choice' is only allowed when 'tools' are specified.")
    return Chosen(choice)


def _allowed(choice: Mapping[str, Any], box: Toolbox) -> Chosen:
    stated = choice.get("allowed_tools")
    inner = stated if isinstance(stated, Mapping) else choice
    mode = "required" if inner.get("mode") == "required" else "auto"
    offered = inner.get("tools")
    listed = (
        [item for item in offered if isinstance(item, Mapping)] if isinstance(offered, list) else []
    )
    each = {
        (type_of(item), str(_unnested(item).get("name")), namespace_of(item)): item
        for item in listed
    }
    tools = [tool for item in each.values() for tool in _named(item, box)]
    if tools:
        return Chosen({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
    if mode == "required":
        return _of_hosted(box, "'tool_choice' allows no tool that is among 'tools'.")
    return Chosen("none", ("tool_choice",))


def _named(item: Mapping[str, Any], box: Toolbox) -> Iterator[dict[str, Any]]:
    """The hub's naming of what an item of a choice names: one tool, the members of a namespace, or
    nothing."""
    for flat in _flat_names(item, box):
        kind = "custom" if flat in box.names and box.names[flat].kind == "custom" else "function"
        yield {"type": kind, kind: {"name": flat}}


def _flat_names(item: Mapping[str, Any], box: Toolbox) -> list[str]:
    kind, name = type_of(item), _unnested(item).get("name")
    if kind == TOOL_SEARCH:
        return [TOOL_SEARCH] if TOOL_SEARCH in box.names else []
    if not isinstance(name, str):
        return []
    if kind == "namespace":
        return box.members(name)
    return [box.chosen(namespace_of(item), name)] if kind in ("function", "custom") else []
