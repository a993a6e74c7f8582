"""The conversation: turns of blocks → the hub's messages.

One turn may become several messages: the results of tools, which are messages of their own in the
hub, and what the user says beside them. The results of one turn come in the order in which the
tools ended; the hub has them in the order of the calls, because one provider tells two calls of one
tool apart by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from gateway.dialects.anthropic.inbound.notes import invalid, object_at, text_at
from gateway.dialects.anthropic.inbound.parts import (
    Block,
    Part,
    blocks_of,
    content_of,
    decode_block,
    decode_parts,
    kind_of,
    marked,
    name_keys,
    name_others,
    text_part,
)
from gateway.dialects.anthropic.inbound.tools import CHANGES
from gateway.dialects.anthropic.messages import EMPTY, reminder
from gateway.hub import exact_json
from gateway.hub.losses import ECHOES
from gateway.hub.sealed import unseal

Message = dict[str, Any]

BILLING: Final = "x-anthropic-billing-header:"
"""Begins the system block in which Claude Code states its version and a fingerprint. Anthropic
removes it from the prompt; for every other provider it would only spoil the prompt cache."""


def decode_system(system: Any, dropped: list[str]) -> Iterator[Message]:
    """The system prompt: one message per block."""
    if system is None:
        return
    for number, (block, path) in enumerate(blocks_of(system, "system")):
        if kind_of(block, path) != "text":
            dropped.append(path)
            continue
        text = text_at(block.get("text"), f"{path}.text")
        name_keys(block, "text", path, dropped)
        if text and not (number == 0 and text.startswith(BILLING)):
            yield {"role": "system", "content": content_of(marked([text_part(text)], block))}


class Conversation:
    """Reads turn after turn; `messages` is what the hub has of them."""

    def __init__(self, dropped: list[str]) -> None:
        self.messages: list[Message] = []
        self.changes: list[tuple[Block, str]] = []
        """Blocks that change the list of tools, each with its path."""
        self._dropped = dropped
        self._begun = False
        """A turn of the user or of the model has been read."""
        self._places: dict[str, int] = {}
        """The calls of the last assistant turn, by id, with their places."""

    def read(self, turns: Any) -> None:
        """Adds every turn. Raises `Failed` for one that cannot be read."""
        last_user = max(
            (number for number, turn in enumerate(turns) if _role(turn) == "user"), default=-1
        )
        for number, turn in enumerate(turns):
            path = f"messages.{number}"
            role = text_at(object_at(turn, path).get("role"), f"{path}.role")
            read = _ROLES.get(role)
            if read is None:
                known = "'user', 'assistant' or 'system'"
                raise invalid(f"{path}.role", f"Input should be {known}")
            if role == "system" and _is_over(turn, number < last_user):
                continue
            name_others(turn, _OF_TURNS, path, self._dropped)
            read(self, turn, path)
            self._begun = self._begun or role != "system"
        for message in self.messages:
            if message["role"] == "user":
                message["content"] = content_of(message["content"])
        if not self.messages:
            self.messages.append({"role": "user", "content": EMPTY})

    # --- users ------------------------------------------------------------------------------------

    def _user(self, turn: Mapping[str, Any], path: str) -> None:
        results: list[Message] = []
        said: list[Part] = []
        for block, place in blocks_of(turn.get("content"), f"{path}.content"):
            if kind_of(block, place) == "tool_result":
                results.append(self._result(block, place))
            else:
                said += decode_block(block, place, self._dropped)
        results.sort(key=lambda message: self._places.get(message["tool_call_id"], len(results)))
        self.messages += results
        self._say(said)

    def _say(self, parts: list[Part]) -> None:
        """Adds `parts` to the user's turn, which may have begun before."""
        if not parts:
            return
        last = self.messages[-1] if self.messages else {}
        if last.get("role") == "user":
            last["content"] += parts
        else:
            self.messages.append({"role": "user", "content": list(parts)})

    def _result(self, block: Block, path: str) -> Message:
        id_ = text_at(block.get("tool_use_id"), f"{path}.tool_use_id")
        name_keys(block, "tool_result", path, self._dropped)
        content = block.get("content")
        parts = decode_parts(content or [], f"{path}.content", self._dropped)
        if block.get("is_error") is True:
            parts = _as_error(parts)
        message: Message = {"role": "tool", "tool_call_id": id_, "content": content_of(parts)}
        if block.get("cache_control"):
            message["cache_control"] = block["cache_control"]
        return message

    # --- the system -------------------------------------------------------------------------------

    def _system(self, turn: Mapping[str, Any], path: str) -> None:
        """An instruction in mid-conversation joins the user's turn: in front it would undo the
        prompt cache."""
        if turn.get("output_config"):
            self._dropped.append(f"{path}.output_config")
        texts = list(self._instructions(turn.get("content"), f"{path}.content"))
        if self._begun:
            self._say([{**part, "text": reminder(part["text"])} for part in texts])
        else:
            self.messages += [{"role": "system", "content": content_of([part])} for part in texts]

    def _instructions(self, content: Any, path: str) -> Iterator[Part]:
        if content is None:
            return
        for block, place in blocks_of(content, path):
            kind = kind_of(block, place)
            if kind in CHANGES:
                self.changes.append((block, place))
            elif kind == "text":
                yield from decode_block(block, place, self._dropped)
            else:
                self._dropped.append(place)

    # --- the model --------------------------------------------------------------------------------

    def _assistant(self, turn: Mapping[str, Any], path: str) -> None:
        said = _Said()
        for block, place in blocks_of(turn.get("content"), f"{path}.content"):
            kind = kind_of(block, place)
            read = _SAID.get(kind)
            if read is not None:
                read(said, block, place)
                if kind == "tool_use":
                    name_keys(block, kind, place, self._dropped)
            else:
                said.parts += decode_block(block, place, self._dropped)
        message = said.message()
        if message is not None:
            self.messages.append(message)
            calls = message.get("tool_calls", ())
            self._places = {call["id"]: number for number, call in enumerate(calls)}


_OF_TURNS: Final = ECHOES | {
    *("role", "content", "clear_at", "output_config"),
    *("stop_reason", "stop_sequence", "stop_details", "usage", "container", "context_management"),
}
"""Keys of a turn: its own, those named elsewhere, and what clients send back of an answer."""

_ROLES: Final[Mapping[str, Callable[[Conversation, Mapping[str, Any], str], None]]] = {
    "user": Conversation._user,
    "assistant": Conversation._assistant,
    "system": Conversation._system,
}


def _role(turn: Any) -> Any:
    return turn.get("role") if isinstance(turn, Mapping) else None


def _is_over(turn: Mapping[str, Any], followed: bool) -> bool:
    """Whether an instruction held for one user turn only, and that turn has passed."""
    return followed and turn.get("clear_at") == "next_user_message"


def _as_error(parts: list[Part]) -> list[Part]:
    """A result whose tool failed: no other API has a flag for it."""
    place = next((n for n, part in enumerate(parts) if part["type"] == "text"), None)
    if place is None:
        return [text_part("Error: the tool failed."), *parts]
    text = parts[place]["text"]
    if text.startswith("Error"):
        return parts
    return [*parts[:place], {**parts[place], "text": f"Error: {text}"}, *parts[place + 1 :]]


class _Said:
    """The parts of one assistant turn."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._reasoning: list[str] = []
        self._details: list[dict[str, Any]] = []
        self._calls: list[dict[str, Any]] = []
        self._extras: dict[str, Any] = {}
        """By the id of a call: what has to go back with it."""
        self._mark: Any = None

    def thinking(self, block: Block, path: str) -> None:
        """A thinking block: its text, and what a signature of ours holds; no provider reads
        another's."""
        text = block.get("thinking")
        if isinstance(text, str) and text:
            self._reasoning.append(text)
        self._unseal(block.get("signature"))

    def redacted(self, block: Block, path: str) -> None:
        self._unseal(block.get("data"))

    def tool_use(self, block: Block, path: str) -> None:
        id_ = text_at(block.get("id"), f"{path}.id")
        name = text_at(block.get("name"), f"{path}.name")
        function = {"name": name, "arguments": _arguments(block.get("input"), path)}
        self._calls.append({"id": id_, "type": "function", "function": function})
        self._mark = block.get("cache_control") or self._mark

    def message(self) -> Message | None:
        """The hub's message; None for a turn that says nothing."""
        if not self.parts and not self._calls:
            return None
        message: Message = {"role": "assistant"}
        if self.parts or not self._calls:
            message["content"] = content_of(self.parts)
        fields = {
            "reasoning_content": "".join(self._reasoning),
            "reasoning_details": self._details,
            "tool_calls": [self._with_extra(call) for call in self._calls],
            "cache_control": self._mark,
        }
        return message | {key: value for key, value in fields.items() if value}

    def _with_extra(self, call: dict[str, Any]) -> dict[str, Any]:
        extra = self._extras.get(call["id"])
        return {**call, "extra_content": extra} if isinstance(extra, dict) else call

    def _unseal(self, signature: Any) -> None:
        value = unseal(signature)
        if not isinstance(value, dict):
            return
        details, calls = value.get("details"), value.get("calls")
        if isinstance(details, list):
            self._details += [item for item in details if isinstance(item, dict)]
        if isinstance(calls, dict):
            self._extras |= calls


def _arguments(value: Any, path: str) -> str:
    """The input as JSON text. Raises `Failed` for one that is not an object."""
    if value is None:
        return "{}"
    try:
        return exact_json.dumps(object_at(value, f"{path}.input")).decode()
    except ValueError as error:
        raise invalid(f"{path}.input", str(error)) from error


_SAID: Final[Mapping[str, Callable[[_Said, Block, str], None]]] = {
    "thinking": _Said.thinking,
    "redacted_thinking": _Said.redacted,
    "tool_use": _Said.tool_use,
}
