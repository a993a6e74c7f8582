"""Names what a dialect leaves out of messages, parts and tools, as `fields` does for the request.

Each dialect states what it takes in one `Taken`. Everything else is a loss and is named, without
the position of the message: a history repeats its keys in every turn. Not named are `ECHOES`, which
clients send back because an answer had them, and marks of caches, which change a price at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from gateway.hub.parts import INSTRUCTIONS

MARKS: Final = frozenset({"cache_control", "prompt_cache_breakpoint"})
"""Where a provider may cache."""

STRUCTURE: Final = frozenset({"role", "content", "tool_calls", "tool_call_id", "is_error"})
"""Keys of a message that every dialect translates."""

ECHOES: Final = frozenset(
    {
        "annotations",
        "citations",
        "created",
        "executed_tools",
        "extra_content",
        "finish_reason",
        "function_call",
        "id",
        "index",
        "logprobs",
        "model",
        "object",
        "parsed",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "reasoning_text",
        "refusal",
        "status",
        "thought_signature",
        "thoughtSignature",
        "type",
    }
)
"""Keys of an answer that say nothing to another model; dialects send back what they can read."""

_SILENT: Final = STRUCTURE | ECHOES | MARKS
_WORDS_ONLY: Final = INSTRUCTIONS | {"assistant"}
"""Roles whose messages hold text and nothing else in most formats."""
_NEUTRAL: Final[Mapping[str, Any]] = {"detail": "auto"}


_PATHS_MAX: Final = 32
_PATH_CHARS_MAX: Final = 64
"""Keys are the client's own: however many and long they are, they fit into one header."""


def lost_path(*keys: str) -> str:
    """The path of something that is lost, as `x-gateway-dropped` names it."""
    return ".".join(keys)[:_PATH_CHARS_MAX]


def _nothing(part: Mapping[str, Any]) -> frozenset[str]:
    return frozenset()


class Taken(NamedTuple):
    """The keys that a dialect takes beyond `STRUCTURE`."""

    message: frozenset[str] = frozenset()
    """Further keys of a message."""
    answer: frozenset[str] = frozenset()
    """Further keys of an assistant message."""
    inner: Mapping[str, frozenset[str]] = {}
    """Type of a part → the keys it takes of the object under that name (`image_url`)."""
    of_file: Callable[[Mapping[str, Any]], frozenset[str]] = _nothing
    """The keys it takes of the object in a given `file` part."""
    part: frozenset[str] = frozenset()
    """Further keys of a part."""
    assistant: frozenset[str] = frozenset()
    """Types of parts of an assistant message, beyond text."""
    tool: frozenset[str] = frozenset()
    """Further keys of a tool."""
    definition: frozenset[str] | None = frozenset()
    """Further keys of the object inside a tool; None where all of them are sent."""


def named(
    messages: list[dict[str, Any]], tools: Iterable[Mapping[str, Any]], taken: Taken
) -> list[str]:
    """The paths of what is lost, each once, in order: `messages.name`, `tools.0.defer_loading`."""
    lost = dict.fromkeys(lost_path(path) for path in _of_messages(messages, taken))
    return [*islice(lost, _PATHS_MAX), *_of_tools(tools, taken)]


def _of_messages(messages: list[dict[str, Any]], taken: Taken) -> Iterator[str]:
    known = _SILENT | taken.message
    by_role = {"assistant": known | taken.answer, "tool": known | {"name"}}  # its call has the name
    for message in messages:
        role = message["role"]
        taken_here = by_role.get(role, known)
        if not message.keys() <= taken_here:
            yield from (f"messages.{key}" for key in message if key not in taken_here)
        content = message.get("content")
        if isinstance(content, list):
            yield from _of_parts(content, role, taken)


def _of_parts(parts: list[dict[str, Any]], role: str, taken: Taken) -> Iterator[str]:
    for part in parts:
        kind = part["type"]
        if role in _WORDS_ONLY and not _is_said(kind, role, taken):
            yield f"messages.content.{kind}"
            continue
        known = {"text", kind, *taken.part}
        yield from (
            f"messages.content.{key}" for key in part if key not in known and key not in _SILENT
        )
        if kind == "file":
            yield from _of_inner(part.get(kind), kind, taken.of_file(part))
            yield from _of_citations(part.get("citations"), taken)
        elif kind in taken.inner:
            yield from _of_inner(part.get(kind), kind, taken.inner[kind])


def _is_said(kind: str, role: str, taken: Taken) -> bool:
    return kind in ("text", "refusal") or (role == "assistant" and kind in taken.assistant)


def _of_inner(held: Any, kind: str, known: frozenset[str]) -> Iterator[str]:
    if not isinstance(held, dict):
        return
    for key, value in held.items():
        if key not in known and value not in (None, _NEUTRAL.get(key)):
            yield f"messages.content.{kind}.{key}"


def _of_citations(wanted: Any, taken: Taken) -> Iterator[str]:
    """Citations that the client wants of a document. The same key of a text is an echo."""
    is_wanted = isinstance(wanted, Mapping) and bool(wanted.get("enabled"))
    if is_wanted and "citations" not in taken.part:
        yield "messages.content.citations"


_DEFINITION: Final = MARKS | {"name", "description", "parameters", "strict", "format"}
_TOOL: Final = frozenset({"type", "function", "custom"}) | MARKS


def _of_tools(tools: Iterable[Mapping[str, Any]], taken: Taken) -> Iterator[str]:
    for number, tool in enumerate(tools):
        if tool["type"] in ("function", "custom"):
            lost = [key for key in tool if key not in _TOOL and key not in taken.tool]
            if taken.definition is not None:
                inner = tool.get(tool["type"]) or {}
                known = _DEFINITION | taken.definition
                lost += [key for key, value in inner.items() if value and key not in known]
            yield from (f"tools.{number}.{key}" for key in lost)
