"""Tools, for every dialect: names and ids that fit, offers and the choice among them, calls with
arguments that parse.

Everything here is a pure function of its input, so that every turn of a conversation agrees,
whichever model it goes to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from gateway.hub import exact_json, halves
from gateway.types import Chat


class Naming(NamedTuple):
    """The names that tools may have at a provider."""

    pattern: re.Pattern[str]
    length_max: int
    """The length to which a name is cut that does not match."""


HUB_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""The name of a tool on chat completions and on OpenAI's Responses API."""

CUSTOM_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "input": {"type": "string", "description": "The whole input of the tool, as plain text."}
    },
    "required": ["input"],
    "additionalProperties": False,
}
"""How a tool of type `custom` looks where only functions are known."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def digest(text: str, length: int) -> str:
    """`length` letters and digits that depend on nothing but `text`."""
    number = int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")
    letters = []
    for _ in range(length):
        number, letter = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[letter])
    return "".join(letters)


def fit_id(id_: str, pattern: re.Pattern[str], *, keep: int) -> str:
    """`id_` if it matches `pattern`, else a replacement: its first legal characters and a digest,
    `keep` long."""
    if pattern.fullmatch(id_):
        return id_
    if keep <= 16:
        return digest(id_, keep)
    head = re.sub(r"[^A-Za-z0-9_-]", "_", id_)[: keep - 17]
    return f"{head}_{digest(id_, 16)}" if head else digest(id_, 16)


def fit_names(names: Iterable[str], pattern: re.Pattern[str], *, length_max: int) -> dict[str, str]:
    """The client's tool names → names that match `pattern`; unchanged ones included, no two
    alike."""
    taken: set[str] = set()
    fitted: dict[str, str] = {}
    for name in names:
        if name in fitted:
            continue
        candidate = name
        if not pattern.fullmatch(name):
            candidate = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:length_max] or "_"
            if not pattern.fullmatch(candidate):
                candidate = ("_" + candidate)[:length_max]
        if candidate in taken:
            candidate = f"{candidate[: length_max - 7]}_{digest(name, 6)}"
        taken.add(candidate)
        fitted[name] = candidate
    return fitted


def reverse_names(fitted: Mapping[str, str]) -> dict[str, str]:
    """Names as sent → as the client wrote them, for those that differ."""
    return {sent: name for name, sent in fitted.items() if sent != name}


def with_fitted_names(
    chat: Chat, pattern: re.Pattern[str], *, length_max: int, keep: frozenset[str] = frozenset()
) -> tuple[Chat, dict[str, str]]:
    """(`chat` with tool names that match `pattern`, in offers, choice and history; names as sent →
    the client's).

    Names in `keep` stay as they are.
    """
    calls = [call for message in chat["messages"] for call in message.get("tool_calls", ())]
    if not calls and "tools" not in chat:
        return chat, {}
    definitions = [_definition(item) for item in (*chat.get("tools", ()), *calls)]
    stated = (definition.get("name") or "" for definition in definitions)
    names = [name for name in stated if name not in keep]
    if all(pattern.fullmatch(name) for name in names):
        return chat, {}
    fitted = fit_names(names, pattern, length_max=length_max)
    renamed = {**chat, "messages": [_fit_calls(message, fitted) for message in chat["messages"]]}
    if "tools" in chat:
        renamed["tools"] = [_fit(tool, fitted) for tool in chat["tools"]]
    choice = chat.get("tool_choice")
    if isinstance(choice, Mapping):
        allowed = choice.get("allowed_tools")
        if isinstance(allowed, Mapping):
            listed = [_fit(tool, fitted) for tool in allowed.get("tools", ())]
            renamed["tool_choice"] = {**choice, "allowed_tools": {**allowed, "tools": listed}}
        else:
            renamed["tool_choice"] = _fit(choice, fitted)
    return renamed, reverse_names(fitted)


def _definition(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object that names the tool in an offer, a choice or a call."""
    return item.get("custom") or item.get("function") or {}


def _fit(item: Mapping[str, Any], fitted: Mapping[str, str]) -> dict[str, Any]:
    definition = _definition(item)
    if not definition:
        return dict(item)
    kind = "custom" if item.get("custom") else "function"
    name = definition.get("name") or ""
    return {**item, kind: {**definition, "name": fitted.get(name, name)}}


def _fit_calls(message: dict[str, Any], fitted: Mapping[str, str]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    return {**message, "tool_calls": [_fit(call, fitted) for call in calls]} if calls else message


# --- offers, and the choice among them ------------------------------------------------------------


def function_of_custom(tool: Mapping[str, Any]) -> dict[str, Any]:
    """`{"type": "custom", "custom": {...}}` as a function of one string; the grammar goes into the
    description."""
    custom = tool.get("custom") or {}
    description = custom.get("description") or ""
    grammar = ((custom.get("format") or {}).get("grammar") or {}).get("definition")
    if grammar:
        description = f"{description}\n\nThe input must follow this grammar:\n{grammar}".strip()
    function = {"name": custom.get("name", ""), "parameters": dict(CUSTOM_SCHEMA)}
    if description:
        function["description"] = description
    return {"type": "function", "function": function}


def as_function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """The function that a tool of the client is; a custom tool is one of one string."""
    custom = tool.get("type") == "custom"
    function: Mapping[str, Any] = (function_of_custom(tool) if custom else tool)["function"]
    return function


def tool_name(item: Mapping[str, Any]) -> str:
    """The tool that an offer, a choice, a list of allowed tools or a tool call names; "" where it
    names none."""
    return str((item.get("function") or item.get("custom") or item).get("name") or "")


class Offer(NamedTuple):
    """A tool that the client runs."""

    name: str
    """As it is sent."""
    place: int
    """Its place among the client's own tools, from 0."""
    function: Mapping[str, Any]
    """`name`, `description`, `parameters`, `strict`; of a custom tool, the function of one
    string."""
    custom: Mapping[str, Any] | None
    """The client's object of a tool of type `custom`."""
    cache_control: Any = None


def read_offers(
    tools: Iterable[Mapping[str, Any]],
    places: Iterable[int],
    functions: Iterable[Mapping[str, Any]],
    names: Mapping[str, str],
) -> list[Offer]:
    """`tools` with their places and their functions; `names` are the names as they are sent."""
    return [
        Offer(
            names[function["name"]],
            place,
            function,
            tool["custom"] if tool.get("type") == "custom" else None,
            tool.get("cache_control") or function.get("cache_control"),
        )
        for tool, place, function in zip(tools, places, functions, strict=True)
    ]


class Choice(NamedTuple):
    """The choice that `tool_choice` states. Names are as the client wrote them."""

    mode: str | None = None
    """`auto`, `none`, `required` or another word; None where the request has no choice or names a
    tool."""
    name: str | None = None
    """The tool that the model has to call; "" for one that has no name."""
    allowed: tuple[str, ...] | None = None
    """The tools that the model may call; None where it may call all of them."""

    @property
    def is_forced(self) -> bool:
        """Whether the model has to call a tool."""
        if self.allowed is not None:
            return self.mode == "required"
        return self.name is not None or self.mode in ("required", "any")

    def fitted(self, names: Mapping[str, str]) -> Choice:
        """The same choice with the names as they are sent."""
        allowed = self.allowed and tuple(names.get(name, name) for name in self.allowed)
        name = self.name and names.get(self.name, self.name)
        return Choice(self.mode, name, allowed)


_NO_CHOICE: Final = Choice()


def read_choice(choice: Any) -> Choice:
    """`tool_choice` of a request: a word, a tool, or a list of allowed tools."""
    if isinstance(choice, str):
        return Choice(choice)
    if not isinstance(choice, dict):
        return _NO_CHOICE
    if "allowed_tools" not in choice:
        return Choice(name=tool_name(choice))
    allowed = choice["allowed_tools"] or {}
    return Choice(
        allowed.get("mode", "auto"), allowed=tuple(map(tool_name, allowed.get("tools", ())))
    )


# --- calls ----------------------------------------------------------------------------------------


class History(NamedTuple):
    """The assistant's side of a conversation, in order."""

    answers: list[Mapping[str, Any]]
    """The assistant messages."""
    calls: dict[str, Mapping[str, Any]]
    """Id → tool call."""
    called: dict[str, None]
    """The client's names of the tools that were called."""


def read_history(messages: Iterable[Mapping[str, Any]]) -> History:
    history = History([], {}, {})
    for message in messages:
        if message["role"] == "assistant":
            history.answers.append(message)
        for call in message.get("tool_calls", ()):
            history.calls[call["id"]] = call
            history.called[tool_name(call)] = None
    return history


def plain_function_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """A tool call of the history as `{"id", "name", "arguments"}`, custom ones included."""
    if "custom" in call:
        custom = call["custom"] or {}
        arguments = exact_json.dumps({"input": custom.get("input") or ""}).decode()
        return {
            "id": call.get("id") or "",
            "name": custom.get("name") or "",
            "arguments": arguments,
        }
    function = call.get("function") or {}
    return {
        "id": call.get("id") or "",
        "name": function.get("name") or "",
        "arguments": arguments_text(function.get("arguments") or ""),
    }


class ToolCall(NamedTuple):
    """A tool call of the history, for a provider that takes inputs as objects."""

    id: str
    name: str
    input: dict[str, Any]


def tool_call(call: Mapping[str, Any]) -> ToolCall:
    """`call` with its arguments as an object; the text of a custom tool is in its `input`."""
    id_ = call.get("id") or ""
    if "custom" in call:
        custom = call["custom"] or {}
        return ToolCall(id_, custom.get("name") or "", {"input": custom.get("input") or ""})
    function = call.get("function") or {}
    return ToolCall(id_, function.get("name") or "", arguments_object(function.get("arguments")))


def arguments_object(text: Any) -> dict[str, Any]:
    """A tool call's arguments as an object, whatever the model once wrote.

    Empty is `{}`; JSON that is not an object is `{"value": …}`; text that is not JSON is
    `{"_raw": text}`: the model that reads the history sees what was said, and the provider sees an
    object.
    """
    if isinstance(text, dict):
        return text
    if not isinstance(text, str) or not text.strip():
        return {}
    try:
        value = exact_json.loads(text, replace_surrogates=True)
    except ValueError:
        return {"_raw": text}
    return value if isinstance(value, dict) else {"value": value}


def arguments_text(value: Any) -> str:
    """Arguments as JSON text; some servers send an object where the contract says text."""
    if isinstance(value, str):
        return value
    return exact_json.dumps(value if value is not None else {}).decode()


def custom_input(arguments: str) -> str:
    """The plain text inside a custom tool's `{"input": …}`; arguments of another form are handed on
    as they are."""
    try:
        value = halves.loads(arguments.encode("utf-8", "surrogatepass"))
    except ValueError:
        return arguments
    if isinstance(value, dict) and isinstance(value.get("input"), str):
        return str(value["input"])
    return arguments
