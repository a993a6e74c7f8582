"""Tools that the provider runs itself: a search, a code interpreter, a reader of pages.

A client names them in the words of the API it knows. Each provider has a row: what such words mean,
the types that it takes as they are, and its own tool for each meaning. A tool that a provider lacks
is left out and named as dropped, unless the request demands it: then another model has to serve. It
never becomes a function, which the model would call on the client.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from gateway.hub.contracts import Unsupported
from gateway.types import Chat

Tool = dict[str, Any]

OWN_KINDS: Final = frozenset({"function", "custom"})
"""Types of tools that the client runs."""


class Native(NamedTuple):
    """One provider's own tool."""

    tool: Mapping[str, Any]
    options: Mapping[str, str] = MappingProxyType({})
    """Option that it takes of another API's tool → the object it is in; "" for the tool itself."""


class Row(NamedTuple):
    """The hosted tools of one provider."""

    meanings: Mapping[str, str]
    """Pattern of a type, in any API's words → what the tool does."""
    taken: tuple[str, ...] = ()
    """Patterns of types that go as the client wrote them."""
    natives: Mapping[str, Native] = MappingProxyType({})
    """Meaning → the provider's own tool."""
    only_alone: bool = False
    """Takes them only in a request without functions and custom tools."""

    def meaning(self, kind: str) -> str | None:
        if kind in self.meanings:
            return self.meanings[kind]
        found = (what for pattern, what in self.meanings.items() if fnmatchcase(kind, pattern))
        return next(found, None)

    def takes_as_is(self, tool: Mapping[str, Any]) -> bool:
        return any(fnmatchcase(str(tool.get("type")), pattern) for pattern in self.taken)


class Split(NamedTuple):
    """A request without its hosted tools, and what becomes of them."""

    chat: Chat
    """Functions and custom tools only; its choice means only those."""
    places: Sequence[int] = ()
    """The place of each of its tools among the client's own, from 0."""
    hosted: tuple[Tool, ...] = ()
    """Hosted tools in the provider's form."""
    forced: Tool | None = None
    """The one of them that the client demands."""
    losses: tuple[str, ...] = ()
    choice: Any = None
    """`tool_choice` in this format's words, where the choice is about hosted tools."""


def is_hosted(tool: Mapping[str, Any]) -> bool:
    return tool.get("type", "function") not in OWN_KINDS


def takes(row: Row, tool: Mapping[str, Any]) -> bool:
    """Whether the provider of `row` has a hosted tool, in any form."""
    return row.takes_as_is(tool) or row.meaning(str(tool.get("type"))) in row.natives


def split(chat: Chat, row: Row) -> Split:
    """Takes the hosted tools out of `chat`. Raises `Unsupported` where a demanded one is lost."""
    tools = chat.get("tools")
    if not tools:
        return Split(chat)
    own = {place: tool for place, tool in enumerate(tools) if not is_hosted(tool)}
    if len(own) == len(tools):
        return Split(chat, range(len(tools)))
    choice = _Choice(chat.get("tool_choice"), own.values(), row)
    if row.only_alone and own:
        row = Row(row.meanings)
    encoded, losses = _encode_all(tools, own, choice, row)
    hosted = tuple(native for _, native in encoded if native is not None)
    forced = _forced(encoded, choice)
    if choice.wants_any and not (hosted or choice.has_own):
        raise Unsupported("tool_choice", "this model has none of these tools")
    kept = own if choice.has_own else {}
    return Split(
        _without_hosted(chat, [*kept.values()], choice),
        [*kept],
        hosted,
        forced,
        losses,
        choice.among_hosted(hosted, forced, is_own_form=any(tool is forced for tool in tools)),
    )


_Encoded = tuple[Tool, Tool | None]
"""A hosted tool of the client, and the provider's form of it, where it has one."""


def _encode_all(
    tools: Sequence[Tool], own: Collection[int], choice: _Choice, row: Row
) -> tuple[list[_Encoded], tuple[str, ...]]:
    """(the hosted tools that the model may call, what is lost). `own` are the places of others."""
    encoded: list[_Encoded] = []
    losses: list[str] = []
    for place, tool in enumerate(tools):
        if place not in own and choice.allows(tool):
            native, lost = _encode(tool, row, f"tools.{place}")
            encoded.append((tool, native))
            losses += lost
    return encoded, tuple(losses)


def _forced(encoded: list[_Encoded], choice: _Choice) -> Tool | None:
    """The provider's form of the tool that the request demands; None where it demands none."""
    forced = None
    for tool, native in encoded:
        if choice.names(tool):
            if native is None:
                reason = f"this model has no tool of type {tool['type']!r}"
                raise Unsupported("tool_choice", reason)
            forced = native
    return forced


class _Choice:
    """`tool_choice`, as far as it is about hosted tools."""

    def __init__(self, choice: Any, own: Collection[Tool], row: Row) -> None:
        self._row = row
        self._stated = choice
        self.own_names = {_name(tool) for tool in own}
        self.has_own = bool(own)
        self.word = choice if isinstance(choice, str) else None
        self.wants_any = choice == "required"
        self._allowed: list[Mapping[str, Any]] | None = None
        self._wanted: str | None = None
        if not isinstance(choice, dict):
            return
        if "allowed_tools" in choice:
            allowed = choice["allowed_tools"] or {}
            self._allowed = [item for item in allowed.get("tools") or () if isinstance(item, dict)]
            self.wants_any = allowed.get("mode") == "required"
            self.has_own = any(_name(item) in self.own_names for item in self._allowed)
        elif _name(choice) not in self.own_names:
            self._wanted = _name(choice) or str(choice.get("type"))

    @property
    def is_hosted(self) -> bool:
        return self._wanted is not None

    def own_part(self, chat: Chat) -> dict[str, Any]:
        """The list of allowed tools without hosted ones."""
        if self._allowed is None or "tool_choice" not in chat:
            return {}
        listed = [item for item in self._allowed if _name(item) in self.own_names]
        allowed = {**chat["tool_choice"]["allowed_tools"], "tools": listed}
        return {"tool_choice": {**chat["tool_choice"], "allowed_tools": allowed}}

    def among_hosted(
        self, hosted: Collection[Tool], forced: Tool | None, *, is_own_form: bool
    ) -> Any:
        """The choice where it is about hosted tools. The client's form of it is kept where its
        tool is."""
        if forced is None:
            return self.word if hosted and not self.has_own else None
        if is_own_form and _name(self._stated) == _name(forced) != "":
            return self._stated
        return {"type": forced.get("type")}

    def allows(self, tool: Tool) -> bool:
        if self._allowed is None:
            return True
        return any(self._says(tool, str(item.get("type"))) for item in self._allowed)

    def names(self, tool: Tool) -> bool:
        return self._wanted is not None and self._says(tool, self._wanted)

    def _says(self, tool: Tool, word: str) -> bool:
        """Whether `word` is the name or the type of a hosted tool, in any API's words."""
        if word in (tool["type"], _name(tool)):
            return True
        meaning = self._row.meaning(word)
        return meaning is not None and meaning == self._row.meaning(tool["type"])


def _name(item: Mapping[str, Any]) -> str:
    held = item.get("function") or item.get("custom")
    return str((held if isinstance(held, Mapping) else item).get("name") or "")


def _encode(tool: Tool, row: Row, path: str) -> tuple[Tool | None, list[str]]:
    """(the tool in the provider's form or None, what is lost)."""
    if row.takes_as_is(tool):
        return tool, []
    native = row.natives.get(row.meaning(tool["type"]) or "")
    if native is None:
        return None, [path]
    options = _options(tool)
    encoded = dict(native.tool)
    for key in options.keys() & native.options.keys():
        place = native.options[key]
        if place:
            encoded[place] = {**encoded.get(place, {}), key: options[key]}
        else:
            encoded[key] = options[key]
    return encoded, [f"{path}.{key}" for key in options if key not in native.options]


_NO_OPTIONS: Final = frozenset({"type", "name", "cache_control", "parameters", "filters"})


def _options(tool: Tool) -> dict[str, Any]:
    """The options of a tool, wherever its API keeps them."""
    inner = (tool.get("parameters"), tool.get("filters"), tool.get(tool["type"]))
    options = {key: tool[key] for key in tool if key not in (*_NO_OPTIONS, tool["type"])}
    for held in inner:
        options |= held if isinstance(held, dict) else {}
    return {key: value for key, value in options.items() if value not in (None, [], {})}


def _without_hosted(chat: Chat, own: list[Tool], choice: _Choice) -> Chat:
    """`chat` with `own` as its tools, and a choice that means only those."""
    left = {key: value for key, value in chat.items() if key != "tools"}
    if own:
        left["tools"] = own
    if choice.is_hosted or not own:
        left.pop("tool_choice", None)
    if not own:
        left.pop("parallel_tool_calls", None)
    return left | choice.own_part(left)
