"""The notes of a request that the face keeps until it writes the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

ToolKind = Literal["function", "custom", "tool_search"]


class ToolName(NamedTuple):
    """A tool as the client declared it; the hub has one flat name for it."""

    namespace: str | None
    name: str
    kind: ToolKind


class Notes(NamedTuple):
    """The `notes` of a `Request`."""

    echo: Mapping[str, Any]
    """The fields of the request that a response object repeats."""
    tools: Mapping[str, ToolName]
    """Flat name → the client's tool."""
    refusal_as_text: bool = False
    """The client shows no `refusal` part: Codex drops such a message without a word."""
    compacting: bool = False
    """The client asked for a summary of the conversation: the answer is one `compaction` item."""
    store: bool = True
    """The answer may be kept for `previous_response_id` and `item_reference`."""
