"""The request: which fields the hub has, and what is lost where a provider has another format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.dialects.anthropic.inbound.messages import Conversation, decode_system
from gateway.dialects.anthropic.inbound.notes import REQUIRED, Notes, invalid
from gateway.dialects.anthropic.inbound.tools import apply_changes, decode_choice, decode_tools
from gateway.dialects.chat.normalize import normalize
from gateway.hub.contracts import Request
from gateway.hub.counts import COUNT_MAX
from gateway.hub.reasoning import LEVELS
from gateway.hub.shapes import table
from gateway.hub.structured_output import is_strict
from gateway.types import Chat

FORWARDED: Final = ("anthropic-beta", "anthropic-version")
"""The request headers that the native lane forwards."""

_KNOWN: Final = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "max_tokens", "stream", "cache_control"}
    | {"stop_sequences", "temperature", "top_p", "top_k", "thinking", "output_config"}
    | {"output_format"}
)
"""The fields that the hub has a form for."""
_NEUTRAL: Final[Mapping[str, tuple[Any, ...]]] = {
    "service_tier": ("auto",),
    "speed": ("standard",),
    "mcp_servers": ([],),
    "fallbacks": ([],),
    "metadata": ({},),
    "context_management": ({}, {"edits": []}),
}
"""Values that say what happens anyway."""
_BUDGETS: Final = ((2_048, "low"), (12_000, "medium"), (24_000, "high"))
"""A budget of thinking tokens, and the effort it means; a larger one is `xhigh`."""


def decode_request(body: Mapping[str, Any], headers: Mapping[str, str]) -> Request:
    """A Messages request in the hub's form. Raises `Failed` for a field that cannot be read."""
    _check(body)
    dropped = [field for field, value in body.items() if _is_lost(field, value)]
    conversation = Conversation(dropped)
    conversation.messages += decode_system(body.get("system"), dropped)
    conversation.read(body["messages"])
    tools = decode_tools(body, dropped)
    if conversation.changes:
        tools = apply_changes(tools, conversation.changes, dropped)
    chat: Chat = {"model": body["model"], "messages": conversation.messages}
    chat |= {to: body[field] for field, to in _PASSED.items() if body.get(field) is not None}
    chat |= _limit(body, dropped)
    if tools:
        chat["tools"] = tools
    chat |= decode_choice(body, tools, dropped)
    chat |= _output(body, dropped)
    forwarded = {name: headers[name] for name in FORWARDED if headers.get(name)}
    return Request(normalize(chat), body, forwarded, tuple(dropped), _notes(body))


_PASSED: Final[Mapping[str, str]] = {
    "stream": "stream",
    "stop_sequences": "stop",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "cache_control": "cache_control",
}
"""Field → the hub's name of it."""


def _is_lost(field: str, value: Any) -> bool:
    if field in _KNOWN or value is None:
        return False
    return value not in _NEUTRAL.get(field, ())


def _limit(body: Mapping[str, Any], dropped: list[str]) -> dict[str, Any]:
    """`max_tokens`; 0, with which Anthropic only fills its cache, has no form elsewhere."""
    limit = int(body["max_tokens"])
    if limit == 0:
        dropped.append("max_tokens")
    return {"max_completion_tokens": max(limit, 1)}


# --- types ----------------------------------------------------------------------------------------


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= COUNT_MAX and value == int(value)


def _is_text_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_TYPES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "model": (lambda value: isinstance(value, str) and bool(value), "a valid string"),
    "max_tokens": (_is_whole, "a valid integer of at least 0"),
    "messages": (lambda value: isinstance(value, list), "a valid list"),
    "system": (lambda value: isinstance(value, str | list), "a valid string or list"),
    "stream": (lambda value: isinstance(value, bool), "a valid boolean"),
    "tools": (lambda value: isinstance(value, list), "a valid list"),
    "stop_sequences": (_is_text_list, "a valid list of strings"),
    "temperature": (lambda value: _is_number(value) and 0 <= value <= 2, "from 0 to 1"),
    "top_p": (lambda value: _is_number(value) and 0 <= value <= 1, "from 0 to 1"),
    "top_k": (_is_whole, "a valid integer of at least 0"),
    "thinking": (lambda value: isinstance(value, dict), "a valid dictionary"),
    "output_config": (lambda value: isinstance(value, dict), "a valid dictionary"),
    "output_format": (lambda value: isinstance(value, dict), "a valid dictionary"),
}
_REQUIRED: Final = ("model", "max_tokens", "messages")


def _check(body: Mapping[str, Any]) -> None:
    for field in _REQUIRED:
        if body.get(field) is None:
            raise invalid(field, REQUIRED)
    for field, (accepts, wanted) in _TYPES.items():
        value = body.get(field)
        if value is not None and not accepts(value):
            raise invalid(field, f"Input should be {wanted}")
    if not body["messages"]:
        raise invalid("messages", "at least one message is required")
    if isinstance(body.get("thinking"), dict) and not isinstance(body["thinking"].get("type"), str):
        raise invalid("thinking.type", REQUIRED)


# --- thinking and output --------------------------------------------------------------------------


def _output(body: Mapping[str, Any], dropped: list[str]) -> dict[str, Any]:
    """`reasoning_effort` and `response_format`."""
    config = table(body, "output_config")
    thinking = table(body, "thinking")
    dropped += [f"output_config.{key}" for key in config if key not in ("effort", "format")]
    fields: dict[str, Any] = {}
    dropped += [f"thinking.{key}" for key in thinking if key not in _OF_THINKING]
    effort = _effort(thinking, config, dropped)
    if effort is not None:
        fields["reasoning_effort"] = effort
    wanted = config.get("format") or body.get("output_format")
    if wanted:
        fields |= _format(wanted, dropped)
    return fields


_OF_THINKING: Final = frozenset({"type", "budget_tokens", "display"})
_THINKS: Final = frozenset({"enabled", "adaptive", "between_tools"})


def _effort(
    thinking: Mapping[str, Any], config: Mapping[str, Any], dropped: list[str]
) -> str | None:
    """How much to think; None means the model's own `thinkingLevel`."""
    if thinking.get("type") == "disabled":
        return "none"
    if thinking and thinking["type"] not in _THINKS:
        dropped.append("thinking")
    stated, budget = config.get("effort"), thinking.get("budget_tokens")
    if stated is not None and stated in LEVELS:
        return str(stated)
    if stated is not None:
        dropped.append("output_config.effort")
    if thinking.get("type") == "enabled" and isinstance(budget, int | float):
        return next((level for limit, level in _BUDGETS if budget <= limit), "xhigh")
    return None


def _format(wanted: Any, dropped: list[str]) -> dict[str, Any]:
    schema = wanted.get("schema") if isinstance(wanted, Mapping) else None
    if not isinstance(schema, dict) or wanted.get("type") != "json_schema":
        dropped.append("output_config.format")
        return {}
    dropped += [f"output_config.format.{key}" for key in wanted if key not in ("type", "schema")]
    named = {"name": "output", "schema": schema, "strict": is_strict(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _notes(body: Mapping[str, Any]) -> Notes:
    thinking = table(body, "thinking")
    asked = thinking.get("type") not in (None, "disabled")
    return Notes(asked, thinking_text=thinking.get("display") != "omitted")
