"""The messages of the native lane: what came from other providers, or from the gateway, in a form
Anthropic takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gateway.dialects.anthropic.messages import GO_ON, encode_id, reminder
from gateway.dialects.anthropic.models import Generation
from gateway.dialects.anthropic.thinking import encode_block, signed_details
from gateway.hub.sealed import is_sealed, unseal
from gateway.hub.shapes import table

Body = dict[str, Any]
Block = dict[str, Any]

_SIGNATURE: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
"""The form of a signature of Anthropic's: base64."""
_THINKING: Final = frozenset({"thinking", "redacted_thinking"})


def edit_messages(body: Body, claude: Generation) -> list[str]:
    """Brings content of another provider, or of the gateway itself, into a form that Anthropic
    takes."""
    losses: list[str] = []
    turns = list(_turns(body["messages"], _own))
    if not claude.late_system:
        turns = list(_without_late_system(turns, losses))
    last = turns[-1] if turns else {}
    if last.get("role") == "assistant" and not claude.prefill and _ends_in_text(last):
        turns.append({"role": "user", "content": GO_ON})
        losses.append("messages.prefill")
    if turns != body["messages"]:
        body["messages"] = turns
    return losses


def _blocks(turn: Mapping[str, Any]) -> list[Block]:
    content = turn.get("content")
    return content if isinstance(content, list) else []


def _turns(turns: Iterable[Any], change: Callable[[Block], list[Block]]) -> Iterable[Any]:
    """The turns with `change` made to each block; a turn of which nothing is left is left out."""
    for turn in turns:
        before = _blocks(turn)
        after = [changed for block in before for changed in change(block)]
        if after == before:
            yield turn
        elif after:
            yield {**turn, "content": after}


def _own(block: Block) -> list[Block]:
    change = _CHANGED_BLOCKS.get(block.get("type"))
    return change(block) if change else [block]


def _signed(block: Block) -> list[Block]:
    """Thinking with a signature that Anthropic may have made. What the gateway sealed becomes what
    it was."""
    signature = block.get("signature") if block["type"] == "thinking" else block.get("data")
    if is_sealed(signature):
        value = unseal(signature)
        details = value.get("details") if isinstance(value, dict) else None
        return [encode_block(detail) for detail in signed_details({"reasoning_details": details})]
    known = isinstance(signature, str) and _SIGNATURE.fullmatch(signature)
    return [block] if known else []


def _identified(key: str) -> Callable[[Block], list[Block]]:
    """A change of the tool-call id under `key`: those of other providers hold characters that
    Anthropic refuses."""

    def change(block: Block) -> list[Block]:
        id_ = block.get(key)
        fitted = encode_id(id_) if isinstance(id_, str) else id_
        return [block] if fitted == id_ else [{**block, key: fitted}]

    return change


def _cited(block: Block) -> list[Block]:
    """A text without the citations that the gateway made of another provider's: they lack
    Anthropic's index."""
    citations = block.get("citations")
    if not isinstance(citations, list):
        return [block]
    kept = [item for item in citations if not _is_ours(item)]
    if len(kept) == len(citations):
        return [block]
    others = {key: value for key, value in block.items() if key != "citations"}
    return [{**others, "citations": kept} if kept else others]


def _is_ours(citation: Any) -> bool:
    return isinstance(citation, Mapping) and citation.get("encrypted_index") == ""


_CHANGED_BLOCKS: Final[Mapping[Any, Callable[[Block], list[Block]]]] = {
    "thinking": _signed,
    "redacted_thinking": _signed,
    "tool_use": _identified("id"),
    "tool_result": _identified("tool_use_id"),
    "text": _cited,
}


def _without_late_system(turns: Iterable[Any], losses: list[str]) -> Iterable[Any]:
    """Instructions in mid-conversation as text of the user's turn, where the generation has no role
    for them."""
    merged: list[Any] = []
    own: list[Block] | None = None
    """The content of the last turn, where it is a list made here."""
    for turn in turns:
        if turn.get("role") != "system":
            merged.append(turn)
            own = None
            continue
        if own is None:
            before = (
                merged.pop() if merged and merged[-1].get("role") == "user" else {"role": "user"}
            )
            own = list(_as_blocks(before))
            merged.append({**before, "content": own})
        own += _reminders(turn, losses)
    return [turn for turn in merged if turn["content"]]


def _reminders(turn: Mapping[str, Any], losses: list[str]) -> Iterable[Block]:
    for block in _as_blocks(turn):
        if block.get("type") == "text":
            yield {**block, "text": reminder(block["text"])}
        else:
            losses.append("messages.tool_changes")


def _as_blocks(turn: Mapping[str, Any]) -> list[Block]:
    content = turn.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content or []


def _ends_in_text(turn: Mapping[str, Any]) -> bool:
    """Whether an assistant turn is a beginning to go on from; after a server tool it is a turn that
    was paused."""
    blocks = _as_blocks(turn)
    return bool(blocks) and blocks[-1].get("type") == "text"


def continue_without_thinking(body: Body) -> list[str]:
    """A budget in the middle of a tool loop needs the thinking that led to the calls, which is not
    at hand.

    "Expected `thinking` or `redacted_thinking`, but found `tool_use`."
    """
    if table(body, "thinking").get("type") != "enabled":
        return []
    turns = [turn for turn in body["messages"] if turn.get("role") == "assistant"]
    kinds = {block.get("type") for block in _blocks(turns[-1])} if turns else set()
    if "tool_use" not in kinds or kinds & _THINKING:
        return []
    del body["thinking"]
    return ["thinking"]


def replays_thinking(body: Body) -> bool:
    """Whether thinking of earlier turns goes back with a native request."""
    return any(_is_thinking(block) for turn in body["messages"] for block in _blocks(turn))


def without_thinking(body: Body) -> Body:
    """`body` without the thinking of earlier turns, for one repeat after a refused signature."""
    turns = _turns(body["messages"], lambda block: [] if _is_thinking(block) else [block])
    left = {**body, "messages": list(turns)}
    continue_without_thinking(left)
    return left


def _is_thinking(block: Block) -> bool:
    return block.get("type") in _THINKING
