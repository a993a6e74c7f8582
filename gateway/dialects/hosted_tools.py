"""Tools that the provider runs itself: a search, a code interpreter, a reader of pages.

A client names them in the words of the API it knows. `MEANINGS` says what such a word means; each
provider has a row with the types that it takes as they are and its own tool for each meaning. A
tool that a provider lacks is left out and named as dropped, unless the request demands it: then
another model has to serve. It never becomes a function, which the model would call on the client.

Sources: Anthropic's tool types, Google's `Tool`, OpenAI's Responses tools, OpenRouter's server
tools, Groq's built-in tools of its gpt-oss models.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from gateway.hub.contracts import Unsupported
from gateway.types import Chat

Tool = dict[str, Any]

OWN_KINDS: Final = frozenset({"function", "custom"})
"""Types of tools that the client runs."""

MEANINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "web_search",
            "web_search_2*",
            "web_search_preview*",
            "google_search",
            "googleSearch",
            "google_search_retrieval",
            "googleSearchRetrieval",
            "browser_search",
            "openrouter:web_search",
        ),
        "search",
    ),
    **dict.fromkeys(
        ("code_interpreter", "code_execution", "codeExecution", "code_execution_2*"), "code"
    ),
    **dict.fromkeys(
        ("url_context", "urlContext", "web_fetch", "web_fetch_2*", "openrouter:web_fetch"), "fetch"
    ),
}
"""Pattern of a type → what the tool does."""


class Native(NamedTuple):
    """One provider's own tool."""

    tool: Mapping[str, Any]
    options: Mapping[str, str] = MappingProxyType({})
    """Option that it takes of another API's tool → the object it is in; "" for the tool itself."""


class Row(NamedTuple):
    """What one provider takes."""

    taken: tuple[str, ...] = ()
    """Patterns of types that go as the client wrote them."""
    natives: Mapping[str, Native] = MappingProxyType({})
    """Meaning → the provider's own tool."""


class Split(NamedTuple):
    """A request without its hosted tools, and what becomes of them."""

    chat: Chat
    """Functions and custom tools only; its choice means only those."""
    hosted: tuple[Tool, ...] = ()
    """Hosted tools in the provider's form."""
    forced: Tool | None = None
    """The one of them that the client demands."""
    losses: tuple[str, ...] = ()

    @property
    def only_hosted(self) -> bool:
        return bool(self.hosted) and "tools" not in self.chat

    def choice(self, chat: Chat) -> Any:
        """`tool_choice` in this format's words, where the choice is about hosted tools.

        `chat` is the request as it was. The client's own form is kept where its tool is.
        """
        choice: Any = chat.get("tool_choice")
        if self.forced is None:
            return choice if self.only_hosted and isinstance(choice, str) else None
        as_it_was = any(tool is self.forced for tool in chat["tools"])
        if as_it_was and _name(choice) == _name(self.forced) != "":
            return choice
        return {"type": self.forced.get("type")}


def is_hosted(tool: Mapping[str, Any]) -> bool:
    return tool.get("type", "function") not in OWN_KINDS


def takes(row: Row, tool: Mapping[str, Any]) -> bool:
    """Whether the provider of `row` has a hosted tool, in any form."""
    kind = str(tool.get("type"))
    return _matches(kind, row.taken) or _meaning(kind) in row.natives


def split(chat: Chat, row: Row) -> Split:
    """Takes the hosted tools out of `chat`. Raises `Unsupported` where a demanded one is lost."""
    tools = chat.get("tools", ())
    if not any(map(is_hosted, tools)):
        return Split(chat)
    choice = _Choice(chat)
    hosted: list[Tool] = []
    losses: list[str] = []
    forced: Tool | None = None
    for number, tool in enumerate(tools):
        if not is_hosted(tool) or not choice.allows(tool):
            continue
        native, lost = _encode(tool, row, f"tools.{number}")
        losses += lost
        if native is not None:
            hosted.append(native)
        if choice.names(tool):
            forced = native
            if native is None:
                raise Unsupported("tool_choice", f"this model has no tool of type {tool['type']!r}")
    if choice.wants_any and not hosted and not choice.has_own:
        raise Unsupported("tool_choice", "this model has none of these tools")
    return Split(_without(chat, choice), tuple(hosted), forced, tuple(losses))


class _Choice:
    """What `tool_choice` says about hosted tools."""

    def __init__(self, chat: Chat) -> None:
        choice = chat.get("tool_choice")
        own = [tool for tool in chat["tools"] if not is_hosted(tool)]
        self.own_names = {_name(tool) for tool in own}
        self.has_own = bool(own)
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

    def allows(self, tool: Tool) -> bool:
        if self._allowed is None:
            return True
        return any(_says(tool, str(item.get("type"))) for item in self._allowed)

    def names(self, tool: Tool) -> bool:
        return self._wanted is not None and _says(tool, self._wanted)


def _says(tool: Tool, word: str) -> bool:
    """Whether `word` is the name or the type of a hosted tool, in any API's words."""
    if word in (tool["type"], _name(tool)):
        return True
    meaning = _meaning(word)
    return meaning is not None and meaning == _meaning(tool["type"])


def _name(item: Mapping[str, Any]) -> str:
    held = item.get("function") or item.get("custom")
    return str((held if isinstance(held, Mapping) else item).get("name") or "")


def _meaning(kind: str) -> str | None:
    if kind in MEANINGS:
        return MEANINGS[kind]
    return next((what for pattern, what in MEANINGS.items() if fnmatchcase(kind, pattern)), None)


def _matches(kind: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(kind, pattern) for pattern in patterns)


def _encode(tool: Tool, row: Row, path: str) -> tuple[Tool | None, list[str]]:
    """(the tool in the provider's form or None, what is lost)."""
    if _matches(tool["type"], row.taken):
        return tool, []
    native = row.natives.get(_meaning(tool["type"]) or "")
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


def _without(chat: Chat, choice: _Choice) -> Chat:
    """`chat` with its own tools alone, and a choice that means only those."""
    own = [tool for tool in chat["tools"] if not is_hosted(tool)] if choice.has_own else []
    left = {key: value for key, value in chat.items() if key != "tools"}
    if own:
        left["tools"] = own
    if choice.is_hosted or not own:
        left.pop("tool_choice", None)
    if not own:
        left.pop("parallel_tool_calls", None)
    return left | choice.own_part(left)
