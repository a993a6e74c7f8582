"""The list of models: one object that readers of OpenAI's and of Anthropic's form both
understand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from gateway.hub.models_list import ModelItem

ALIAS_PREFIX: Final = "claude-"
"""Begins the alias under which Claude Code finds an agent: it lists only ids that name Anthropic or
Claude."""
_VISIBLE: Final = ("claude", "anthropic")


def wants_aliases(headers: Mapping[str, str]) -> bool:
    """Whether the reader is Claude Code, or another client of Anthropic's API. `headers` has
    lower-case names."""
    return headers.get("user-agent", "").startswith("claude-cli") or "anthropic-version" in headers


def agent_of_alias(name: str) -> str | None:
    """The agent's name in the alias `claude-<agent>`; None for another name."""
    agent = name.removeprefix(ALIAS_PREFIX)
    return agent if agent and agent != name else None


def encode_models(items: Iterable[ModelItem], *, aliases: bool = False) -> dict[str, Any]:
    """The list; with `aliases`, every item that Claude Code would pass over a second time under its
    alias."""
    items = list(items)
    listed = [*items, *(aliases_of(items) if aliases else ())]
    ids = [item.id for item in listed]
    return {
        "object": "list",
        "data": [encode_model(item) for item in listed],
        "has_more": False,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
    }


def encode_model(item: ModelItem) -> dict[str, Any]:
    """One model, with `context_length` where other servers state the window."""
    encoded: dict[str, Any] = {
        "id": item.id,
        "object": "model",
        "created": item.created,
        "owned_by": item.owned_by,
        "type": "model",
        "display_name": item.id,
        "created_at": datetime.fromtimestamp(item.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
    }
    if item.chain:
        encoded["chain"] = list(item.chain)
        encoded["description"] = " → ".join(item.chain)
    if item.context_window:
        encoded |= {"context_length": item.context_window, "max_input_tokens": item.context_window}
    if item.max_output_tokens:
        encoded["max_tokens"] = item.max_output_tokens
    return encoded


def aliases_of(items: Sequence[ModelItem]) -> Iterator[ModelItem]:
    """The items that Claude Code would pass over, each under its alias."""
    taken = {item.id for item in items}
    for item in items:
        alias = ALIAS_PREFIX + item.id
        if alias not in taken and not any(word in item.id.lower() for word in _VISIBLE):
            yield item._replace(id=alias)
